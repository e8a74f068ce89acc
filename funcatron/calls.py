"""Where a sync handler runs: in a thread of an HTTP process, or in the main thread of a worker (funcatron_celery)."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from funcatron.errors import Unavailable

__all__ = ["Calls", "Cancelled", "ThreadCalls"]

T = TypeVar("T")


class Cancelled(asyncio.CancelledError):
    """What is raised inside a call to end it from outside."""


class Calls(Protocol):
    """Runs a blocking call for the event loop.

    ``inline``: it runs in the thread that asks for it and has ended when ``run`` returns; its time limit is kept
    inside it. So nothing waits.
    """

    inline: bool

    async def run(self, call: Callable[[], T], timeout: float | None) -> T:
        """Return what ``call`` returns. The caller ends the wait itself after ``timeout`` seconds; where that cannot
        reach a running call, raise TimeLimitExceeded inside it.
        """


class ThreadCalls:
    """A bounded pool of threads, and a bounded number of calls that wait for one.

    Past its timeout a call is given up, but its thread goes on: Python cannot stop it.
    """

    inline = False

    def __init__(self, threads: int = 40, *, waiting: int = 10_000) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="funcatron-handler")
        self._most = threads + waiting
        self._taken = 0
        self._lock = threading.Lock()

    async def run(self, call: Callable[[], T], timeout: float | None) -> T:
        """See Calls. Raises Unavailable where too many calls wait already."""
        if self._taken >= self._most:
            raise Unavailable(f"{self._taken} calls of sync handlers run or wait for a thread")
        context = contextvars.copy_context()
        future = self._pool.submit(context.run, call)
        with self._lock:
            self._taken += 1
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def _done(self, future: Future[Any]) -> None:
        with self._lock:
            self._taken -= 1

    def close(self) -> None:
        """Take no more calls; running ones are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
