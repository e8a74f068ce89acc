"""funcatron.deadlines: a task is ended as asyncio.timeout would end it, with one timer for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from types import CoroutineType
from typing import Any

import pytest

from funcatron.deadlines import Begun, Deadlines, Limited
from funcatron.errors import TimeLimitExceeded

pytestmark = pytest.mark.anyio
LONG = 60.0


@pytest.fixture
async def deadlines() -> Deadlines:
    return Deadlines(asyncio.get_running_loop())


async def _within(deadlines: Deadlines, seconds: float, waits: asyncio.Event | None = None) -> str:
    with Limited(deadlines, time.monotonic() + seconds):
        await (waits or asyncio.Event()).wait()
    return "done"


async def test_what_takes_too_long_is_ended_not_before_its_deadline(deadlines: Deadlines) -> None:
    began = time.monotonic()
    with pytest.raises(TimeLimitExceeded):
        await _within(deadlines, 0.02)
    assert time.monotonic() - began >= 0.02
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_ends_in_time_is_left_alone(deadlines: Deadlines) -> None:
    event = asyncio.Event()
    event.set()
    assert await _within(deadlines, 0.01, event) == "done"
    with pytest.raises(TimeLimitExceeded):
        await _within(deadlines, 0.02)  # its timer was set already, for the one before


async def test_each_call_has_its_own_deadline(deadlines: Deadlines) -> None:
    event = asyncio.Event()
    long = [asyncio.create_task(_within(deadlines, LONG, event)) for _ in range(3)]
    short = [asyncio.create_task(_within(deadlines, seconds)) for seconds in (0.03, 0.01, 0.02)]
    ended = await asyncio.gather(*short, return_exceptions=True)
    assert [type(error) for error in ended] == [TimeLimitExceeded] * 3
    assert not any(task.done() for task in long)
    event.set()
    assert await asyncio.gather(*long) == ["done"] * 3


async def test_one_timer_serves_all(deadlines: Deadlines, monkeypatch: pytest.MonkeyPatch) -> None:
    timers, later = [], deadlines.loop.call_later
    monkeypatch.setattr(deadlines.loop, "call_later", lambda *given: timers.append(given) or later(*given))
    event = asyncio.Event()
    event.set()
    for _ in range(100):
        await _within(deadlines, LONG, event)
    assert len(timers) == 1


async def test_a_cancellation_from_outside_stays_one(deadlines: Deadlines) -> None:
    task = asyncio.create_task(_within(deadlines, LONG))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_cancellation_that_comes_with_the_deadline_wins(deadlines: Deadlines) -> None:
    async def late() -> None:
        limited = Limited(deadlines, time.monotonic() + LONG)
        with limited:
            limited.expire()
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(late())


async def test_who_ends_in_spite_of_it_has_its_result(deadlines: Deadlines) -> None:
    async def stubborn() -> str:
        with Limited(deadlines, time.monotonic() + 0.01):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "cleaned up"
        return ""

    assert await stubborn() == "cleaned up"


async def test_a_timeout_of_the_call_itself_is_its_own(deadlines: Deadlines) -> None:
    with pytest.raises(TimeoutError, match="the database's"), Limited(deadlines, time.monotonic() + LONG):
        raise TimeoutError("the database's")


async def test_other_errors_are_what_they_are_past_the_deadline_too(deadlines: Deadlines) -> None:
    async def fails() -> None:
        with Limited(deadlines, time.monotonic() + 0.01):
            try:
                await asyncio.Event().wait()
            finally:
                raise KeyError("x")

    with pytest.raises(KeyError):
        await fails()


async def test_limits_may_be_nested(deadlines: Deadlines) -> None:
    with Limited(deadlines, time.monotonic() + LONG):
        with pytest.raises(TimeLimitExceeded):
            await _within(deadlines, 0.01)
        await asyncio.sleep(0)


async def _begun(coroutine: Coroutine[Any, Any, Any]) -> Any:
    assert isinstance(coroutine, CoroutineType)
    return await Begun(coroutine, coroutine.send(None))


async def test_a_coroutine_that_has_begun_goes_on() -> None:
    async def steps() -> str:
        for _ in range(3):
            await asyncio.sleep(0)
        return await asyncio.get_running_loop().run_in_executor(None, str, "end")

    assert await _begun(steps()) == "end"


async def test_what_is_raised_while_it_waits_is_raised_in_it() -> None:
    event, task = asyncio.Event(), asyncio.current_task()

    async def stubborn() -> str:
        try:
            await event.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # it may still wait for something
        return "tidied up"

    assert task is not None
    asyncio.get_running_loop().call_soon(task.cancel)
    assert await _begun(stubborn()) == "tidied up"
    task.uncancel()


async def test_what_it_raises_after_waiting_comes_out() -> None:
    async def failing() -> None:
        await asyncio.sleep(0)
        raise LookupError("after its first step")

    with pytest.raises(LookupError, match="after its first step"):
        await _begun(failing())
