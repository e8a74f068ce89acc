"""What was posted to a webhook's path: read once to be matched, then as the operation of each function describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Message, Receive, Scope

from funcatron.binding import is_json
from funcatron.errors import InvalidInput, Problem, Violation
from funcatron.http.body import URLENCODED
from funcatron.http.content import UnknownCharset, media_parameter, read_json
from funcatron.http.forms import MAX_FIELDS
from funcatron.http.request import Decoded, RequestDecoder
from funcatron.http.stream import RequestStream
from funcatron.registry import Function
from funcatron.settings import Limits
from funcatron.types import MISSING, Location
from funcatron.webhooks.matching import Delivery

__all__ = ["Posted", "PostedReader", "read_posted"]

JSON = "application/json"
PAYLOAD = "payload"
"""The one field of a form that carries JSON, as GitHub and others post it."""
_DESCRIBED: tuple[Location, ...] = ("query", "header")


@dataclass(frozen=True, slots=True)
class Posted:
    """One request: ``headers`` by name in lower case, the raw ``content``; ``payload`` is the JSON text that a form
    carried in its one field; ``delivery`` is what functions are chosen by.
    """

    scope: Scope
    headers: Mapping[str, str]
    content: bytes
    payload: bytes | None
    delivery: Delivery


def read_posted(scope: Scope, headers: Mapping[str, str], content: bytes) -> Posted:
    """Read a request, its body by its Content-Type; raises InvalidInput for what cannot be decoded, Problem 415."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        detail = f"the Content-Encoding {headers['content-encoding']!r} is not understood"
        raise Problem(415, detail=detail, headers={"Accept-Encoding": "identity"})
    body = _decoded(headers.get("content-type"), content)
    payload = body[PAYLOAD].encode() if _is_wrapped(headers, body) else None
    if payload is not None:
        body = read_json(payload, "/body")
    query = dict(_pairs("/query", scope["query_string"]))
    return Posted(scope, headers, content, payload, Delivery(headers, query, body))


class PostedReader:
    """Reads requests as one function's operation describes them: its parameters in query and header, its body."""

    def __init__(self, function: Function, limits: Limits) -> None:
        arguments = function.binder.arguments
        self._decoder = RequestDecoder(function, limits)
        self._limit = limits.body
        self._secrets = {arguments.get((p.location, p.name)) for p in function.operation.secrets}
        body = function.operation.body
        self._takes_forms = body is not None and any(key.lower().startswith(URLENCODED) for key in body.content)

    async def read(self, posted: Posted) -> tuple[Decoded, Any, Mapping[str, str]]:
        """Return the arguments that stand beside the body, without credentials; the body; and the headers as they
        describe it. Raises InvalidInput, Problem 415.
        """
        content, headers = posted.content, posted.headers
        if posted.payload is not None and not self._takes_forms:
            content, headers = posted.payload, {**headers, "content-type": JSON}
        decoded = Decoded(arguments=self._parameters(posted.scope, headers))
        if self._decoder.body is None:
            return decoded, posted.delivery.body, headers
        read = await self._decoder.body.read(RequestStream(_replayed(content), {}, self._limit), headers)
        decoded.media_type, decoded.files = read.media_type, read.files
        return decoded, None if read.value is MISSING else read.value, headers

    def _parameters(self, scope: Scope, headers: Mapping[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for location in _DESCRIBED:
            try:
                found |= self._decoder.values(location, scope, headers)
            except UnicodeDecodeError as error:
                raise InvalidInput([Violation(f"/{location}", f"is not UTF-8: {error.reason}")]) from None
        return {name: value for name, value in found.items() if value is not MISSING and name not in self._secrets}


def _decoded(content_type: str | None, content: bytes) -> Any:
    """Return a body's value; what says nothing of itself is JSON if it can be, else bytes."""
    bare = (content_type or "").partition(";")[0].strip().lower()
    if not content:
        return None
    if not bare:
        try:
            return read_json(content, "/body")
        except InvalidInput:
            return content
    if is_json(bare):
        try:
            return read_json(content, "/body", media_parameter(content_type or "", "charset"))
        except UnknownCharset as error:
            raise Problem(415, detail=str(error)) from None
    if bare == URLENCODED:
        return _form(content)
    return content.decode("utf-8", "replace") if bare.startswith("text/") else content


def _form(content: bytes) -> dict[str, Any]:
    """Return a form's fields: texts, and lists of them where a field is there several times."""
    fields: dict[str, Any] = {}
    for name, text in _pairs("/body", content):
        if name not in fields:
            fields[name] = text
        else:
            before = fields[name]
            fields[name] = [*before, text] if isinstance(before, list) else [before, text]
    return fields


def _pairs(pointer: str, content: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(content.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError as error:
        raise InvalidInput([Violation(pointer, f"is not UTF-8: {error.reason}")]) from None
    except ValueError:
        raise InvalidInput([Violation(pointer, f"has more than {MAX_FIELDS} fields")]) from None


def _is_wrapped(headers: Mapping[str, str], body: Any) -> bool:
    """Whether a form is nothing but JSON in one field."""
    if not isinstance(body, Mapping) or not headers.get("content-type", "").lower().startswith(URLENCODED):
        return False
    payload = body.get(PAYLOAD)
    return len(body) == 1 and isinstance(payload, str) and payload.lstrip().startswith("{")


def _replayed(content: bytes) -> Receive:
    """Return an ASGI ``receive`` that gives this body."""

    async def receive() -> Message:
        return {"type": "http.request", "body": content}

    return receive
