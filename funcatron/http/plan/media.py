"""The headers that decide what becomes of a body."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Head", "is_bodiless", "read_head"]

_JSON = b"application/json"


@dataclass(slots=True)
class Head:
    """``length`` is None where there is no Content-Length, -1 where it is no number."""

    content_type: bytes | None = None
    length: int | None = None
    chunked: bool = False

    @property
    def empty(self) -> bool:
        """Whether the request says that it has no body."""
        return not self.length and not self.chunked


def read_head(headers: Iterable[tuple[bytes, bytes]]) -> Head:
    """Read a request's headers; of repeated ones the first counts, as for connexion."""
    head = Head()
    for name, value in headers:
        if name == b"content-type":
            if head.content_type is None:
                head.content_type = value
        elif name == b"content-length":
            if head.length is None:
                head.length = int(value) if value.isdigit() else -1
        elif name == b"transfer-encoding":
            head.chunked = True
    return head


def is_bodiless(headers: Iterable[tuple[bytes, bytes]], *, json: bool) -> bool:
    """Whether connexion sees nothing to read in a request to an operation without a body.

    It reads forms, and fails on media types that are none, whether the operation has a body or not. ``json`` tells
    whether the operation lets empty requests say that they are JSON: in OpenAPI 2.0 it may want something else.
    """
    for name, value in headers:
        if name == b"content-type":
            return json and value == _JSON and read_head(headers).empty
    return True
