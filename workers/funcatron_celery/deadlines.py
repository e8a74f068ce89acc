"""When what this process runs must have ended: the earliest of all its deadlines, for whoever ends the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

__all__ = ["Deadlines"]


class Deadlines:
    """The deadlines of everything that runs, in any thread; times are seconds of ``time.monotonic()``.

    ``tell`` is called whenever the earliest one changes, with None when nothing runs.
    """

    def __init__(self) -> None:
        self.tell: Callable[[float | None], None] = lambda at: None
        self._running: dict[object, float] = {}
        self._lock = threading.Lock()
        self._told: float | None = None

    def until(self, at: float) -> AbstractContextManager[None]:
        """Something runs inside that has to end by ``at``."""
        return _Until(self, at)

    def begin(self, key: object, at: float) -> None:
        """Something runs from now on; ``key`` names it until its ``end``."""
        with self._lock:
            self._running[key] = at
            if self._told is None or at < self._told:
                self._told = at
                self.tell(at)

    def end(self, key: object) -> None:
        """It has ended."""
        with self._lock:
            if self._running.pop(key) == self._told:
                self._tell()

    def _tell(self) -> None:
        earliest = min(self._running.values()) if self._running else None
        if earliest != self._told:
            self._told = earliest
            self.tell(earliest)


class _Until(AbstractContextManager[None]):
    """Written out, as every execution is inside of one."""

    __slots__ = ("_at", "_deadlines")

    def __init__(self, deadlines: Deadlines, at: float) -> None:
        self._deadlines = deadlines
        self._at = at

    def __enter__(self) -> None:
        self._deadlines.begin(self, self._at)

    def __exit__(self, *error: object) -> None:
        self._deadlines.end(self)
