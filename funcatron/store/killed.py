"""Workers that were killed because what they ran did not end in its time.

Who finds an attempt whose worker is gone cannot tell why it went. Who kills it for being late says so here first, so
that the attempt counts as timed out, and not as lost.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from pathlib import Path

__all__ = ["Killed"]

logger = logging.getLogger("funcatron.worker")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
KEPT = 86_400.0
"""Seconds for which it is known; an attempt whose worker is gone is found within seconds."""


class Killed:
    """The ids of those workers, as empty files in one folder of this machine."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def add(self, worker: str) -> None:
        """Note that this worker is about to be killed; where that is impossible it is logged."""
        if _ID.fullmatch(worker) is None:
            logger.warning("%r is no id of a worker", worker)
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._forget()
            (self._folder / worker).touch()
        except OSError as error:
            logger.warning("it cannot be noted that %s is killed for being late: %s", worker, error)

    def __contains__(self, worker: str) -> bool:
        return _ID.fullmatch(worker) is not None and (self._folder / worker).exists()

    def _forget(self) -> None:
        for file in self._folder.iterdir():
            with contextlib.suppress(OSError):  # another process was faster
                if file.stat().st_mtime < time.time() - KEPT:
                    file.unlink()
