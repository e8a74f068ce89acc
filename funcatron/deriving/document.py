"""OpenAPI 3.1 derived from handlers: their signatures, their types, and what their docstrings say."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec

from funcatron.annotations import Typed, annotations_of, typed_argument, typed_return
from funcatron.binding import argument_name
from funcatron.deriving.handlers import Told, told_of
from funcatron.deriving.schemas import Schemas
from funcatron.errors import FuncatronError
from funcatron.types import Handler

__all__ = ["derive"]

_JSON = "application/json"
_BYTES = "application/octet-stream"
_VERBS: Mapping[str, str] = {
    **dict.fromkeys(("find", "get", "list", "read", "show"), "get"),
    **dict.fromkeys(("patch", "update"), "patch"),
    **dict.fromkeys(("delete", "remove"), "delete"),
    **dict.fromkeys(("put", "replace"), "put"),
}
"""How handlers are called whose method is another than POST."""
_NO_PARAMETERS = frozenset({"body", "context", "context_", "event", "token_info", "user"})
_WITHOUT_BODY = frozenset({"delete", "get", "head"})
_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def derive(handlers: Mapping[str, Handler], *, title: str, version: str) -> dict[str, Any]:
    """Return the document of handlers by operationId.

    A docstring's YAML says path and method, and anything else of the Operation Object, which is merged over what is
    derived; without it they are made of the function's name. Raises FuncatronError for docstrings that cannot be read,
    and where two handlers have the same path and method.
    """
    schemas = Schemas(title, version)
    operations: dict[tuple[str, str], dict[str, Any]] = {}
    for name, handler in handlers.items():
        place, operation = _operation(name, handler, schemas)
        if place in operations:
            other = operations[place]["operationId"]
            raise FuncatronError(
                f"{name} and {other} both have {place[1].upper()} {place[0]}: say path: in a docstring"
            )
        operations[place] = operation
    return schemas.document(operations)


def _operation(name: str, handler: Handler, schemas: Schemas) -> tuple[tuple[str, str], dict[str, Any]]:
    told = told_of(handler)
    function = name.rpartition(".")[2]
    signature = inspect.signature(handler)
    body = signature.parameters.get("body")
    method = told.method or _method(function, body is not None)
    path = told.path or f"/{function.replace('_', '-')}"
    operation: dict[str, Any] = {"operationId": name}
    operation |= {key: value for key, value in (("summary", told.summary), ("description", told.description)) if value}
    parameters = list(_parameters(handler, signature, path, schemas))
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {
            "required": body.default is body.empty,
            "content": _body_content(handler, schemas),
        }
    operation["responses"] = _responses(handler, told, schemas)
    if parameters or body is not None:
        problem = {"application/problem+json": {"schema": schemas.add("Problem", _PROBLEM)}}
        operation["responses"]["400"] = {"description": "Invalid input", "content": problem}
    return (path, method), _merged(operation, told.operation)


def _method(function: str, has_body: bool) -> str:
    method = _VERBS.get(function.partition("_")[0], "post" if has_body else "get")
    return "post" if has_body and method in _WITHOUT_BODY else method


def _parameters(
    handler: Handler, signature: inspect.Signature, path: str, schemas: Schemas
) -> Iterator[dict[str, Any]]:
    """Yield the parameters: those of the path, and for the query all arguments of which JSON knows the type."""
    annotations = annotations_of(handler)
    in_path = {argument_name(name): name for name in re.findall(r"\{([^{}]+)\}", path)}
    for name, parameter in signature.parameters.items():
        if name in _NO_PARAMETERS or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        schema = _scalar(annotations.get(name, str), parameter, schemas)
        if schema is None:
            continue  # a service
        where = "path" if name in in_path else "query"
        required = where == "path" or parameter.default is parameter.empty
        yield {"name": in_path.get(name, name), "in": where, "required": required, "schema": schema}


def _scalar(annotation: Any, parameter: inspect.Parameter, schemas: Schemas) -> dict[str, Any] | None:
    try:
        schema = dict(schemas.of_plain(_without_none(annotation)))
    except TypeError:
        return None
    if parameter.default not in (parameter.empty, None):
        schema["default"] = msgspec.to_builtins(parameter.default)
    return schema


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(annotation) if part is not types.NoneType]
        return parts[0] if len(parts) == 1 else annotation
    return annotation


def _body_content(handler: Handler, schemas: Schemas) -> dict[str, Any]:
    typed, complaint = typed_argument(handler, "body")
    if complaint is not None:
        raise FuncatronError(f"{handler.__qualname__}: {complaint}")
    if typed is not None and typed.reader is not None:
        return {_BYTES: {}}
    return {_JSON: _media(typed, annotations_of(handler).get("body", Any), schemas)}


def _media(typed: Typed | None, annotation: Any, schemas: Schemas) -> dict[str, Any]:
    if typed is not None:
        return {"schema": schemas.of(typed)}
    try:
        schema = schemas.of_plain(annotation)
    except TypeError:
        return {}
    return {"schema": schema} if schema else {}


def _responses(handler: Handler, told: Told, schemas: Schemas) -> dict[str, Any]:
    """Return the answers that the annotation of the return tells of, under the docstring's own 2xx if it has one."""
    annotation = annotations_of(handler).get("return", Any)
    if typing.get_origin(annotation) is tuple:
        annotation = next(iter(typing.get_args(annotation)), Any)
    given = told.operation.get("responses", {})
    status = next((one for one in given if one.startswith("2")), "200")
    if annotation in (None, types.NoneType):
        return {} if given else {"204": {"description": "Done"}}
    bare = _without_none(annotation)
    answer: dict[str, Any] = {"description": "Success"}
    origin = typing.get_origin(bare) or bare
    if bare is bytes:
        answer["content"] = {_BYTES: {}}
    elif not (isinstance(origin, type) and issubclass(origin, Iterator | AsyncIterator)) and bare is not Any:
        typed, complaint = typed_return(handler)
        if complaint is not None:
            raise FuncatronError(f"{handler.__qualname__}: {complaint}")
        media = _media(typed, bare, schemas)
        if media:
            answer["content"] = {_JSON: media}
    empty = {"204": {"description": "Nothing"}} if bare is not annotation and "204" not in given else {}
    return {status: answer, **empty}


def _merged(derived: Any, said: Any) -> Any:
    """Return what is derived with what a docstring says over it, member by member."""
    if not isinstance(derived, Mapping) or not isinstance(said, Mapping):
        return said
    merged = {
        **derived,
        **{key: _merged(derived[key], value) if key in derived else value for key, value in said.items()},
    }
    if isinstance(said.get("parameters"), list) and isinstance(derived.get("parameters"), list):
        names = {one.get("name") for one in said["parameters"] if isinstance(one, Mapping)}
        merged["parameters"] = [
            *said["parameters"],
            *(one for one in derived["parameters"] if one["name"] not in names),
        ]
    return merged
