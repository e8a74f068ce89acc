"""The body: read once, decoded once, checked, and given back where connexion has to see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from starlette.types import Message, Receive, Scope

from funcatron.http.plan.schema import Accepts

__all__ = ["Content", "Json", "Raw", "Taken", "take"]

_decode = msgspec.json.Decoder().decode


class Content(Protocol):
    """What becomes of a body of one media type."""

    async def fill(self, content: bytes, scope: Scope, arguments: dict[str, Any]) -> bool:
        """Fill in the arguments; False if connexion has to judge. May raise what a decoder raises."""


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON body. connexion takes the text ``null`` for nothing where the schema is nullable."""

    accepts: Accepts
    nullable: bool
    argument: str | None

    async def fill(self, content: bytes, scope: Scope, arguments: dict[str, Any]) -> bool:
        """See Content. msgspec decodes what Python's json does, to the same values, but for what it refuses."""
        value = _decode(content)
        if value is None or (self.nullable and type(value) is str) or not self.accepts(value):
            return False
        if self.argument is not None:
            arguments[self.argument] = value
        return True


@dataclass(frozen=True, slots=True)
class Raw:
    """A body that connexion neither decodes nor checks."""

    argument: str | None

    async def fill(self, content: bytes, scope: Scope, arguments: dict[str, Any]) -> bool:
        """See Content."""
        if self.argument is not None:
            arguments[self.argument] = content
        return bool(content)


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
