"""Time limits of calls on an event loop: one timer for all of them, set to the next deadline.

``asyncio.timeout`` makes a timer for each call, nearly all of which are never rung; that costs more than all else that
an invocation takes. What is cancelled, and what is raised, is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from types import CoroutineType, TracebackType
from typing import Any, Self

from funcatron.clock import SYSTEM_CLOCK, Alarm, Clock
from funcatron.errors import TimeLimitExceeded

__all__ = ["Begun", "Deadlines", "Limited"]


class Deadlines:
    """The deadlines of the calls that run on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock = SYSTEM_CLOCK) -> None:
        self.loop = loop
        self._clock = clock
        self._open: set[Limited] = set()
        self._timer: Alarm | None = None
        self._rings = 0.0

    def open(self, limited: Limited) -> None:
        """Watch over a call."""
        self._open.add(limited)
        if self._timer is None or limited.deadline < self._rings:
            self._set(limited.deadline)

    def close(self, limited: Limited) -> None:
        """Watch no more; the timer stays for the others, and rings once for nothing if there are none."""
        self._open.discard(limited)

    def _set(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = when
        self._timer = self._clock.call_at(self.loop, when, self._ring)

    def _ring(self) -> None:
        self._timer, now = None, self._clock.monotonic()
        for limited in [limited for limited in self._open if limited.deadline <= now]:
            self._open.discard(limited)
            limited.expire()
        if self._open:
            self._set(min(limited.deadline for limited in self._open))


class Limited:
    """``with Limited(deadlines, deadline)``: what the current task does inside is cancelled at ``deadline``, in seconds
    of the clock's ``monotonic()``, and TimeLimitExceeded raised in its place.
    """

    __slots__ = ("_cancelling", "_deadlines", "_task", "deadline", "expired")

    def __init__(self, deadlines: Deadlines, deadline: float) -> None:
        self._deadlines = deadlines
        self.deadline = deadline
        self.expired = False

    def __enter__(self) -> Self:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit is for a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._deadlines.open(self)
        return self

    def expire(self) -> None:
        """Cancel what runs."""
        self.expired = True
        self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._deadlines.close(self)
        if not self.expired:
            return
        ours = self._task.uncancel() <= self._cancelling  # else it is cancelled from outside as well
        if isinstance(error, TimeoutError) or (ours and isinstance(error, asyncio.CancelledError)):
            raise TimeLimitExceeded from None


class Begun:
    """A coroutine that has taken its first step, and ``waits_for`` what it yielded: awaiting this takes the others.

    A coroutine that never waits is at its end after that step, so nobody needs to watch it.
    """

    __slots__ = ("_coroutine", "_waits_for")

    def __init__(self, coroutine: CoroutineType[Any, Any, Any], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Any]:
        """Go on as ``await`` does (PEP 380): what is sent and thrown here is the coroutine's."""
        coroutine, waits_for = self._coroutine, self._waits_for
        while True:
            try:
                try:
                    sent = yield waits_for
                except BaseException as error:  # noqa: BLE001 - the coroutine's to handle
                    waits_for = coroutine.throw(error)
                else:
                    waits_for = coroutine.send(sent)
            except StopIteration as end:
                return end.value
