"""Replies: from what a handler returns to an encoded, validated Result, the same on every door.

Return forms: a value, ``(value, status)``, ``(value, headers)``, ``(value, status, headers)``, a Result, a generator
or async generator (streamed), and, so that a connexion handler runs unchanged, a response object of starlette or
connexion.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from funcatron.binding import find_media, is_json
from funcatron.codec import decode_json, encode_json
from funcatron.errors import FuncatronError, Violation
from funcatron.invocation import Result
from funcatron.schemas import SchemaValidator, compile_schema
from funcatron.spec.operation import Operation, Reply

__all__ = ["InvalidReply", "Replies"]

PROBLEM_JSON = "application/problem+json"
EVENT_STREAM = "text/event-stream"


class InvalidReply(FuncatronError):
    """The handler's answer is not what the document promises, or does not serialise."""

    def __init__(self, message: str, violations: Iterable[Violation] = ()) -> None:
        self.violations = tuple(violations)
        super().__init__(message)


class Replies:
    """Encodes and validates the replies of one operation; validators are compiled on first use."""

    def __init__(self, operation: Operation, *, validate: bool = True) -> None:
        self._operation = operation
        self._validate = validate
        self._validators: dict[tuple[int, str], SchemaValidator | None] = {}
        self._types: dict[int, tuple[str, ...]] = {}

    def encode(self, returned: Any) -> Result:
        """Return the Result of what a handler returned.

        Raises InvalidReply where it does not serialise, is of no known form, or does not fit the document.
        """
        value, status, headers, content_type = _unpack(returned)
        if status is None:
            status = 204 if value is None else 200
        reply = self._operation.reply(status)
        content_type = content_type or self._infer(reply, status, value)
        body = self._body(value, content_type)
        if self._validate and reply is not None:
            self._check(reply, status, content_type, value, body, headers)
        if value is None and not body:
            content_type = None
        return Result(
            value=value if isinstance(body, bytes) else None,
            status=status,
            headers=headers,
            body=body,
            content_type=content_type,
        )

    def _infer(self, reply: Reply | None, status: int, value: Any) -> str:
        """Choose a media type as connexion does: the only one, else by the value's kind; JSON where none is named."""
        types = self._types.get(status)
        if types is None:
            types = self._types[status] = tuple(reply.content) if reply is not None else ()
        if len(types) == 1 and "*" not in types[0]:
            return types[0]
        wanted = _kind(value)
        if not types:
            return wanted
        named = find_media(dict.fromkeys(types), wanted)
        if named is not None:
            return named if "*" not in named else wanted
        if wanted == "application/json":
            found = next((t for t in types if is_json(t) and "*" not in t), None)
            if found is not None:
                return found
        raise InvalidReply(
            f"several media types are declared for {status} ({', '.join(types)}) and a {type(value).__name__} does not "
            "say which one it is: return a Content-Type header"
        )

    def _body(self, value: Any, content_type: str) -> Any:
        if isinstance(value, (AsyncIterable, Iterator)) and not isinstance(value, (str, bytes)):
            return _stream(value, content_type)
        if value is None and not is_json(content_type):
            return b""
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)
        if is_json(content_type):
            try:
                return b"" if value is None else encode_json(value)
            except (TypeError, ValueError, RecursionError) as error:
                raise InvalidReply(f"the answer does not serialise: {error}") from error
        if isinstance(value, str):
            return value.encode("utf-8", "surrogatepass")
        raise InvalidReply(f"a {type(value).__name__} cannot be sent as {content_type}: return str or bytes")

    def _check(
        self, reply: Reply, status: int, content_type: str, value: Any, body: Any, headers: Mapping[str, str]
    ) -> None:
        violations = [
            Violation(f"/header/{name}", "is required")
            for name in reply.required_headers
            if name not in {key.lower() for key in headers}
        ]
        if isinstance(body, bytes) and body and is_json(content_type):
            validator = self._validator(reply, status, content_type)
            if validator is not None and not validator.is_valid(value):
                violations += self._violations(validator, body)
        if violations:
            listed = "; ".join(f"{v.pointer}: {v.message}" for v in violations[:5])
            raise InvalidReply(f"the answer does not fit the document's {status} response: {listed}", violations)

    @staticmethod
    def _violations(validator: SchemaValidator, body: bytes) -> list[Violation]:
        """Judge what goes over the wire: a datetime or a dataclass is valid once it is encoded."""
        try:
            sent = decode_json(body)
        except msgspec.DecodeError as error:
            return [Violation("/body", f"is not JSON: {error}")]
        return [] if validator.is_valid(sent) else validator.violations(sent, "/body")

    def _validator(self, reply: Reply, status: int, content_type: str) -> SchemaValidator | None:
        key = (status, content_type)
        if key not in self._validators:
            media_key = find_media(reply.content, content_type)
            schema = reply.content[media_key].schema if media_key is not None else None
            self._validators[key] = (
                compile_schema(self._operation.document, schema, direction="response") if schema else None
            )
        return self._validators[key]


