"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

__all__ = ["START", "VirtualClock"]

START = datetime(2030, 1, 1, tzinfo=UTC)
"""What time it is at first, where a test does not say: a Tuesday, midnight."""


class VirtualClock:
    """A Clock (``funcatron.clock``) for tests: give it to ``Funcatron(clock=...)``, or take that of a Bench.

    Its ``monotonic`` begins at 0, so nothing that is decided by it can be mistaken for the system's time. Any thread
    may move it: what is due then is called in the loop that asked for it.
    """

    def __init__(self, start: datetime = START) -> None:
        self._start = start.timestamp()
        self._passed = 0.0
        self._alarms: list[tuple[float, int, _Alarm]] = []
        self._numbers = count()
        self._lock = threading.Condition()

    def time(self) -> float:
        """See Clock."""
        return self._start + self._passed

    def monotonic(self) -> float:
        """See Clock."""
        return self._passed

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass; raises ValueError for a negative time.

        This rings what waits in calls that run (their deadlines), and no more: a Bench's ``advance`` runs schedules and
        retries on the way.
        """
        passed = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        if passed < 0:
            raise ValueError("time does not go back")
        due = []
        with self._lock:
            self._passed += passed
            while self._alarms and self._alarms[0][0] <= self._passed:
                due.append(heapq.heappop(self._alarms)[2])
        for alarm in due:
            alarm.ring()

    def wait_for_alarm(self, timeout: float = 30.0) -> None:
        """Block until something waits for this clock: a call that runs, for its deadline. ``timeout`` is in real
        seconds; raises TimeoutError. An alarm of a call that has ended stands until its time has come.
        """
        with self._lock:
            if not self._lock.wait_for(lambda: bool(self._alarms), timeout):
                raise TimeoutError(f"nothing waits for the clock after {timeout} s")

    def call_at(self, loop: asyncio.AbstractEventLoop, when: float, callback: Callable[[], None]) -> _Alarm:
        """See Clock."""
        alarm = _Alarm(loop, callback)
        with self._lock:
            if when > self._passed:
                heapq.heappush(self._alarms, (when, next(self._numbers), alarm))
                self._lock.notify_all()
                return alarm
        alarm.ring()
        return alarm


class _Alarm:
    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._cancelled = False

    def cancel(self) -> None:
        """See funcatron.clock.Alarm."""
        self._cancelled = True

    def ring(self) -> None:
        """Have it called, unless it was cancelled or its loop is over."""
        if not self._cancelled and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._call)

    def _call(self) -> None:
        if not self._cancelled:
            self._callback()
