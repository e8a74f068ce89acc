"""The body: read once, decoded once, checked, and given back where connexion has to see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from starlette.types import Message, Receive

__all__ = ["Content", "Json", "Raw", "Taken", "take"]

_decode = msgspec.json.Decoder().decode
MISSING = object()
"""A body that connexion has to judge."""


class Content(Protocol):
    """What becomes of a body of one media type."""

    def value(self, content: bytes) -> Any:
        """Return what the handler gets, MISSING if connexion has to judge; may raise what a decoder raises."""


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON body. connexion takes the text ``null`` for nothing where the schema is nullable."""

    accepts: Any
    nullable: bool

    def value(self, content: bytes) -> Any:
        """Msgspec decodes what Python's json does, to the same values, but for what it refuses."""
        try:
            value = _decode(content)
        except (msgspec.DecodeError, RecursionError):
            return MISSING
        if value is None or (self.nullable and type(value) is str):
            return MISSING
        return value if self.accepts(value) else MISSING


@dataclass(frozen=True, slots=True)
class Raw:
    """A body that connexion neither decodes nor checks."""

    def value(self, content: bytes) -> Any:
        """Return the bytes."""
        return content or MISSING


class Taken:
    """A body that has been read from the server."""

    __slots__ = ("_messages", "_next", "_receive", "content")

    def __init__(self, receive: Receive, messages: list[Message], content: bytes) -> None:
        self._receive = receive
        self._messages = messages
        self._next = 0
        self.content = content

    async def receive(self) -> Message:
        """Give the body's messages again, then what the server has."""
        if self._next < len(self._messages):
            self._next += 1
            return self._messages[self._next - 1]
        return await self._receive()


async def take(receive: Receive, most: int | None) -> tuple[Taken, bool]:
    """Read a body; and whether it came whole. One of more than ``most`` bytes is left where it is."""
    message = await receive()
    content: bytes = message.get("body", b"")
    messages = [message]
    if message.get("more_body"):
        chunks, size = [content], len(content)
        while message.get("more_body") and (most is None or size <= most):
            message = await receive()
            messages.append(message)
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
        content = b"".join(chunks)
    whole = message["type"] == "http.request" and not message.get("more_body")
    return Taken(receive, messages, content), whole


def by_media_type(contents: Mapping[str, Content]) -> dict[bytes, Content]:
    """Return how each Content-Type that is usual is read."""
    usual = ("", "; charset=utf-8", ";charset=utf-8", "; charset=UTF-8", ";charset=UTF-8")
    return {f"{essence}{more}".encode("latin-1"): content for essence, content in contents.items() for more in usual}
