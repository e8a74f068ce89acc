from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref
from contextvars import ContextVar
from typing import Any

import pytest

from funcatron.calls import ThreadCalls
from funcatron.errors import Unavailable

Name = ContextVar("Name", default="nobody")


@pytest.mark.anyio
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


@pytest.mark.anyio
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


@pytest.mark.anyio
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
    with pytest.raises(Unavailable, match="stopping"):
        await calls.run(call, None)
    calls.close()
    go.set()
    assert await running == "done"


@pytest.mark.anyio
async def test_closing_refuses_what_waits_and_ends_the_threads() -> None:
    calls = ThreadCalls(1)
    go, begun, ended = threading.Event(), threading.Event(), []

    def call() -> None:
        ended.append(threading.current_thread())
        begun.set()
        go.wait(10)

    running, waiting = (asyncio.create_task(calls.run(call, None)) for _ in range(2))
    assert await asyncio.to_thread(begun.wait, 10)
    calls.close()
    with pytest.raises(Unavailable, match="stopping"):
        await waiting
    go.set()
    await running
    await asyncio.to_thread(ended[0].join, 10)
    assert not ended[0].is_alive()
    assert len(ended) == 1


@pytest.mark.anyio
async def test_threads_end_with_the_pool_that_nobody_closed() -> None:
    calls = ThreadCalls(2)
    thread = await calls.run(threading.current_thread, None)
    del calls
    gc.collect()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


@pytest.mark.anyio
async def test_threads_are_made_as_they_are_needed() -> None:
    calls = ThreadCalls(8)
    one = {await calls.run(threading.get_ident, None) for _ in range(20)}
    assert len(one) == 1
    together = threading.Barrier(3)
    assert sorted(await asyncio.gather(*(calls.run(lambda: together.wait(10), None) for _ in range(3)))) == [0, 1, 2]
    calls.close()


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3), asyncio.CancelledError(), KeyboardInterrupt()])
@pytest.mark.anyio
async def test_what_a_call_raises_is_raised_where_it_came_from(error: BaseException) -> None:
    calls = ThreadCalls(1)

    def call() -> None:
        raise error

    caught: BaseException | None = None
    try:
        await calls.run(call, None)
    except BaseException as raised:  # noqa: BLE001 - that is what is tested
        caught = raised
    assert type(caught) is type(error)
    assert str(caught) == str(error)
    calls.close()


@pytest.mark.anyio
async def test_stop_iteration_is_carried_as_a_runtime_error() -> None:
    calls = ThreadCalls(1)
    with pytest.raises(RuntimeError, match="raised StopIteration") as caught:
        await calls.run(lambda: next(iter(())), None)
    assert isinstance(caught.value.__cause__, StopIteration)
    calls.close()


@pytest.mark.anyio
async def test_nothing_keeps_an_error_alive() -> None:
    calls = ThreadCalls(1)

    class Payload:
        pass

    def call() -> None:
        payload = Payload()
        held.append(weakref.ref(payload))
        raise ValueError

    held: list[weakref.ref[Payload]] = []
    gc.disable()
    try:
        with contextlib.suppress(ValueError):
            await calls.run(call, None)
        await calls.run(lambda: None, None)
        assert held[0]() is None
    finally:
        gc.enable()
        calls.close()


@pytest.mark.anyio
async def test_many_results_wake_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, loop, woken = ThreadCalls(8), asyncio.get_running_loop(), []
    wake = loop.call_soon_threadsafe

    def counted(*args: Any, **kwargs: Any) -> Any:
        woken.append(args)
        return wake(*args, **kwargs)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    together, threads = threading.Barrier(9), set()

    def call() -> None:
        threads.add(threading.current_thread())
        together.wait(10)

    tasks = [asyncio.create_task(calls.run(call, None)) for _ in range(8)]
    await asyncio.sleep(0)
    together.wait(10)  # from here on the loop stands still until every call has ended
    calls.close()
    for thread in threads:
        thread.join(10)
    await asyncio.gather(*tasks)
    assert len(woken) == 1


@pytest.mark.anyio
async def test_a_given_up_call_that_waits_is_never_run() -> None:
    calls = ThreadCalls(1)
    go, ran = threading.Event(), []
    first = asyncio.create_task(calls.run(lambda: go.wait(10), None))
    second = asyncio.create_task(calls.run(lambda: ran.append(1), None))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait({second})
    go.set()
    await first
    await calls.run(lambda: None, None)
    assert ran == []
    calls.close()


def test_event_loops_may_share_the_threads() -> None:
    calls = ThreadCalls(4)

    async def many(start: int) -> list[int]:
        return await asyncio.gather(*(calls.run(lambda n=n: n, None) for n in range(start, start + 200)))

    found: dict[int, list[int]] = {}
    loops = [threading.Thread(target=lambda s=s: found.update({s: asyncio.run(many(s))})) for s in (0, 1000, 2000)]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join(60)
    assert found == {start: list(range(start, start + 200)) for start in (0, 1000, 2000)}
    calls.close()


def test_a_loop_that_is_gone_harms_no_thread() -> None:
    calls = ThreadCalls(1)
    go, begun = threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        go.wait(10)

    async def given_up() -> None:
        task = asyncio.create_task(calls.run(call, None))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()

    asyncio.run(given_up())
    go.set()
    assert asyncio.run(calls.run(lambda: "again", None)) == "again"
    calls.close()


@pytest.mark.anyio
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


@pytest.mark.anyio
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
