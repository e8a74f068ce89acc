"""The response: what a handler returns, encoded and checked as connexion does it, where that is quick."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
import orjson
from connexion.jsonifier import JSONEncoder, Jsonifier
from connexion.operations import AbstractOperation
from starlette.types import Message

from funcatron.http.plan.schema import RESPONSES, Accepts, acceptor
from funcatron.schemas import is_finite

__all__ = ["Answer", "Responses"]

_decode = msgspec.json.Decoder().decode
_STRICT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_APPEND_NEWLINE
_JSON = re.compile(r"application/(?:json|[a-z0-9.\-]+\+json)")
_BODILESS = frozenset({204, 304})
_COMPOUND = (dict, list)
_PLAIN = (*_COMPOUND, str, int, float, bool)
_OURS = (b"content-length", b"content-type")
_default = JSONEncoder().default


Answer: TypeAlias = tuple[Message, Message]
"""A response that is ready to be sent: its start and its body."""


class Responses:
    """Makes answers of what one operation's handler returns.

    Quick is all that an operation with one media type returns as plain values: data, or data with a status, headers or
    both. All others are connexion's: Response objects, streams, data that is not of the media type.
    """

    __slots__ = ("_dumps", "_media_type", "_validators")

    def __init__(self, operation: AbstractOperation, jsonifier: Jsonifier, *, validate: bool) -> None:
        produces = set(operation.produces) or {"application/json"}
        media_type = next(iter(produces))
        quick = len(produces) == 1 and _JSON.fullmatch(media_type) is not None
        self._media_type = (b"content-type", media_type.encode("latin-1")) if quick else None
        self._dumps = _dumps_of(jsonifier)
        self._validators = _validators(operation, media_type) if validate else None

    def answer(self, returned: Any) -> Answer | None:
        """Return the answer, None if it is connexion's to make (or to refuse)."""
        if type(returned) is not tuple:
            data, status, headers = returned, 200, None
        elif len(returned) == 2 and type(returned[1]) is int:
            data, status = returned
            headers = None
        else:
            data, status, headers = _unpacked(returned)
        if self._media_type is None or type(data) not in _PLAIN or not 200 <= status < 600 or status in _BODILESS:
            return None
        content = self._dumps(data)
        if self._validators is not None:
            accepts = self._validators.get(status) or self._validators[None]
            if not _is_valid(accepts, data, content):
                return None
        sent = [self._media_type, (b"content-length", b"%d" % len(content))]
        if headers is not None:
            more = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
            if any(name in _OURS for name, _ in more):
                return None
            sent = more + sent
        return (
            {"type": "http.response.start", "status": status, "headers": sent},
            {"type": "http.response.body", "body": content},
        )


def _is_valid(accepts: Accepts, data: Any, content: bytes) -> bool:
    """Judge the value itself where it is plain JSON, and else what it became on the wire."""
    try:
        if accepts(data):
            return True
    except ValueError:
        pass
    try:
        return accepts(_decode(content))
    except msgspec.DecodeError:
        return False


def _unpacked(returned: tuple[Any, ...]) -> tuple[Any, int, Mapping[str, str] | None]:
    """Return data, status and headers; a status of 0 is connexion's to understand."""
    match returned:
        case (data, int(status)):
            return data, int(status), None
        case (data, dict(headers)):
            return data, 200, headers
        case (data, int(status), dict(headers)):
            return data, int(status), headers
        case (data,):
            return data, 200, None
    return None, 0, None


def _dumps_of(jsonifier: Jsonifier) -> Callable[[Any], bytes]:
    def slowly(data: Any) -> bytes:
        encoded: str = jsonifier.dumps(data)
        return encoded.encode()

    def quickly(data: Any) -> bytes:
        """What orjson writes otherwise than Python's json is left to that, and so are single values. (``in`` would ask
        first whether the bytes are a number, for more than orjson takes.)
        """
        if type(data) not in _COMPOUND:
            return slowly(data)
        try:
            content = orjson.dumps(data, _default, _STRICT)
        except TypeError:
            return slowly(data)
        return slowly(data) if content.find(b"null") >= 0 and not is_finite(data) else content

    stock = type(jsonifier) is Jsonifier and jsonifier.dumps_args == Jsonifier().dumps_args
    return quickly if stock and jsonifier.json is Jsonifier().json else slowly


def _validators(operation: AbstractOperation, media_type: str) -> dict[int | None, Accepts]:
    """Return what each status' body must be; None stands for every other status."""
    validators: dict[int | None, Accepts] = {None: _anything}
    for status, definition in operation.responses.items():
        accepts = acceptor(operation.response_schema(status, media_type), RESPONSES)
        if status == "default":
            validators[None] = _judge(definition, accepts)
        elif status.isdecimal() and not status.startswith("0"):
            validators[int(status)] = _judge(definition, accepts)
    return validators


def _judge(definition: Mapping[str, Any], accepts: Accepts) -> Accepts:
    required = any(header.get("required") for header in definition.get("headers", {}).values())
    return _nothing if required else accepts


def _anything(value: Any) -> bool:
    return True


def _nothing(value: Any) -> bool:
    """A response whose headers are checked too is connexion's."""
    return False
