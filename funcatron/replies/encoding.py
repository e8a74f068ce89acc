"""The replies of an operation: what its handler returned becomes a Result that fits the document.

A generator or async generator is streamed, a Path is that file, a marshmallow Schema that describes the answer dumps
the value; all other forms are in ``returned``.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson

from funcatron.annotations import Typed
from funcatron.binding import find_media, is_json
from funcatron.codec import decode_json, encode_json
from funcatron.errors import Violation
from funcatron.files import FileStream
from funcatron.headers import Headers
from funcatron.invocation import Result
from funcatron.replies.chunks import chunk, event_chunk
from funcatron.replies.errors import InvalidReply
from funcatron.replies.media_types import BYTES, infer
from funcatron.replies.returned import Unpacked, check_headers, unpack
from funcatron.schemas import STRICT, SchemaValidator, compile_schema, is_finite, refuse
from funcatron.spec.operation import Operation, Reply
from funcatron.streams import Stream

__all__ = ["Replies", "WholeReplies"]

EVENT_STREAM = "text/event-stream"
EMPTY = frozenset({204, 205, 304})
"""Statuses whose answers have no content (RFC 9110, section 15)."""

_PLAIN = frozenset({dict, list, str, int, float, bool})


@dataclass(frozen=True, slots=True)
class _Usual:
    """What becomes of a JSON object or array with some status, no headers said."""

    content_type: str
    fits: Callable[[Any], bool] | None
    """Whether plain JSON fits; raises ValueError for a UUID, which orjson writes. None if all does."""
    finite: bool
    """Whether NaN and infinity, which are written as null, take a second look."""


class Replies:
    """Encodes and validates the replies of one operation; validators are compiled on first use."""

    def __init__(
        self,
        operation: Operation,
        *,
        validate: bool = True,
        typed: Typed | None = None,
        named: Mapping[tuple[str, str], Typed] | None = None,
    ) -> None:
        """``typed`` is what the handler says it returns, which holds for 2xx; ``named`` what the document names, by
        status (``200``, ``2XX``, ``default``) and media type, as written there.
        """
        self._operation = operation
        self._validate = validate
        self.typed = typed
        self.named = named or {}
        self._has_schemas = any(one.schema is not None for one in (typed, *self.named.values()) if one is not None)
        self._validators: dict[tuple[int, str], SchemaValidator | None] = {}
        self._described: dict[int, tuple[Reply | None, tuple[str, ...]]] = {}
        self._usual: dict[int, _Usual | None] = {}

    def encode(self, returned: Any, *, dump: bool = True) -> Result:
        """Return the Result of what a handler returned; without ``dump`` its value was dumped before.

        Raises InvalidReply where it does not serialise, is of no known form, or does not fit the document.
        """
        value, status, kind = returned, 200, type(returned)
        if kind is tuple and len(returned) == 2:
            value, status = returned
            kind = type(value)
        if (kind is dict or kind is list) and type(status) is int:  # JSON that is valid: all else takes a second look
            try:
                usual = self._usual[status] if status in self._usual else self._compile_usual(status)
                if usual is not None:
                    body = orjson.dumps(value, refuse, STRICT)
                    fits = usual.fits is None or usual.fits(value)
                    if fits and not (usual.finite and b"null" in body and not is_finite(value)):
                        return Result(value=value, status=status, body=body, content_type=usual.content_type)
            except (TypeError, ValueError):
                pass
        return self._encode_any(returned, dump)

    def _compile_usual(self, status: int) -> _Usual | None:
        if not 200 <= status <= 599:
            return None
        usual = self._usual[status] = self._find_usual(status)
        return usual

    def _find_usual(self, status: int) -> _Usual | None:
        reply, types = self._described.get(status) or self._describe(status)
        try:
            content_type = infer(types, status, {})
        except InvalidReply:
            return None
        if not is_json(content_type) or status in EMPTY:
            return None
        if self._has_schemas and self._schema(status, content_type) is not None:
            return None
        if reply is None or not self._validate:
            return _Usual(content_type, None, finite=False)
        if reply.required_headers:
            return None
        validator = self._validator(reply, status, content_type)
        if validator is None:
            return _Usual(content_type, None, finite=False)
        return _Usual(content_type, validator.decide, finite=not validator.takes_null_for_nan)

    def _encode_any(self, returned: Any, dump: bool) -> Result:
        unpacked: Unpacked = (returned, 200, {}, None, None) if type(returned) is dict else unpack(returned)
        value, status, headers, content_type, retry_after = unpacked
        if headers:
            check_headers(headers)
        if status is None:
            status = 204 if value is None else 200
        reply, types = self._described.get(status) or self._describe(status)
        content_type = content_type or infer(types, status, value)
        if dump and self._has_schemas:
            value = self._dumped(value, status, content_type)
        body = self._body(value, content_type)
        if reply is not None and self._validate:
            self._check(reply, status, content_type, value, body, headers)
        streamed = isinstance(body, Stream)
        if isinstance(body, FileStream):
            headers = {**_file_validators(body, headers), **headers}
        return Result(
            value=None if streamed else value,
            status=status,
            headers=headers,
            body=body,
            content_type=content_type if streamed or body or value is not None else None,
            retry_after=retry_after,
        )

    def _describe(self, status: int) -> tuple[Reply | None, tuple[str, ...]]:
        """Return what the document says of a status, and its media types."""
        reply = self._operation.reply(status)
        self._described[status] = found = reply, tuple(reply.content) if reply is not None else ()
        return found

    def _schema(self, status: int, content_type: str) -> Typed | None:
        """Return the marshmallow Schema of answers with this status and media type, if there is one."""
        key = self._operation.reply_key(status)
        content = {} if key is None else self._operation.replies[key].content
        found = self.named.get((key or "", find_media(content, content_type) or ""))
        if found is None and 200 <= status < 300 and is_json(content_type):
            found = self.typed
        return found if found is not None and found.schema is not None else None

    def _dumped(self, value: Any, status: int, content_type: str) -> Any:
        """Return what the Schema of an answer makes of its value; text, bytes and streams are no objects to dump."""
        typed = self._schema(status, content_type)
        if typed is None or value is None or isinstance(value, (str, *BYTES, AsyncIterable, Iterator)):
            return value
        try:
            return typed.schema.dump(value, many=typed.many)
        except Exception as error:
            raise InvalidReply(f"{typed.name} cannot dump a {type(value).__name__}: {error}") from error

    def _body(self, value: Any, content_type: str) -> Any:
        if value is None:
            return b""
        if isinstance(value, BYTES):
            return bytes(value)
        if type(value) not in _PLAIN:
            if isinstance(value, Stream):
                return value
            if isinstance(value, (AsyncIterable, Iterator)):
                return Stream(value, event_chunk if content_type.startswith(EVENT_STREAM) else chunk)
            if isinstance(value, Path) and not is_json(content_type):
                return FileStream(value)
        try:
            if is_json(content_type):
                return encode_json(value)
            if isinstance(value, str):
                return value.encode()
        except (TypeError, ValueError) as error:
            raise InvalidReply(f"the answer does not serialise: {error}") from error
        raise InvalidReply(f"a {type(value).__name__} cannot be sent as {content_type}: return str or bytes")

    def _check(self, reply: Reply, status: int, content_type: str, value: Any, body: Any, headers: Headers) -> None:
        violations = []
        if reply.required_headers:
            given = {name.lower() for name in headers}
            violations = [Violation(f"/header/{n}", "is required") for n in sorted(reply.required_headers - given)]
        if isinstance(body, bytes) and status not in EMPTY and is_json(content_type):
            validator = self._validator(reply, status, content_type)
            if validator is not None and (isinstance(value, BYTES) or not validator.is_valid(value)):
                violations += self._violations(validator, body)
        if violations:
            listed = "; ".join(f"{v.pointer}: {v.message}" for v in violations[:5])
            raise InvalidReply(f"the answer does not fit the document's {status} response: {listed}", violations)

    @staticmethod
    def _violations(validator: SchemaValidator, body: bytes) -> list[Violation]:
        """Judge what goes over the wire: a datetime or a dataclass is valid once it is encoded."""
        try:
            sent = decode_json(body) if body else None
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


class WholeReplies(Replies):
    """The replies of a handler that answers for itself: whole Results, which are sent as they are."""

    def encode(self, returned: Any, *, dump: bool = True) -> Result:
        """Return what the handler (or a middleware) returned, encoded if it is no whole Result."""
        whole = isinstance(returned, Result) and isinstance(returned.body, (bytes, Stream)) and returned.value is None
        return returned if whole else super().encode(returned, dump=dump)


def _file_validators(file: FileStream, headers: Headers) -> dict[str, str]:
    """Return the validators of a file (RFC 9110, section 8.8), those apart that the handler gave."""
    given = {name.lower() for name in headers}
    found = {"ETag": file.etag, "Last-Modified": file.modified}
    return {name: value for name, value in found.items() if name.lower() not in given}
