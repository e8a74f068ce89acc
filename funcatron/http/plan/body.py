"""The body: read once, decoded once, checked, and given back where connexion has to see it."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from connexion.exceptions import BadRequestProblem
from starlette.types import Message, Receive, Scope

from funcatron.http.plan.schema import Accepts
from funcatron.http.plan.validation import JsonValidation

__all__ = ["Content", "Json", "Raw", "Taken"]

_decode = msgspec.json.Decoder().decode


class Content(Protocol):
    """What becomes of a body of one media type."""

    def fill(self, content: bytes, scope: Scope, arguments: dict[str, Any]) -> bool | Awaitable[bool]:
        """Fill in the arguments; False if connexion has to judge. May raise anything for that, but not when awaited."""

    def problem(self, content: bytes, arguments: dict[str, Any]) -> BadRequestProblem | None:
        """Return what connexion says of a body that is not accepted, None where that is not certain.

        ``arguments`` are as far filled in as they could be.
        """


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON body. connexion takes the texts ``null`` and ``None`` for nothing where the schema is nullable."""

    accepts: Accepts
    nullable: bool
    argument: str | None
    validation: JsonValidation

    def fill(self, content: bytes, scope: Scope, arguments: dict[str, Any]) -> bool:
        """See Content. msgspec decodes what Python's json does, to the same values, but for what it refuses."""
        value = _decode(content)
        if self.argument is not None:
            arguments[self.argument] = value
        return value is not None and not (self.nullable and type(value) is str) and self.accepts(value)

    def problem(self, content: bytes, arguments: dict[str, Any]) -> BadRequestProblem | None:
        """See Content."""
        if self.argument in arguments:
            return self.validation.problem(arguments[self.argument])
        return self.validation.problem_of_text(content)


@dataclass(frozen=True, slots=True)
class Raw:
    """A body that connexion neither decodes nor checks."""

    argument: str | None

    def fill(self, content: bytes, scope: Scope, arguments: dict[str, Any]) -> bool:
        """See Content."""
        if self.argument is not None:
            arguments[self.argument] = content
        return bool(content)

    def problem(self, content: bytes, arguments: dict[str, Any]) -> BadRequestProblem | None:
        """See Content."""
        return None


class Taken:
    """A body that is being read from the server; ``message`` is its first, and most bodies have one.

    ``content`` is what is read of it, ``whole`` whether it came whole.
    """

    __slots__ = ("_messages", "_next", "_receive", "content", "whole")

    def __init__(self, receive: Receive, message: Message) -> None:
        self._receive = receive
        self._messages = [message]
        self._next = 0
        self.content: bytes = message.get("body", b"")
        self.whole = message["type"] == "http.request" and not message.get("more_body")

    async def read_on(self, most: int | None) -> None:
        """Read the rest. One of more than ``most`` bytes is left where it is."""
        message, chunks, size = self._messages[0], [self.content], len(self.content)
        while message.get("more_body") and (most is None or size <= most):
            message = await self._receive()
            self._messages.append(message)
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
        self.content = b"".join(chunks)
        self.whole = message["type"] == "http.request" and not message.get("more_body")

    def fill(self, content: Content, scope: Scope, arguments: dict[str, Any]) -> bool | Awaitable[bool]:
        """Have the arguments filled in; False if connexion has to judge."""
        try:
            return self.whole and content.fill(self.content, scope, arguments)
        except Exception:  # noqa: BLE001 - nothing ran yet: what a plan cannot judge, whyever, is connexion's
            return False

    async def receive(self) -> Message:
        """Give the body's messages again, then what the server has."""
        if self._next < len(self._messages):
            self._next += 1
            return self._messages[self._next - 1]
        return await self._receive()
