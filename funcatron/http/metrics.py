"""What this HTTP process did, counted as it goes: numbers and lists, so that a call pays next to nothing for it."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from math import inf

from funcatron.invocation import Result

__all__ = ["CONTENT_TYPE", "Count", "Metrics", "Series", "Spread"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, inf)
"""Seconds up to which a duration falls into each bucket: those of Prometheus' clients."""
SHORTEST = BOUNDS[0]


class Count:
    """How often something happened, since ``created`` (seconds since the epoch)."""

    __slots__ = ("created", "number")

    def __init__(self) -> None:
        self.created = time.time()
        self.number = 0


class Spread:
    """How long something took: how often up to each of ``BOUNDS`` and above the one before, and ``total`` seconds."""

    __slots__ = ("buckets", "created", "total")

    def __init__(self) -> None:
        self.created = time.time()
        self.buckets = [0] * len(BOUNDS)
        self.total = 0.0


class Series:
    """Calls of one function by one trigger; ``Metrics.series`` makes it. What did not happen yet is not counted."""

    __slots__ = ("_function", "_metrics", "_outcomes", "_spread", "_succeeded", "_trigger")

    def __init__(self, metrics: Metrics, function: str, trigger: str) -> None:
        self._metrics = metrics
        self._function = function
        self._trigger = trigger
        self._outcomes: dict[str, Count] = {}
        self._succeeded: Count | None = None
        self._spread: Spread | None = None

    def invoked(self, result: Result, seconds: float) -> None:
        """Count one call: its outcome is ``succeeded``, ``refused`` (4xx) or the kind of its failure."""
        if result.status < 400 and result.failure is None:
            count = self._succeeded
            if count is None:
                count = self._succeeded = self._outcome("succeeded")
        else:
            count = self._outcome("refused" if result.status < 500 else result.failure or "handler")
        count.number += 1
        spread = self._spread or self._spreads()
        spread.buckets[0 if seconds <= SHORTEST else bisect_left(BOUNDS, seconds)] += 1
        spread.total += seconds

    def _outcome(self, outcome: str) -> Count:
        count = self._outcomes.get(outcome)
        if count is None:
            key = self._function, self._trigger, outcome
            count = self._outcomes[outcome] = self._metrics.invocations.setdefault(key, Count())
        return count

    def _spreads(self) -> Spread:
        self._spread = self._metrics.durations.setdefault((self._function, self._trigger), Spread())
        return self._spread


class Metrics:
    """Counters of one HTTP process; ``executions`` asks the store for theirs, by state, and may raise Unavailable.

    Only one thread counts, that of the event loop; any may read.
    """

    def __init__(self, executions: Callable[[], Mapping[str, int]]) -> None:
        self.executions = executions
        self.invocations: dict[tuple[str, str, str], Count] = {}
        self.durations: dict[tuple[str, str], Spread] = {}
        self.acceptances: dict[tuple[str, str], Count] = {}
        self._series: dict[tuple[str, str], Series] = {}

    def series(self, function: str, trigger: str) -> Series:
        """Return what counts the calls of a function by a trigger."""
        return self._series.setdefault((function, trigger), Series(self, function, trigger))

    def invoked(self, function: str, trigger: str, result: Result, seconds: float) -> None:
        """Count one call, as its series does."""
        self.series(function, trigger).invoked(result, seconds)

    def accepted(self, function: str, trigger: str) -> None:
        """Count one execution that was made durable."""
        self.acceptances.setdefault((function, trigger), Count()).number += 1
