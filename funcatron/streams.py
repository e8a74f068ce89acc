"""Streamed replies: the chunks of a generator, and what stays open until the last of them.

A sync generator is run in a thread of its own from its first chunk to its last, so that what belongs to a thread (a
SQLite connection, for one) may be used in it, and so that a chunk that is long in coming keeps nobody else waiting.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from typing import Any, TypeVar

from funcatron.clock import SYSTEM_CLOCK, Clock
from funcatron.errors import Problem, TimeLimitExceeded

__all__ = ["OwnThread", "Stream"]

T = TypeVar("T")

MOST_COLLECTED = 16 * 1024 * 1024
"""Bytes of a streamed reply that are kept where it cannot be streamed (in a record)."""

BREATH = 64
"""Chunks after which a stream that is read to its end lets others run."""

CLOSING = 10.0
"""Seconds that a stream that is given up waits for a sync generator which still makes a chunk."""

_END = object()


class OwnThread:
    """One thread that runs calls one after another, all in one context (PEP 567)."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="funcatron-stream")
        self._context = contextvars.copy_context()

    async def run(self, call: Callable[[], T], timeout: float | None = None) -> T:
        """Return what ``call`` returns (see funcatron.calls.Calls)."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._context.run, call)

    async def last(self, call: Callable[[], None]) -> None:
        """Run the last call; where the one before does not end, ``call`` follows it some time, not waited for."""
        ending = asyncio.get_running_loop().run_in_executor(self._pool, self._context.run, call)
        self._pool.shutdown(wait=False)
        done, _ = await asyncio.wait({ending}, timeout=CLOSING)
        for future in done:
            future.result()


class Stream:
    """The chunks of a reply: an async iterator of bytes, to be closed with ``aclose`` whether it was read or not.

    However it ends, the source is closed first (its ``finally`` runs), then what was given to ``then``: its services
    see the exception that ended it, GeneratorExit where it was given up.
    """

    lasting = True
    """Whether its source needs what was open for the handler."""
    length: int | None = None
    """How many bytes it gives, where that is known."""

    def __init__(self, source: AsyncIterable[Any] | Iterator[Any], encode: Callable[[Any], bytes]) -> None:
        self._source = source
        self._encode = encode
        self._iterator = aiter(source) if isinstance(source, AsyncIterable) else None
        self._items: Iterator[Any] = iter(()) if isinstance(source, AsyncIterable) else source
        self._thread: OwnThread | None = None
        self._inner: ExitStack | None = None
        self._outer: AsyncExitStack | None = None
        self._over = False

    @property
    def blocking(self) -> bool:
        """Whether the source is a sync one."""
        return self._iterator is None

    def then(self, *, inner: ExitStack | None = None, outer: AsyncExitStack | None = None) -> None:
        """Keep services open until the end: ``inner`` in the source's thread, ``outer`` on the loop."""
        self._inner = inner or self._inner
        self._outer = outer or self._outer

    def move(self, thread: OwnThread) -> None:
        """Run the source in this thread."""
        self._thread = thread

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        try:
            return self._encode(await self._next())
        except StopAsyncIteration:
            await self._end(None)
            raise
        except BaseException as error:
            await self._end(error)
            raise

    async def aclose(self) -> None:
        """End the stream here."""
        if not self._over:
            await self._end(GeneratorExit())

    def collect(self, deadline: float | None = None, clock: Clock = SYSTEM_CLOCK) -> bytes:
        """Return all chunks of a sync source, in this thread.

        Raises Problem past 16 MiB, TimeLimitExceeded past ``deadline`` (seconds of the clock's ``monotonic()``).
        """
        chunks = _Chunks()
        try:
            for item in self._items:
                chunks.add(self._encode(item))
                if deadline is not None and clock.monotonic() >= deadline:
                    raise TimeLimitExceeded
        finally:
            self._over = True
            _close(self._source)
        return chunks.whole()

    async def acollect(self) -> bytes:
        """Return all chunks. Raises Problem past 16 MiB."""
        chunks = _Chunks()
        try:
            async for chunk in self:
                if chunks.add(chunk) % BREATH == 0:
                    await asyncio.sleep(0)  # a source that waits for nothing must not outlive its time limit
        except BaseException:
            await self.aclose()
            raise
        return chunks.whole()

    async def _next(self) -> Any:
        if self._iterator is not None:
            return await anext(self._iterator)
        if self._thread is None:
            self._thread = OwnThread()
        item = await self._thread.run(self._next_of_source)
        if item is _END:
            raise StopAsyncIteration
        return item

    def _next_of_source(self) -> Any:
        return next(self._items, _END)

    async def _end(self, error: BaseException | None) -> None:
        self._over = True
        async with AsyncExitStack() as stack:
            if self._outer is not None:
                outer = self._outer
                stack.push_async_callback(lambda: outer.__aexit__(*_triple(error)))
            if self._iterator is None:
                await self._end_of_source(error)
                return
            if self._inner is not None:
                inner = self._inner
                stack.push_async_callback(lambda: asyncio.to_thread(inner.__exit__, *_triple(error)))
            if (aclose := getattr(self._iterator, "aclose", None)) is not None:
                await aclose()

    async def _end_of_source(self, error: BaseException | None) -> None:
        def close() -> None:
            try:
                _close(self._source)
            finally:
                if self._inner is not None:
                    self._inner.__exit__(*_triple(error))

        await (self._thread or OwnThread()).last(close)


class _Chunks:
    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._count = 0

    def add(self, chunk: bytes) -> int:
        """Add a chunk; returns how many have been added."""
        self._count += 1
        self._size += len(chunk)
        if self._size > MOST_COLLECTED:
            detail = f"the streamed answer is larger than {MOST_COLLECTED} bytes: only HTTP can stream it"
            raise Problem(500, "Answer too large", detail)
        if chunk:
            self._chunks.append(chunk)
        return self._count

    def whole(self) -> bytes:
        return b"".join(self._chunks)


def _close(source: Any) -> None:
    if (close := getattr(source, "close", None)) is not None:
        close()


def _triple(error: BaseException | None) -> tuple[Any, Any, Any]:
    return (None, None, None) if error is None else (type(error), error, error.__traceback__)
