"""What a handler may return, taken apart.

A value, ``(value, status)``, ``(value, headers)``, ``(value, status, headers)``, a Result, and, so that a connexion
handler runs unchanged, a response object of starlette or connexion, and connexion's ``NoContent``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, TypeAlias

from funcatron.files import FileStream
from funcatron.headers import Headers, first, gathered, pairs
from funcatron.invocation import Result
from funcatron.replies.errors import InvalidReply

__all__ = ["Unpacked", "check_headers", "unpack"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

Unpacked: TypeAlias = tuple[Any, int | None, Headers, str | None, float | None]
"""Value, status, headers, content type, seconds to wait before trying again."""


def unpack(returned: Any) -> Unpacked:
    """Take any return form apart; raises InvalidReply for one that is none."""
    if type(returned) is tuple:
        value, status, headers = _unpack_tuple(returned)
    elif isinstance(returned, Result):
        value = returned.value if returned.value is not None else (returned.body or None)
        status, headers = _status(returned.status), _gathered(returned.headers)
        return value, status, headers, returned.content_type or _content_type(headers), returned.retry_after
    else:
        value, status, headers = returned, None, {}
    if hasattr(value, "status_code") and hasattr(value, "headers"):
        return _unpack_response(value, status, headers)
    if _is_no_content(value):
        value = None
    return value, status, headers, _content_type(headers), None


def _unpack_tuple(returned: tuple[Any, ...]) -> tuple[Any, int | None, Headers]:
    value, *rest = returned or (None,)
    status: int | None = None
    headers: Headers = {}
    try:
        match rest:
            case []:
                pass
            case [(Mapping() | list()) as given]:
                headers = gathered(given)
            case [given]:
                status = _status(given)
            case [given, given_headers]:
                status = None if given is None else _status(given)
                headers = gathered(given_headers or {})
            case _:
                raise ValueError
    except (TypeError, ValueError):
        said = "a tuple must be (value, status), (value, headers) or (value, status, headers)"
        raise InvalidReply(said) from None
    return value, status, headers


def _gathered(given: Any) -> Headers:
    try:
        return gathered(given)
    except (TypeError, ValueError):
        raise InvalidReply("headers must be a mapping, or pairs of name and value") from None


def check_headers(headers: Headers) -> None:
    """Refuse what HTTP cannot carry (RFC 9110, section 5.5), on every door: a result on record may be asked for."""
    for name, value in pairs(headers):
        if _TOKEN.fullmatch(name) is None:
            raise InvalidReply(f"{name!r} is not the name of a header")
        if _CONTROLS.search(value):
            raise InvalidReply(f"the header {name} has a line break or a control character in its value")


def _status(given: Any) -> int:
    status = getattr(given, "value", given)
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise InvalidReply(f"{given!r} is not an HTTP status: return (value, status) with a number from 200 to 599")
    return int(status)


def _is_no_content(value: Any) -> bool:
    """Whether this is connexion's ``NoContent``; connexion is not imported unless the handler did."""
    connexion = sys.modules.get("connexion.datastructures")
    return connexion is not None and value is connexion.NoContent


def _unpack_response(response: Any, status: int | None, more: Headers) -> Unpacked:
    """Read a response of starlette or connexion; a streaming one keeps its iterator, a file is read as it is sent."""
    headers: Headers = {**_gathered(list((response.headers or {}).items())), **more}
    content_type = (
        _content_type(headers) or getattr(response, "content_type", None) or getattr(response, "media_type", None)
    )
    headers = {name: item for name, item in headers.items() if name.lower() != "content-length"}
    body: Any = getattr(response, "body_iterator", None)
    if body is None:
        body = getattr(response, "body", None)
    if body is None and (path := getattr(response, "path", None)) is not None:
        body = FileStream(path)
    if isinstance(body, str):
        body = body.encode()  # it is encoded already, JSON too
    if body == b"" and content_type is None:
        body = None
    return body, status or _status(response.status_code), headers, content_type, None


def _content_type(headers: Headers) -> str | None:
    return first(headers, "content-type") if headers else None
