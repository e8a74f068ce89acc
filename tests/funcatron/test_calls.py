from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from funcatron.calls import ThreadCalls

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
