"""What a hop costs, to a thread and back, in a process of its own: ``python -m tests.benchmarks.http.hop WAY SECONDS``.

Nothing else waits for a thread, and what runs in it does nothing. Writes microseconds per hop: those of the quickest of
many batches, since whatever disturbs a batch makes it slower.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import uvloop
from anyio.to_thread import run_sync

from funcatron.calls import ThreadCalls

__all__ = ["WAYS"]

BATCH = 50
Hop = Callable[[], Awaitable[Any]]


def nothing() -> None: ...


def ours() -> Hop:
    """As a ``def`` handler runs."""
    return partial(ThreadCalls().run, nothing, None)


def of_anyio() -> Hop:
    """As starlette's, FastAPI's and connexion's ``def`` handlers run."""
    return partial(run_sync, nothing)


def of_the_executor() -> Hop:
    return partial(asyncio.get_running_loop().run_in_executor, ThreadPoolExecutor(), nothing)


WAYS: dict[str, Callable[[], Hop]] = {
    "funcatron": ours,
    "anyio": of_anyio,
    "executor": of_the_executor,
}


async def quickest(make: Callable[[], Hop], seconds: float) -> float:
    hop, lowest, end = make(), float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        for _ in range(BATCH):
            await hop()
        lowest = min(lowest, time.perf_counter() - began)
    return lowest / BATCH * 1e6


if __name__ == "__main__":
    print(uvloop.run(quickest(WAYS[sys.argv[1]], float(sys.argv[2]))))
