from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from funcatron.calls import ThreadCalls
from funcatron.errors import Unavailable

pytestmark = pytest.mark.anyio
Name = ContextVar("Name", default="nobody")


async def test_a_call_runs_in_a_thread_with_the_callers_context() -> None:
    calls = ThreadCalls(2)
    Name.set("me")

    def call() -> tuple[str, str]:
        seen = Name.get()
        Name.set("changed")
        return seen, threading.current_thread().name

    seen, thread = await calls.run(call, None)
    assert seen == "me"
    assert thread.startswith("funcatron-handler")
    assert Name.get() == "me"
    calls.close()


async def test_no_more_threads_than_told() -> None:
    calls = ThreadCalls(2)
    go, running, most = threading.Event(), [], []

    def call() -> None:
        running.append(1)
        most.append(len(running))
        go.wait(10)
        running.pop()

    tasks = [asyncio.create_task(calls.run(call, None)) for _ in range(6)]
    while len(running) < 2:
        await asyncio.sleep(0.001)
    go.set()
    await asyncio.gather(*tasks)
    assert max(most) == 2
    calls.close()


async def test_closing_does_not_wait_for_what_runs() -> None:
    calls = ThreadCalls(1)
    go, begun = threading.Event(), threading.Event()

    def call() -> str:
        begun.set()
        go.wait(10)
        return "done"

    running = asyncio.create_task(calls.run(call, None))
    assert await asyncio.to_thread(begun.wait, 10)
    calls.close()
    with pytest.raises(RuntimeError, match="shutdown"):
        await calls.run(call, None)
    go.set()
    assert await running == "done"


async def test_no_more_calls_wait_than_told() -> None:
    calls = ThreadCalls(1, waiting=2)
    go = threading.Event()
    tasks = [asyncio.create_task(calls.run(lambda: go.wait(10), None)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="3 calls of sync handlers run or wait for a thread"):
        await calls.run(lambda: True, None)
    tasks[2].cancel()
    await asyncio.wait({tasks[2]})
    again = asyncio.create_task(calls.run(lambda: True, None))
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*tasks[:2], again) == [True] * 3
    assert await calls.run(lambda: 1, None) == 1
    calls.close()


async def test_a_call_that_is_given_up_still_has_its_thread() -> None:
    calls = ThreadCalls(1, waiting=0)
    go, over = threading.Event(), threading.Event()

    def call() -> None:
        go.wait(10)
        over.set()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(calls.run(call, None), 0.05)
    with pytest.raises(Unavailable):
        await calls.run(call, None)
    go.set()
    assert await asyncio.to_thread(over.wait, 10)
    calls.close()
