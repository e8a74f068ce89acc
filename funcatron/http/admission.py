"""How much may wait to be stored: one count for every door of an HTTP process, so that memory has an end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from funcatron.errors import Unavailable

__all__ = ["RETRY_AFTER", "Admission"]

RETRY_AFTER = 1
"""Seconds after which a client may come again, or ask for the result."""


class Admission:
    """Admits what is being stored, at most ``limit`` calls at a time (setting ``max_queued``); for one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._storing = 0

    @contextmanager
    def admitted(self, calls: int = 1) -> Iterator[None]:
        """Count these calls while they are stored; raises Unavailable where there are too many.

        Calls that come together while nothing is stored are taken however many they are: they never could be otherwise.
        """
        if self._storing and self._storing + calls > self._limit:
            raise Unavailable(f"{self._storing} calls are waiting to be stored", retry_after=RETRY_AFTER)
        self._storing += calls
        try:
            yield
        finally:
            self._storing -= calls
