"""From the threads of a pool to the thread of its consumer: acknowledgements and all else that touches a broker.

A connection to a broker belongs to the thread that consumes; py-amqp takes no calls from another one. So what a pool
has to tell about a task is called there.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["Handover", "interrupt"]

logger = logging.getLogger("funcatron.worker")


class Handover:
    """Calls that are made in any thread, and run in the consumer's in the order in which they were made."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], object]] = deque()
        self._lock = threading.Lock()
        self._woken = False
        self._closed = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self.wake: Callable[[], object] = lambda: None
        """Called, in any thread, when the consumer does not watch ``fileno`` and there is something to run."""

    def fileno(self) -> int:
        """Return a file that can be read when there is something to run."""
        return self._read

    def put(self, call: Callable[[], object]) -> None:
        """Have the consumer's thread run ``call`` soon."""
        self._calls.append(call)
        with self._lock:
            if self._woken:
                return
            self._woken = True
            os.write(self._write, b"w")
        self.wake()

    def run(self) -> None:
        """Run what has come, in this thread: the consumer's."""
        with self._lock:
            if self._woken and not self._closed:
                self._woken = False
                os.read(self._read, 1)
        while self._calls:
            try:
                self._calls.popleft()()
            except Exception:  # what goes wrong for one task must not keep the others waiting
                logger.exception("the end of a task could not be told to its broker")

    def wait(self, seconds: float) -> None:
        """Wait until there is something to run, ``seconds`` at most."""
        select.select([self._read], [], [], seconds)

    def close(self) -> None:
        """Take no more calls: those that come are dropped."""
        with self._lock:
            if not self._closed:
                self._closed = self._woken = True
                os.close(self._read)
                os.close(self._write)
        self._calls = deque(maxlen=0)


def interrupt(consumer: Any) -> None:
    """Have a consumer that waits for messages look around at once, where its transport can do that (the embedded one).

    May be called from any thread and from a signal handler.
    """
    wake = getattr(getattr(getattr(consumer, "connection", None), "transport", None), "interrupt", None)
    if wake is not None:
        wake()
