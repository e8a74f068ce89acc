"""Time limits inside a worker: a timer interrupts a sync handler in the process's main thread.

A worker runs sync handlers in its main thread, because only there a signal can interrupt Python code: a handler that
waits, sleeps or computes in Python is ended at its soft limit, and its services are rolled back. What no signal can
interrupt (a C extension that never returns) meets the hard limit: the supervisor kills the process.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from funcatron.errors import TimeLimitExceeded

__all__ = ["InlineCalls", "limited"]

T = TypeVar("T")

AGAIN = 1.0
"""Seconds after which a handler that swallowed the exception is interrupted again."""


class InlineCalls:
    """Runs a sync handler where it is called; in the main thread its time is limited by ``ITIMER_REAL``.

    In any other thread (Celery's ``threads`` pool) there is no soft limit, only the reaper's.
    """

    async def run(self, call: Callable[[], T], timeout: float | None) -> T:
        """Return what ``call`` returns; raises TimeLimitExceeded out of it once ``timeout`` seconds have passed."""
        if timeout is None or threading.current_thread() is not threading.main_thread():
            return call()
        return limited(call, timeout)


def limited(call: Callable[[], T], seconds: float) -> T:
    """Return ``call()``; raises TimeLimitExceeded in it after ``seconds``, then every second. Main thread only."""
    if seconds <= 0:
        raise TimeLimitExceeded("the time limit had passed before the handler began")
    armed = True

    def ring(number: int, frame: FrameType | None) -> None:
        if armed:
            raise TimeLimitExceeded(f"the time limit of {seconds:g} s has passed")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
            return call()
        finally:
            armed = False  # may itself be interrupted, hence the outer finally
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
