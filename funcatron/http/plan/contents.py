"""Which media types of bodies are planned, and how each is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from connexion.http_facts import FORM_CONTENT_TYPES
from connexion.operations import AbstractOperation
from connexion.utils import is_nullable

from funcatron.http.plan.body import Content, Json, Raw
from funcatron.http.plan.forms import Form
from funcatron.http.plan.handler import Names
from funcatron.http.plan.media import read_head
from funcatron.http.plan.refusal import Refused
from funcatron.http.plan.schema import REQUESTS, Dialect, acceptor
from funcatron.http.plan.validation import JsonValidation

__all__ = ["Contents"]

_MULTIPART = "multipart/form-data"
_CHARSETS = ("", "; charset=utf-8", ";charset=utf-8", "; charset=UTF-8", ";charset=UTF-8")


class Contents:
    """The media types of one operation's bodies; ``wanted`` is the handler's argument for the body, if any."""

    def __init__(
        self,
        operation: AbstractOperation,
        names: Names,
        sanitize: Callable[[str], str],
        *,
        argument: str | None,
        strict: bool,
        dialect: Dialect = REQUESTS,
    ) -> None:
        usual: dict[str, Content] = {}
        for essence in operation.consumes:
            if "*" in essence or essence != essence.lower() or ";" in essence or essence.count("/") != 1:
                continue
            if essence in FORM_CONTENT_TYPES:
                usual[essence] = Form.of(operation, essence, names, sanitize, strict=strict, dialect=dialect)
            else:
                usual[essence] = _content(operation, essence, argument, dialect)
        if not usual:
            raise Refused(f"a body of type {', '.join(operation.consumes) or 'none'}")
        self._multipart = usual.get(_MULTIPART)
        self._usual = _spelled(usual)

    def of(self, headers: Iterable[tuple[bytes, bytes]]) -> Content | None:
        """Return how the body of a request with these headers is read, None if it is connexion's."""
        content_type, length = read_head(headers)
        if content_type is None or length is None or length <= 0:
            return None
        content = self._usual.get(content_type)
        if content is None and self._multipart is not None and content_type.startswith(b"multipart/form-data;"):
            return self._multipart if content_type.count(b"/") == 1 and b"charset" not in content_type else None
        return content


def _content(operation: AbstractOperation, essence: str, argument: str | None, dialect: Dialect) -> Content:
    decoded = essence.startswith("application/") and (essence == "application/json" or essence.endswith("+json"))
    if decoded:
        schema, optional = operation.body_schema(essence), bool(is_nullable(operation.body_definition(essence)))
        nullable = optional or bool(is_nullable(schema))  # an x-nullable in the schema is the decorator's alone
        return Json(acceptor(schema, dialect), nullable, argument, JsonValidation(schema, dialect, nullable=optional))
    if essence.endswith("json"):
        raise Refused(f"a body of type {essence}, which connexion checks as JSON and hands over as bytes")
    return Raw(argument)


def _spelled(contents: Mapping[str, Content]) -> dict[bytes, Content]:
    """Return how each Content-Type that is usual is read: connexion reads unusual ones in more than one way."""
    return {
        f"{essence}{charset}".encode("latin-1"): content
        for essence, content in contents.items()
        for charset in (_CHARSETS if essence != _MULTIPART else ())
    }
