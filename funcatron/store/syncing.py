"""Bringing what is written to the disk a moment later, many commits at once, in a thread of its own."""

from __future__ import annotations

import logging
import os
import threading
import time
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
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._due = False
        self._stopped = False

    def soon(self) -> None:
        """Something was committed that must be on the disk within ``DELAY``."""
        if self._due:
            return
        self._due = True
        if self._thread is None:
            self._stopped = False
            self._thread = threading.Thread(target=self._run, name="funcatron-sync", daemon=True)
            self._thread.start()
        self._wake.set()

    def done(self) -> None:
        """Everything committed so far is on the disk: a durable commit took it along."""
        self._due = False

    def stop(self) -> None:
        """Sync what is due and end the thread."""
        self._sync()
        self._stopped = True
        self._thread = None
        self._wake.set()

    def _run(self) -> None:
        while self._wake.wait() and not self._stopped:
            self._wake.clear()
            time.sleep(DELAY)
            if not self._write():
                self._wake.set()
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
