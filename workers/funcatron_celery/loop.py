"""Where a worker's async code runs: one event loop per thread, kept from task to task.

Celery calls a task as a plain function. A loop that outlives the task lets handlers keep what belongs to a loop
(connections, clients, locks) over many executions.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from funcatron_celery.awaiting import await_, can_await

__all__ = ["TaskLoop", "driven"]

T = TypeVar("T")


class TaskLoop:
    """Runs coroutines from sync code, each thread on a loop of its own."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._loops: list[asyncio.AbstractEventLoop] = []

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what the coroutine returns; in the asyncio pool others run on the loop meanwhile."""
        if can_await():
            return await_(coroutine)
        loop: asyncio.AbstractEventLoop | None = getattr(self._local, "loop", None)
        if loop is None:
            loop = self._local.loop = asyncio.new_event_loop()
            self._loops.append(loop)
        return loop.run_until_complete(coroutine)

    def close(self) -> None:
        """Cancel what still waits on the loops of all threads and close them; no thread may run anything any more."""
        loops, self._loops, self._local = self._loops, [], threading.local()
        for loop in loops:
            if not loop.is_running():
                loop.run_until_complete(_end_tasks())
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.run_until_complete(loop.shutdown_default_executor())
                loop.close()


def driven(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that waits for nothing; it needs no loop, so sync code in it may have its own."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("a coroutine that was to wait for nothing waits")


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
