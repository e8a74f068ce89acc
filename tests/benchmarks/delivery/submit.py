"""Submits no-ops from an asyncio process, as an HTTP server would:
``python -m tests.benchmarks.delivery.submit WAY COUNT IN_FLIGHT BROKER_PID``.

WAY is one of WAYS. Writes one JSON object: seconds, cpu and broker (seconds of processor time of this process and of
the broker's), p50 and p99 (ms until a submit is accepted), lag (ms that the event loop was late at most).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any, TypeAlias

from tests.benchmarks.delivery.noop import body
from tests.benchmarks.machine import cpu_seconds

__all__ = ["DOCUMENT", "FUNCTION", "WARM", "WAYS", "Submit"]

DOCUMENT = Path(__file__).parent / "contract" / "openapi.yaml"
FUNCTION = "tests.benchmarks.delivery.noop.noop"
WARM = 50
"""Submits before measuring begins; they are queued too."""

Submit: TypeAlias = Callable[[int], Awaitable[Any]]


@asynccontextmanager
async def funcatron() -> AsyncIterator[Submit]:
    """``Funcatron.dispatch``: validated, and on disk when it returns."""
    from funcatron.app import Funcatron
    from funcatron.settings import load_settings

    application = Funcatron(DOCUMENT, settings=load_settings())
    await application.start()

    async def submit(seq: int) -> None:
        await application.dispatch(FUNCTION, {"body": body(seq)})

    yield submit
    await application.stop()


@asynccontextmanager
async def celery_direct() -> AsyncIterator[Submit]:
    """``apply_async`` on the event loop, which it blocks."""
    from tests.benchmarks.delivery.celery_app import task

    async def submit(seq: int) -> None:
        task.apply_async((body(seq),))

    yield submit


@asynccontextmanager
async def celery_thread() -> AsyncIterator[Submit]:
    """``apply_async`` by ``asyncio.to_thread``, which is what an async server should do."""
    from tests.benchmarks.delivery.celery_app import task

    async def submit(seq: int) -> None:
        await asyncio.to_thread(task.apply_async, (body(seq),))

    yield submit


class Lateness:
    """How late the running event loop is, at most, until ``end``: a timer that is to ring every few milliseconds."""

    EVERY = 0.005

    def __init__(self) -> None:
        self._most = 0.0
        self._task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while True:
            due = time.perf_counter() + self.EVERY
            try:
                await asyncio.sleep(self.EVERY)
            finally:  # cancelled while it is late, it is late all the same
                self._most = max(self._most, time.perf_counter() - due)

    async def end(self) -> float:
        """Return the longest delay in seconds."""
        await asyncio.sleep(0)  # what blocked until now is seen
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        return self._most


WAYS = {"funcatron": funcatron, "celery-direct": celery_direct, "celery-thread": celery_thread}


async def submit_all(way: str, count: int, in_flight: int, broker: int) -> dict[str, float]:
    async with WAYS[way]() as submit:
        for seq in range(-WARM, 0):
            await submit(seq)
        times: list[float] = []
        late = Lateness()
        seqs = iter(range(count))
        before, cpu, broker_cpu = time.perf_counter(), time.process_time(), cpu_seconds(broker) if broker else 0.0
        await asyncio.gather(*(_submit_each(submit, seqs, times) for _ in range(in_flight)))
        seconds, cpu = time.perf_counter() - before, time.process_time() - cpu
        lag = await late.end()
        broker_cpu = cpu_seconds(broker) - broker_cpu if broker else 0.0
    cuts = quantiles(times, n=100)
    answered = {"p50": cuts[49] * 1e3, "p99": cuts[98] * 1e3, "lag": lag * 1e3}
    return {"seconds": seconds, "cpu": cpu, "broker": broker_cpu, **answered}


async def _submit_each(submit: Submit, seqs: Iterator[int], times: list[float]) -> None:
    for seq in seqs:
        began = time.perf_counter()
        await submit(seq)
        times.append(time.perf_counter() - began)
        await asyncio.sleep(0)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(submit_all(sys.argv[1], *map(int, sys.argv[2:])))))
