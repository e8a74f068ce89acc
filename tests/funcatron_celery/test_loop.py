"""Async code in a worker: one loop per thread, over many tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator

import pytest

from funcatron_celery.loop import TaskLoop, driven


async def which() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_a_thread_keeps_its_loop_and_others_have_their_own() -> None:
    loop = TaskLoop()
    own = loop.run(which())
    assert loop.run(which()) is own
    others: list[asyncio.AbstractEventLoop] = []

    def work() -> None:
        others.append(loop.run(which()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert others[0] is not own
    loop.close()
    assert own.is_closed()
    assert others[0].is_closed()


def test_what_a_task_left_running_goes_on_with_the_next_one() -> None:
    loop = TaskLoop()
    seen: list[int] = []

    async def background() -> None:
        while True:
            seen.append(1)
            await asyncio.sleep(0)

    tasks: list[asyncio.Task[None]] = []

    async def begin() -> None:
        tasks.append(asyncio.create_task(background()))

    loop.run(begin())
    before = len(seen)
    loop.run(asyncio.sleep(0.01))
    assert len(seen) > before
    loop.close()
    assert tasks[0].cancelled()


def test_an_exception_reaches_the_caller_and_leaves_the_loop_whole() -> None:
    loop = TaskLoop()

    async def fail() -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        loop.run(fail())
    assert loop.run(asyncio.sleep(0, "fine")) == "fine"
    loop.close()


def test_closing_what_was_never_used_does_nothing() -> None:
    TaskLoop().close()


def test_what_waits_for_nothing_needs_no_loop() -> None:
    async def inner() -> int:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return 1

    async def outer() -> int:
        return await inner() + 1

    assert driven(outer()) == 2


def test_what_waits_after_all_is_told() -> None:
    class Wait:
        def __await__(self) -> Generator[None, None, None]:
            yield

    async def waits() -> None:
        await Wait()

    with pytest.raises(RuntimeError, match="waits"):
        driven(waits())
