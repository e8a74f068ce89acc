"""Executions that clients follow: their progress as server-sent events.

However many clients follow, the store is asked by one task in each process, for all executions in one go, and a client
that reads slowly costs nothing but its connection: what changes while it reads is told as it is then, not step by step.

Source: HTML, section 9.2 (server-sent events).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from hashlib import sha256

from funcatron.codec import encode_json
from funcatron.errors import Unavailable
from funcatron.execution import Status
from funcatron.http.stopping import is_stopping
from funcatron.replies.chunks import event_chunk

__all__ = ["Following", "version_of"]

logger = logging.getLogger("funcatron.http")

INTERVAL = 0.5
"""Seconds between two looks into the store."""
KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment is sent, so that proxies do not close the connection."""
RETRY = 1000
"""Milliseconds after which a client whose connection breaks comes again."""
COMMENT = b":\n\n"


def version_of(status: Status) -> str:
    """Return the id of the event that tells this status: the same in every process."""
    return sha256(encode_json(status.to_json())).hexdigest()[:16]


class Following:
    """The clients of this process that follow executions.

    ``ask`` returns the statuses of executions by their ids and may block; ``stopping`` tells whether the server is to
    stop: then all streams end, and their clients come again elsewhere.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[str]], Sequence[Status]],
        stopping: Callable[[], bool] = is_stopping,
        *,
        interval: float = INTERVAL,
        keep_alive: float = KEEP_ALIVE,
    ) -> None:
        self._ask = ask
        self._stopping = stopping
        self._interval = interval
        self._keep_alive = keep_alive
        self._followers: dict[str, set[_Follower]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def events(self, status: Status, links: str, last: str | None = None) -> AsyncIterator[bytes]:
        """Yield the events of an execution that is at ``status`` now, the last one when it has ended.

        ``links`` is the path of the control API; ``last`` the id of the event that the client has seen already.
        """
        yield b"retry: %d\n\n" % RETRY
        async with aclosing(self._statuses(status)) as statuses:
            async for found in statuses:
                if found is None:
                    yield COMMENT
                elif (version := version_of(found)) != last or found.ended:
                    name = "end" if found.ended else "progress"
                    yield event_chunk({"event": name, "id": version, "data": found.to_json(links)})

    async def _statuses(self, status: Status) -> AsyncGenerator[Status | None, None]:
        follower = _Follower(status)
        self._followers.setdefault(status.id, set()).add(follower)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_again())
        try:
            told: Status | None = status
            yield status
            while told is not None and not told.ended:
                try:
                    await asyncio.wait_for(follower.news.wait(), self._keep_alive)
                except TimeoutError:
                    yield None
                    continue
                follower.news.clear()
                if (told := follower.told) is not None:
                    yield told
        finally:
            self._leave(status.id, follower)

    def _leave(self, execution_id: str, follower: _Follower) -> None:
        followers = self._followers[execution_id]
        followers.remove(follower)
        if not followers:
            del self._followers[execution_id]

    async def _ask_again(self) -> None:
        """Ask for all that is followed, until nothing is."""
        while self._followers:
            await asyncio.sleep(self._interval)
            ids = list(self._followers)
            if self._stopping():
                self._tell(ids, {})
                continue
            try:
                found = await asyncio.to_thread(self._ask, ids)
            except Unavailable as error:
                logger.warning("%d executions that are followed: %s", len(ids), error)
                continue
            self._tell(ids, {status.id: status for status in found})

    def _tell(self, ids: Sequence[str], found: dict[str, Status]) -> None:
        for execution_id in ids:
            for follower in self._followers.get(execution_id, ()):
                follower.tell(found.get(execution_id))


class _Follower:
    """One client; ``told`` is the last that is known, None where the execution is on record no more."""

    def __init__(self, status: Status) -> None:
        self.told: Status | None = status
        self.news = asyncio.Event()

    def tell(self, status: Status | None) -> None:
        if status != self.told:
            self.told = status
            self.news.set()
