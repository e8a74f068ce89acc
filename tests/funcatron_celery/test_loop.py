"""Async code in a worker: one loop per thread, over many tasks."""

from __future__ import annotations

import asyncio
import threading

import pytest

from funcatron_celery.loop import TaskLoop


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
