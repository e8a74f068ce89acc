"""What this process runs at the moment, and ending it where its record was cancelled.

A cancellation is written to the store by whoever asks for it, in whatever process. So while something runs for longer
than a moment its record is looked at, and when it says ``cancelled`` the handler is interrupted: an async one as any
task is cancelled, a sync one in the main thread by a signal; a sync one in another thread is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from funcatron.errors import Unavailable
from funcatron.ports import ExecutionStore
from funcatron_celery.limits import InlineCalls

__all__ = ["Running"]

T = TypeVar("T")

logger = logging.getLogger("funcatron.worker")

EVERY = 1.0
"""Seconds between looks at the records of what runs; what is shorter is never looked at."""


@dataclass(slots=True)
class _Attempt:
    """One execution in one thread of this process; ``task`` where it runs on an event loop."""

    task: asyncio.Task[Any] | None
    main: bool
    since: float = field(default_factory=time.monotonic)


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

    @contextlib.contextmanager
    def watching(self, execution_id: str, task: asyncio.Task[Any] | None = None) -> Iterator[None]:
        """Have the execution run inside, in this thread; its handler is interrupted where it is cancelled."""
        main = threading.current_thread() is threading.main_thread()
        if main and self._calls is not None:
            self._calls.current = execution_id
        self._attempts[execution_id] = _Attempt(task, main)
        if not self._some.is_set():
            self._some.set()
            self._start()
        try:
            yield
        finally:
            self._attempts.pop(execution_id, None)
            if main and self._calls is not None:
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
