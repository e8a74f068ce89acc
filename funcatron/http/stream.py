"""The request's body as it arrives: chunked or not, never more of it than the limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from funcatron.errors import Problem

__all__ = ["Again", "Replay", "RequestStream", "until_disconnect"]


class Replay:
    """An ASGI ``receive`` that can be asked twice: first by us, then by a handler through ``connexion.request``.

    ``first`` gives the messages as they come; calling the object gives what was kept of them again, then goes on.
    ``taken`` was received already: both give it, as if it came only now.
    """

    __slots__ = ("_ahead", "_kept", "_receive", "_taken", "keep")

    def __init__(self, receive: Receive, taken: Message | None = None) -> None:
        self.keep = True
        self._receive = receive
        self._kept = [] if taken is None else [taken]
        self._ahead = taken
        self._taken = 0

    async def first(self) -> Message:
        """Return the next message from the server."""
        if self._ahead is not None:
            message, self._ahead = self._ahead, None
            return message
        message = await self._receive()
        if self.keep and message["type"] == "http.request":
            self._kept.append(message)
        return message

    async def __call__(self) -> Message:
        """Return the next message: one that was kept, else one from the server."""
        if self._taken < len(self._kept):
            self._taken += 1
            return self._kept[self._taken - 1]
        return await self._receive()


class Again(msgspec.Struct):
    """An ASGI ``receive`` that begins with a message that was received already."""

    receive: Receive
    taken: Message | None

    async def __call__(self) -> Message:
        """Return the next message."""
        message, self.taken = self.taken, None
        return await self.receive() if message is None else message


class RequestStream:
    """The body of one request. Reading it raises Problem 413 past ``limit`` bytes, ClientDisconnect if the client
    goes away.
    """

    def __init__(self, receive: Receive, headers: Mapping[str, str], limit: int) -> None:
        self._receive = receive.first if isinstance(receive, Replay) else receive
        self._replay = receive if isinstance(receive, Replay) else None
        self._limit = limit
        self._length = headers.get("content-length", "")
        self._read = asyncio.Event()

    def pass_on(self, limit: int) -> None:
        """Keep nothing of what is read, of which there may be ``limit`` bytes: it goes to disk or to the handler."""
        self._limit = limit
        if self._replay is not None:
            self._replay.keep = False

    async def rest(self) -> Message:
        """Return the next message after the body (an ASGI ``receive``), for as long as it is read elsewhere."""
        await self._read.wait()
        return await self._receive()

    async def read(self) -> bytes:
        """Return the whole body."""
        chunks = [chunk async for chunk in self.chunks()]
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it arrives."""
        if self._length.isdigit() and int(self._length) > self._limit:
            raise self._too_large()
        received = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._read.set()
                raise ClientDisconnect
            chunk: bytes = message.get("body", b"")
            received += len(chunk)
            if received > self._limit:
                raise self._too_large()
            if not message.get("more_body", False):
                self._read.set()
            if chunk:
                yield chunk
            if self._read.is_set():
                return

    def _too_large(self) -> Problem:
        return Problem(413, detail=f"the body is larger than the limit of {self._limit} bytes", limit=self._limit)


async def until_disconnect(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
