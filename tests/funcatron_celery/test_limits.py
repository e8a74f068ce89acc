"""Soft time limits in the main thread."""

from __future__ import annotations

import asyncio
import signal
import threading
import time

import pytest

from funcatron.errors import TimeLimitExceeded
from funcatron_celery.limits import InlineCalls, limited


def run(call: object, timeout: float | None) -> object:
    return asyncio.run(InlineCalls().run(call, timeout))  # type: ignore[arg-type]


def test_a_call_within_its_limit_returns_what_it_returns() -> None:
    assert run(lambda: "done", 5.0) == "done"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_sleeping_call_is_interrupted() -> None:
    began = time.monotonic()
    with pytest.raises(TimeLimitExceeded, match=r"0\.1 s has passed"):
        run(lambda: time.sleep(10), 0.1)
    assert time.monotonic() - began < 2.0


def test_a_computing_call_is_interrupted() -> None:
    def busy() -> None:
        while True:
            pass

    with pytest.raises(TimeLimitExceeded):
        run(busy, 0.1)


def test_a_call_that_swallows_the_exception_is_interrupted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("funcatron_celery.limits.AGAIN", 0.05)
    swallowed = 0

    def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 2:
            try:
                time.sleep(10)
            except TimeLimitExceeded:
                swallowed += 1
        time.sleep(10)

    with pytest.raises(TimeLimitExceeded):
        run(stubborn, 0.05)
    assert swallowed == 2


def test_what_was_there_before_is_there_after() -> None:
    def handler(number: int, frame: object) -> None: ...

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(ZeroDivisionError):
            limited(lambda: 1 // 0, 5.0)
        assert signal.getsignal(signal.SIGALRM) is handler
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_limit_that_has_passed_already_never_begins() -> None:
    begun = []
    with pytest.raises(TimeLimitExceeded, match="before the handler began"):
        run(lambda: begun.append(1), -1.0)
    assert begun == []


def test_without_a_limit_and_in_other_threads_no_timer_is_set() -> None:
    seen: list[object] = [run(lambda: signal.getitimer(signal.ITIMER_REAL), None)]
    thread = threading.Thread(target=lambda: seen.append(run(lambda: signal.getitimer(signal.ITIMER_REAL), 5.0)))
    thread.start()
    thread.join()
    assert seen == [(0.0, 0.0), (0.0, 0.0)]
