"""Ending a sync handler from outside: its time limit, or a cancellation.

A worker runs sync handlers in its main thread, because only there a signal can interrupt Python code: a handler that
waits, sleeps or computes in Python is ended by an exception raised inside it, and its services are rolled back. What
no signal can interrupt (a C extension that never returns) meets the hard limit: the supervisor kills the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple, TypeVar

from billiard import current_process

from funcatron.calls import Cancelled, ThreadCalls
from funcatron.errors import TimeLimitExceeded
from funcatron_celery.deadlines import Deadlines

__all__ = ["GRACE", "InlineCalls", "WatchedThreads", "die_at_once"]

T = TypeVar("T")

GRACE = 2.0
"""Seconds beyond its time limit that a handler has to clean up before its process is killed."""
AGAIN = 1.0
"""Seconds after which a handler that swallowed the exception is interrupted again."""


REINSTALL = 1.0
"""Seconds for which our handler of SIGALRM is trusted to stand: asking costs as much as installing it."""


class _Limit(NamedTuple):
    timeout: float | None
    until: float | None


class InlineCalls:
    """Runs a sync handler where it is called (``funcatron.calls.Calls``); in the main thread it can be interrupted.

    In any other thread (Celery's ``threads`` pool) there is neither soft limit nor cancellation, only the hard limit.
    A call has ended when ``run`` returns, so no event loop is needed around it. ``current`` names the execution that
    the main thread runs; whoever runs executions keeps it up to date.
    """

    inline = True

    def __init__(self) -> None:
        self.current: str | None = None
        self._cancelled: str | None = None
        self._limit: _Limit | None = None  # of the call in which the main thread is
        self._install_at = 0.0
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL:
            signal.signal(signal.SIGALRM, _too_late)

    async def run(self, call: Callable[[], T], timeout: float | None) -> T:
        """Return what ``call`` returns; raises TimeLimitExceeded in it once ``timeout`` seconds have passed, and
        Cancelled where its execution is cancelled.
        """
        if threading.current_thread() is not threading.main_thread():
            return call()
        return self._interruptible(call, timeout)

    def cancel(self, execution_id: str) -> None:
        """Interrupt this execution, if it is the one that runs in the main thread; from any thread."""
        self._cancelled = execution_id
        main = threading.main_thread().ident
        if self.current == execution_id and main is not None:
            signal.pthread_kill(main, signal.SIGALRM)

    def _interruptible(self, call: Callable[[], T], timeout: float | None) -> T:
        if timeout is not None and timeout <= 0:
            raise TimeLimitExceeded("the time limit had passed before the handler began")
        now = time.monotonic()
        if now >= self._install_at:
            signal.signal(signal.SIGALRM, self._ring)
            self._install_at = now + REINSTALL
        outer = self._limit
        self._limit = _Limit(timeout, None if timeout is None else now + timeout)
        try:
            try:
                if timeout is not None:
                    signal.setitimer(signal.ITIMER_REAL, timeout, AGAIN)
                return call()
            finally:
                self._limit = outer  # may itself be interrupted, hence the outer finally
        finally:
            self._limit = outer
            left = 0.0 if outer is None or outer.until is None else max(0.001, outer.until - time.monotonic())
            signal.setitimer(signal.ITIMER_REAL, left, AGAIN if left else 0.0)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        limit = self._limit
        if limit is None:  # for a call that has just ended
            return
        if self.current is not None and self._cancelled == self.current:
            with contextlib.suppress(RuntimeError):  # no loop runs here
                if (task := asyncio.current_task()) is not None:
                    task.cancel()
            raise Cancelled
        if limit.until is not None and time.monotonic() >= limit.until:
            raise TimeLimitExceeded(f"the time limit of {limit.timeout:g} s has passed")


def die_at_once() -> None:
    """In a child of the prefork pool let SIGTERM end the process, as SIGKILL does.

    It comes at the hard limit and when a task is revoked. billiard makes an exception of it in whatever runs, which
    would look as if the handler had asked for an exit.
    """
    if current_process().name != "MainProcess":
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class WatchedThreads(ThreadCalls):
    """Threads for sync handlers, beside an event loop (``funcatron.calls.Calls``).

    At its time limit or on cancellation a call is given up, and its execution has ended; the thread goes on, because
    nothing can interrupt it. So the call keeps its place among ``deadlines`` until it has really ended.
    """

    def __init__(self, deadlines: Deadlines, threads: int) -> None:
        super().__init__(threads)
        self._deadlines = deadlines

    async def run(self, call: Callable[[], T], timeout: float | None) -> T:
        """See Calls; ``timeout`` runs from here. Raises Unavailable where too many calls wait for a thread."""
        if timeout is None:
            return await super().run(call, timeout)
        at = time.monotonic() + timeout

        def watched() -> T:
            with self._deadlines.until(at):
                return call()

        return await super().run(watched, timeout)


def _too_late(number: int, frame: FrameType | None) -> None:
    """Take a signal for a handler that has just ended; left to itself the system would end the process."""
