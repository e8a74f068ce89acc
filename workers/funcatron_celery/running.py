"""What this process runs at the moment, and ending it where its record was cancelled.

A cancellation is written to the store by whoever asks for it, in whatever process. So while something runs for longer
than a moment its record is looked at, and when it says ``cancelled`` the handler is interrupted: an async one as any
task is cancelled, a sync one in the main thread by a signal; a sync one in another thread is given up.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from funcatron.errors import Unavailable
from funcatron.ports import ExecutionStore
from funcatron_celery.limits import InlineCalls

__all__ = ["Running"]

T = TypeVar("T")

logger = logging.getLogger("funcatron.worker")

EVERY = 1.0
"""Seconds between looks at the records of what runs; what is shorter is never looked at."""


class _Attempt(AbstractContextManager[None]):
    """One execution in one thread of this process; ``task`` where it runs on an event loop. It runs inside."""

    __slots__ = ("_execution_id", "_running", "main", "since", "task")

    def __init__(self, running: Running, execution_id: str, task: asyncio.Task[Any] | None) -> None:
        self._running = running
        self._execution_id = execution_id
        self.task = task
        self.main = threading.current_thread() is threading.main_thread()
        self.since = time.monotonic()

    def __enter__(self) -> None:
        self._running.begun(self._execution_id, self)

    def __exit__(self, *error: object) -> None:
        self._running.ended(self._execution_id, self)


class Running:
    """The executions that this process runs, by id; ``calls`` runs those in its main thread, if any run there."""

    def __init__(self, store: Callable[[], ExecutionStore], calls: InlineCalls | None) -> None:
        self._store = store
        self._calls = calls
        self._attempts: dict[str, _Attempt] = {}
        self._some = threading.Event()
        self._thread: threading.Thread | None = None

    async def watch(self, execution_id: str, attempt: Awaitable[T]) -> T:
        """Return what ``attempt`` returns; raises asyncio.CancelledError where the execution is cancelled."""
        with self.watching(execution_id, asyncio.current_task()):
            return await attempt

    def watching(self, execution_id: str, task: asyncio.Task[Any] | None = None) -> AbstractContextManager[None]:
        """Have the execution run inside, in this thread; its handler is interrupted where it is cancelled."""
        return _Attempt(self, execution_id, task)

    def begun(self, execution_id: str, attempt: _Attempt) -> None:
        """Look after this execution from now on."""
        if attempt.main and self._calls is not None:
            self._calls.current = execution_id
        self._attempts[execution_id] = attempt
        if not self._some.is_set():
            self._some.set()
            self._start()

    def ended(self, execution_id: str, attempt: _Attempt) -> None:
        """It is over."""
        self._attempts.pop(execution_id, None)
        if attempt.main and self._calls is not None:
            self._calls.current = None

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="funcatron-cancel", daemon=True)
            self._thread.start()

    def _look(self) -> None:
        while self._some.wait():
            time.sleep(EVERY)
            long = time.monotonic() - EVERY
            for execution_id, attempt in list(self._attempts.items()):
                if attempt.since < long and self._is_cancelled(execution_id):
                    self._end(execution_id, attempt)
            if not self._attempts:
                self._some.clear()
                if self._attempts:  # one began between the two lines
                    self._some.set()

    def _is_cancelled(self, execution_id: str) -> bool:
        try:
            record = self._store().get(execution_id)
        except Unavailable:
            return False
        return record is not None and record.state == "cancelled"

    def _end(self, execution_id: str, attempt: _Attempt) -> None:
        logger.info("execution %s was cancelled and is interrupted", execution_id)
        if attempt.main and self._calls is not None:
            self._calls.cancel(execution_id)
        if attempt.task is not None and not (loop := attempt.task.get_loop()).is_closed():
            loop.call_soon_threadsafe(attempt.task.cancel)
