"""Ending sync handlers in the main thread: by time, by cancellation."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from funcatron.calls import Cancelled
from funcatron.errors import TimeLimitExceeded
from funcatron_celery.limits import InlineCalls
from funcatron_celery.loop import driven

OFF = (0.0, 0.0)


@pytest.fixture
def calls() -> Iterator[InlineCalls]:
    before = signal.getsignal(signal.SIGALRM)
    yield InlineCalls()
    signal.signal(signal.SIGALRM, before)


def run(calls: InlineCalls, call: Callable[[], Any], timeout: float | None = None) -> Any:
    return asyncio.run(calls.run(call, timeout))


def test_a_call_within_its_limit_returns_what_it_returns(calls: InlineCalls) -> None:
    assert run(calls, lambda: "done", 5.0) == "done"
    assert signal.getitimer(signal.ITIMER_REAL) == OFF


def test_a_sleeping_call_is_interrupted(calls: InlineCalls) -> None:
    began = time.monotonic()
    with pytest.raises(TimeLimitExceeded, match=r"0\.1 s has passed"):
        run(calls, lambda: time.sleep(60), 0.1)
    assert time.monotonic() - began < 30


def test_a_computing_call_is_interrupted(calls: InlineCalls) -> None:
    def busy() -> None:
        while True:
            pass

    with pytest.raises(TimeLimitExceeded):
        run(calls, busy, 0.1)


def test_a_call_that_swallows_the_exception_is_interrupted_again(
    calls: InlineCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("funcatron_celery.limits.AGAIN", 0.05)
    swallowed = 0

    def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 2:
            try:
                time.sleep(60)
            except TimeLimitExceeded:
                swallowed += 1
        time.sleep(60)

    with pytest.raises(TimeLimitExceeded):
        run(calls, stubborn, 0.05)
    assert swallowed == 2


def test_a_call_that_takes_the_signal_for_itself_does_so_for_a_moment(
    calls: InlineCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)

    monkeypatch.setattr("funcatron_celery.limits.REINSTALL", 0.0)
    run(calls, take, 5.0)
    assert signal.getitimer(signal.ITIMER_REAL) == OFF
    with pytest.raises(TimeLimitExceeded):
        run(calls, lambda: time.sleep(60), 0.1)


def test_after_an_error_too_there_is_no_timer(calls: InlineCalls) -> None:
    with pytest.raises(ZeroDivisionError):
        run(calls, lambda: 1 // 0, 5.0)
    assert signal.getitimer(signal.ITIMER_REAL) == OFF


def test_a_call_within_a_call_keeps_both_limits(calls: InlineCalls) -> None:
    def outer() -> None:
        assert driven(calls.run(lambda: 1, 5.0)) == 1
        time.sleep(60)

    with pytest.raises(TimeLimitExceeded, match=r"0\.2 s has passed"):
        run(calls, outer, 0.2)
    assert signal.getitimer(signal.ITIMER_REAL) == OFF


def test_a_limit_that_has_passed_already_never_begins(calls: InlineCalls) -> None:
    begun: list[int] = []
    with pytest.raises(TimeLimitExceeded, match="before the handler began"):
        run(calls, lambda: begun.append(1), -1.0)
    assert begun == []


def test_without_a_limit_and_in_other_threads_no_timer_is_set(calls: InlineCalls) -> None:
    seen: list[object] = [run(calls, lambda: signal.getitimer(signal.ITIMER_REAL))]
    thread = threading.Thread(target=lambda: seen.append(run(calls, lambda: signal.getitimer(signal.ITIMER_REAL), 5.0)))
    thread.start()
    thread.join()
    assert seen == [OFF, OFF]


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_a_call_is_cancelled_by_the_id_of_its_execution(calls: InlineCalls, timeout: float | None) -> None:
    calls.current = "this"
    timers = [threading.Timer(0.05, calls.cancel, ["another"]), threading.Timer(0.2, calls.cancel, ["this"])]
    for timer in timers:
        timer.start()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        run(calls, lambda: time.sleep(60), timeout)
    assert 0.15 < time.monotonic() - began < 30
    for timer in timers:
        timer.join()


def test_a_cancellation_that_comes_too_late_harms_nobody(calls: InlineCalls) -> None:
    calls.current = "this"
    assert run(calls, lambda: 1) == 1
    calls.cancel("this")
    calls.current = "next"
    assert run(calls, lambda: time.sleep(0.05) or 2) == 2


def test_a_call_needs_no_loop_and_may_have_its_own(calls: InlineCalls) -> None:
    async def answer() -> int:
        return 3

    assert driven(calls.run(lambda: asyncio.run(answer()), 5.0)) == 3


def test_a_call_without_a_loop_is_cancelled(calls: InlineCalls) -> None:
    calls.current = "this"
    timer = threading.Timer(0.05, calls.cancel, ["this"])
    timer.start()
    with pytest.raises(Cancelled):
        driven(calls.run(lambda: time.sleep(60), 30.0))
    timer.join()
