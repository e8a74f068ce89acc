"""What time it is, as a seam: the system's clock, or one that a test moves.

Everything that funcatron decides by the time in this process (deadlines, retries, expiry, idempotency keys) asks the
Clock of its application. What concerns other machines and processes (leases, connections, pauses) asks the system.
"""

from __future__ import annotations

import asyncio
import time as system
from collections.abc import Callable
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Alarm", "Clock", "SystemClock"]

SLACK = 0.001
"""Seconds that a timer is set late: a loop whose clock ticks in milliseconds must not ring it early."""


class Alarm(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """Let it not come."""


class Clock(Protocol):
    """Tells the time, and calls when it has come."""

    def time(self) -> float:
        """Return the seconds since the epoch (UTC)."""

    def monotonic(self) -> float:
        """Return seconds that never go back, from an origin of its own."""

    def call_at(self, loop: asyncio.AbstractEventLoop, when: float, callback: Callable[[], None]) -> Alarm:
        """Call ``callback`` in ``loop`` once ``monotonic`` is past ``when``; asked from within the loop."""


class SystemClock:
    """The system's own."""

    time = staticmethod(system.time)
    monotonic = staticmethod(system.monotonic)

    def call_at(self, loop: asyncio.AbstractEventLoop, when: float, callback: Callable[[], None]) -> Alarm:
        """See Clock."""
        return loop.call_later(max(0.0, when - system.monotonic()) + SLACK, callback)


SYSTEM_CLOCK: Clock = SystemClock()
