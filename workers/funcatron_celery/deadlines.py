"""When what this process runs must have ended: the earliest of all its deadlines, for whoever ends the process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

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

    @contextlib.contextmanager
    def until(self, at: float) -> Iterator[None]:
        """Something runs inside that has to end by ``at``."""
        key = object()
        with self._lock:
            self._running[key] = at
            self._tell()
        try:
            yield
        finally:
            with self._lock:
                del self._running[key]
                self._tell()

    def _tell(self) -> None:
        earliest = min(self._running.values(), default=None)
        if earliest != self._told:
            self._told = earliest
            self.tell(earliest)
