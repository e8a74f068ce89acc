"""A thread that looks after a consumer that is busy with one long message.

The consumer claims and acknowledges many messages together, which is cheap while they are short. When one of them
takes long, the others must not wait for it: those claimed go back to the queue, those done with are deleted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from funcatron.errors import Unavailable

__all__ = ["Flusher"]

SECONDS = 0.1

logger = logging.getLogger(__name__)


class Flusher:
    """Calls ``tidy`` every ``SECONDS`` for as long as that says there is more to come, and again after ``needed``."""

    def __init__(self, tidy: Callable[[], bool]) -> None:
        self._tidy = tidy
        self._needed = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="funcatron-flusher", daemon=True)
        self._thread.start()

    def needed(self) -> None:
        """There is something that must not be left lying."""
        if not self._needed.is_set():
            self._needed.set()

    def stop(self) -> None:
        """End the thread, after the step it is in."""
        self._stopped.set()
        self._needed.set()
        self._thread.join()

    def _run(self) -> None:
        while self._needed.wait() and not self._stopped.wait(SECONDS):
            self._needed.clear()
            if self._stopped.is_set():  # ``stop`` came in between: its call to wake is the one just cleared
                return
            try:
                more = self._tidy()
            except Unavailable as error:
                logger.warning("Messages cannot be given back or acknowledged for now: %s", error)
                more = True
            if more:
                self._needed.set()
