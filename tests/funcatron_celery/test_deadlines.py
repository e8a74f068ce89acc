"""The earliest deadline of what runs."""

from __future__ import annotations

import asyncio
import threading

import pytest

from funcatron.errors import TimeLimitExceeded
from funcatron_celery.deadlines import Deadlines
from funcatron_celery.limits import WatchedThreads

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio."""
    return "asyncio"


@pytest.fixture
def told() -> list[float | None]:
    return []


@pytest.fixture
def deadlines(told: list[float | None]) -> Deadlines:
    made = Deadlines()
    made.tell = told.append
    return made


def test_the_earliest_is_told_when_it_changes(deadlines: Deadlines, told: list[float | None]) -> None:
    with deadlines.until(5.0):
        with deadlines.until(7.0), deadlines.until(5.0):
            pass
        with deadlines.until(3.0):
            pass
    with pytest.raises(KeyError), deadlines.until(4.0):
        raise KeyError
    assert told == [5.0, 3.0, 5.0, None, 4.0, None]


async def test_a_thread_that_is_given_up_is_awaited_by_its_deadline(
    deadlines: Deadlines, told: list[float | None]
) -> None:
    begun, released = threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        released.wait(60)

    threads = WatchedThreads(deadlines, 1)
    running = asyncio.create_task(threads.run(call, 30.0))
    await asyncio.to_thread(begun.wait, 60)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(told) == 1
    assert told[0] is not None
    released.set()
    assert await threads.run(lambda: "next", None) == "next"
    assert told[1:] == [None]
    threads.close()


async def test_threads_return_and_raise(deadlines: Deadlines) -> None:
    threads = WatchedThreads(deadlines, 2)
    assert await threads.run(lambda: 1, 5.0) == 1

    def late() -> None:
        raise TimeLimitExceeded

    with pytest.raises(TimeLimitExceeded):
        await threads.run(late, 5.0)
    threads.close()
