"""Sync code that awaits on the loop that runs it."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from funcatron_celery.awaiting import await_, can_await, run_sync
from funcatron_celery.loop import TaskLoop

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio."""
    return "asyncio"


COLOUR: ContextVar[str] = ContextVar("COLOUR", default="none")


async def later(value: str) -> str:
    await asyncio.sleep(0)
    return value


async def failing() -> None:
    await asyncio.sleep(0)
    raise KeyError("later")


async def test_it_gets_what_it_awaits_and_others_run_meanwhile() -> None:
    order: list[str] = []

    def code(name: str) -> str:
        order.append(await_(later(name + "1")))
        order.append(await_(later(name + "2")))
        return name

    assert await asyncio.gather(run_sync(lambda: code("a")), run_sync(lambda: code("b"))) == ["a", "b"]
    assert order == ["a1", "b1", "a2", "b2"]


async def test_what_is_raised_by_what_it_awaits_is_raised_in_it_and_out_of_it() -> None:
    def code() -> str:
        with pytest.raises(KeyError, match="later"):
            await_(failing())
        await_(failing())
        return "not reached"

    with pytest.raises(KeyError, match="later"):
        await run_sync(code)


async def test_cancellation_is_raised_in_it() -> None:
    cleaned: list[str] = []

    def code() -> None:
        try:
            await_(asyncio.sleep(60))
        finally:
            cleaned.append(await_(later("cleaned")))

    task = asyncio.create_task(run_sync(code))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == ["cleaned"]


async def test_its_context_is_that_of_the_coroutine() -> None:
    async def inner() -> str:
        return COLOUR.get()

    def code() -> str:
        assert COLOUR.get() == "red"
        COLOUR.set("blue")
        return await_(inner())

    COLOUR.set("red")
    assert await run_sync(code) == "blue"
    assert COLOUR.get() == "blue"


async def test_only_such_code_can_await() -> None:
    assert not can_await()
    assert await run_sync(can_await)
    assert await asyncio.to_thread(can_await) is False
    assert not await run_sync(lambda: await_(_asked()))


async def _asked() -> bool:
    return can_await()


def test_a_task_loop_gives_way_to_a_loop_that_runs() -> None:
    loop = TaskLoop()

    async def main() -> str:
        return await run_sync(lambda: loop.run(later("here")))

    assert asyncio.run(main()) == "here"
    assert loop.run(later("there")) == "there"
    loop.close()