def _unpack(returned: Any) -> tuple[Any, int | None, dict[str, str], str | None]:
    """Return value, status, headers and content type of any return form."""
    if type(returned) is tuple:
        return _unpack_tuple(returned)
    if isinstance(returned, Result):
        value = returned.value if returned.value is not None else (returned.body or None)
        return value, returned.status, dict(returned.headers), returned.content_type or _content_type(returned.headers)
    if hasattr(returned, "status_code") and hasattr(returned, "headers"):
        return _unpack_response(returned)
    return returned, None, {}, None


def _unpack_tuple(returned: tuple[Any, ...]) -> tuple[Any, int | None, dict[str, str], str | None]:
    value, *rest = returned or (None,)
    status, headers = None, {}
    match rest:
        case []:
            pass
        case [Mapping() as given]:
            headers = dict(given)
        case [given]:
            status = _status(given)
        case [given, given_headers]:
            status = None if given is None else _status(given)
            headers = dict(given_headers or {})
        case _:
            raise InvalidReply("a tuple must be (value, status), (value, headers) or (value, status, headers)")
    headers = {str(name): str(item) for name, item in headers.items()}
    return value, status, headers, _content_type(headers)


def _status(given: Any) -> int:
    status = getattr(given, "value", given)
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise InvalidReply(f"{given!r} is not an HTTP status: return (value, status) with a number from 100 to 599")
    return int(status)


def _unpack_response(response: Any) -> tuple[Any, int | None, dict[str, str], str | None]:
    """Read a starlette Response or a ConnexionResponse; a streaming one keeps its iterator."""
    headers = {str(name): str(item) for name, item in dict(response.headers or {}).items()}
    content_type = (
        _content_type(headers) or getattr(response, "content_type", None) or getattr(response, "media_type", None)
    )
    headers = {name: item for name, item in headers.items() if name.lower() != "content-length"}
    body: Any = getattr(response, "body_iterator", None)
    if body is None:
        body = getattr(response, "body", None)
    if isinstance(body, str):
        body = body.encode()
    elif body is not None and not isinstance(body, (bytes, bytearray, memoryview, AsyncIterable, Iterator)):
        body = encode_json(body)
        content_type = content_type or "application/json"
    return body or b"", response.status_code, headers, content_type


def _content_type(headers: Mapping[str, str]) -> str | None:
    return next((item for name, item in headers.items() if name.lower() == "content-type"), None)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text/plain"
    if isinstance(value, (bytes, bytearray, memoryview, AsyncIterable, Iterator)):
        return "application/octet-stream"
    return "application/json"


async def _stream(source: Any, content_type: str) -> AsyncIterator[bytes]:
    chunk = _event_chunk if content_type.startswith(EVENT_STREAM) else _chunk
    if isinstance(source, AsyncIterable):
        async for item in source:
            yield chunk(item)
        return
    from funcatron.calls import in_thread

    done = object()
    while (item := await in_thread(lambda: next(source, done))) is not done:
        yield chunk(item)


def _chunk(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode()
    return item if isinstance(item, bytes) else encode_json(item)


def _event_chunk(item: Any) -> bytes:
    """Write one server-sent event (HTML, section 9.2): a mapping's id, event, retry and data, or data alone."""
    fields = item if isinstance(item, Mapping) and "data" in item else {"data": item}
    lines: list[str] = []
    lines += [f"{name}: {fields[name]}" for name in ("id", "event", "retry") if fields.get(name) is not None]
    data = fields["data"]
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, default=str)
    lines += [f"data: {line}" for line in text.splitlines() or [""]]
    return ("\n".join(lines) + "\n\n").encode()
