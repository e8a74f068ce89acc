"""Where a sync handler runs: in a thread of an HTTP process, or in the main thread of a worker (funcatron_celery)."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

__all__ = ["Calls", "ThreadCalls"]

T = TypeVar("T")


class Calls(Protocol):
    """Runs a blocking call for the event loop."""

    async def run(self, call: Callable[[], T], timeout: float | None) -> T:
        """Return what ``call`` returns. The caller ends the wait itself after ``timeout`` seconds; where that cannot
        reach a running call, raise TimeLimitExceeded inside it.
        """


class ThreadCalls:
    """A bounded pool of threads. Past its timeout a call is given up, but its thread goes on: Python cannot stop it."""

    def __init__(self, threads: int = 40) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="funcatron-handler")

    async def run(self, call: Callable[[], T], timeout: float | None) -> T:
        """See Calls."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, call)

    def close(self) -> None:
        """Take no more calls; running ones are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
