"""``--mock``: handlers that answer what the document gives as an example, or something that fits its schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from funcatron.cli.sample import sample
from funcatron.errors import FuncatronError
from funcatron.importing import HandlerMissing, import_handler
from funcatron.spec.document import Document
from funcatron.spec.operation import Operation
from funcatron.types import Handler

__all__ = ["MockMode", "mock_handlers"]

MockMode = Literal["all", "missing"]


def mock_handlers(documents: Iterable[Document], mode: MockMode) -> Callable[[str], Handler | None]:
    """Return ``handlers`` for Funcatron: a mock for every operation, or for those that have no handler yet.

    A handler that is there and cannot be imported is a mistake, and told as one.
    """
    operations = {operation.name: operation for document in documents for operation in document.operations}

    def handlers(name: str) -> Handler | None:
        operation = operations[name]
        if mode == "missing" and _is_there(operation.target):
            return None
        return _mock(operation)

    return handlers


def _is_there(target: str | None) -> bool:
    try:
        return target is not None and import_handler(target) is not None
    except HandlerMissing:
        return False
    except FuncatronError:
        return True


def _mock(operation: Operation) -> Handler:
    answer = answer_of(operation)

    def example(**arguments: Any) -> Any:
        return answer

    example.__module__, example.__qualname__ = "mock", "example"
    example.stands_in = True  # type: ignore[attr-defined]
    return example


def answer_of(operation: Operation) -> tuple[Any, int, dict[str, str]]:
    """Return body, status and headers of the operation's first success."""
    document = operation.document
    responses: Mapping[str, Any] = document.resolve(f"#{operation.pointer}").get("responses", {})
    code = min((str(code) for code in responses if str(code)[:1] == "2"), default="default")
    status = int(code) if code.isdigit() else 200
    response = _followed(document, responses.get(code, {}))
    headers = {
        name: str(sample(document, _followed(document, header).get("schema", header)))
        for name, header in response.get("headers", {}).items()
    }
    return _body(document, response), status, headers


def _body(document: Document, response: Mapping[str, Any]) -> Any:
    """Return the example of OpenAPI 3 (``content``) or 2.0 (``examples``, ``schema``), else a value of the schema."""
    for media in response.get("content", {}).values():
        if "example" in media:
            return media["example"]
        for example in media.get("examples", {}).values():
            return _followed(document, example).get("value")
        return _made_up(document, media)
    for example in response.get("examples", {}).values():
        return example
    return _made_up(document, response)


def _made_up(document: Document, described: Mapping[str, Any]) -> Any:
    """Return a value of the schema; where that takes anything an empty object, since None is no content at all."""
    if "schema" not in described:
        return None
    value = sample(document, described["schema"])
    return {} if value is None else value


def _followed(document: Document, node: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in node:
        node = document.resolve(node["$ref"])
    return node
