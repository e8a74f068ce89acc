"""The headers that decide what becomes of a body."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from starlette.types import Scope

__all__ = ["Bodiless", "read_head"]

_JSON = b"application/json"
_TELLING = frozenset({b"content-length", b"content-type", b"transfer-encoding"})


def read_head(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes | None, int | None]:
    """Return a request's Content-Type and Content-Length; of repeated ones the first counts, as for connexion.

    Each is None where there is none; the length is -1 where it is no number.
    """
    content_type = length = None
    for name, value in headers:
        if name == b"content-type":
            if content_type is None:
                content_type = value
        elif name == b"content-length" and length is None:
            length = int(value) if value.isdigit() else -1
    return content_type, length


class Bodiless:
    """The stage of an operation without a body: whether connexion sees nothing to read in a request to it.

    It reads forms, fails on media types that are none, and waits for the end of a body, may the operation have one or
    not. A request has a body if a header tells of it (RFC 9112 section 6). ``json`` tells whether the operation lets
    empty requests say that they are JSON: in OpenAPI 2.0 it may want something else.
    """

    __slots__ = ("_json",)

    def __init__(self, *, json: bool) -> None:
        self._json = json

    def read(self, scope: Scope, texts: dict[str, Any], arguments: dict[str, Any]) -> bool:
        """See Read."""
        headers = scope["headers"]
        for name, _ in headers:
            if name in _TELLING:
                return self._is_empty(headers)
        return True

    def _is_empty(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        content_type, length = read_head(headers)
        if length or any(name == b"transfer-encoding" for name, _ in headers):
            return False
        return content_type is None or (self._json and content_type == _JSON)
