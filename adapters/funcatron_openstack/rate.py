"""A limit on requests: so many a second, and some more at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Rate"]


class Rate:
    """A bucket of tokens: ``per_second`` flow in, up to two seconds' worth is kept. Any thread may take."""

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._most = max(1.0, 2 * per_second)
        self._tokens = self._most
        self._clock = clock
        self._filled = clock()
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take one token and return how many seconds it has to be waited for before it is used."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._most, self._tokens + (now - self._filled) * self._per_second) - 1
            self._filled = now
            return max(0.0, -self._tokens / self._per_second)
