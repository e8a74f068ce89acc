"""Bringing what is written to the disk a moment later, many commits at once, in a thread of its own."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

__all__ = ["Syncer"]

DELAY = 0.02  # seconds

logger = logging.getLogger(__name__)


class Syncer:
    """Syncs a database's write-ahead log. ``soon`` and ``done`` are called under the database's write lock.

    ``write`` is called before: it commits what is left to be written, and returns False where that cannot be done now.
    """

    def __init__(self, database: Path, write: Callable[[], bool]) -> None:
        self._log = f"{database}-wal"
        self._write = write
        self._wake: threading.Event | None = None  # these two belong to the thread that runs
        self._stop = threading.Event()
        self._due = False

    def soon(self) -> None:
        """Something was committed that must be on the disk within ``DELAY``."""
        if self._due:
            return
        self._due = True
        if self._wake is None:
            self._wake, self._stop = threading.Event(), threading.Event()
            signals = (self._wake, self._stop)
            threading.Thread(target=self._run, args=signals, name="funcatron-sync", daemon=True).start()
        self._wake.set()

    def done(self) -> None:
        """Everything committed so far is on the disk: a durable commit took it along."""
        self._due = False

    def stop(self) -> None:
        """Sync what is due and have the thread end; it is not waited for."""
        self._sync()
        wake, self._wake = self._wake, None
        if wake is not None:
            self._stop.set()
            wake.set()

    def _run(self, wake: threading.Event, stop: threading.Event) -> None:
        while wake.wait():
            wake.clear()
            if stop.wait(DELAY):  # asked after the call to wake was taken: it may have been that of ``stop``
                return
            if not self._write():
                wake.set()
            self._sync()

    def _sync(self) -> None:
        if not self._due:
            return
        self._due = False  # before the sync: what is committed meanwhile is due again
        try:
            file = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # its last user has moved everything into the database, synced
        try:
            os.fdatasync(file)
        except OSError as error:
            logger.error("%s could not be synced: %s", self._log, error.strerror)
        finally:
            os.close(file)
