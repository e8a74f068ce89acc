"""``GET /metrics``: what this process did, and the executions by state, in Prometheus' text format.

What is counted on every call is counted in plain numbers, and put into Prometheus' terms when it is asked for.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from funcatron.errors import Unavailable
from funcatron.invocation import Result

__all__ = ["Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, math.inf)
"""Seconds: the upper bounds of the histogram's buckets, Prometheus' usual ones."""


class Metrics:
    """Counters of one HTTP process, in a registry of their own; ``counts`` asks the store, at each scrape.

    Calls are counted on the event loop, so nothing is locked.
    """

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Executions(counts))
        self._calls = _Calls()
        self._registry.register(self._calls)
        self._accepted = Counter(
            "funcatron_accepted",
            "Executions accepted by this process",
            ["function", "trigger"],
            registry=self._registry,
        )

    def invoked(self, function: str, trigger: str, result: Result, seconds: float) -> None:
        """Count one call: its outcome is ``succeeded``, ``refused`` (4xx) or the kind of its failure."""
        status, failure = result.status, result.failure
        if status < 400 and failure is None:
            outcome = "succeeded"
        else:
            outcome = "refused" if status < 500 else failure or "handler"
        self._calls.add(function, trigger, outcome, seconds)

    def accepted(self, function: str, trigger: str) -> None:
        """Count one execution that was made durable."""
        self._accepted.labels(function, trigger).inc()

    def render(self) -> bytes:
        """Return everything as text; asks the store, so it blocks."""
        return generate_latest(self._registry)


class _Durations:
    """How long the calls of one function took."""

    __slots__ = ("began", "counts", "total")

    def __init__(self) -> None:
        self.began = time.time()
        self.counts = [0] * len(BOUNDS)
        self.total = 0.0


class _Calls(Collector):
    """The calls that were answered, by function, trigger and outcome; their durations by function and trigger."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, str, str], int] = {}
        self._durations: dict[tuple[str, str], _Durations] = {}

    def add(self, function: str, trigger: str, outcome: str, seconds: float) -> None:
        """Count one call."""
        key = (function, trigger, outcome)
        durations = self._durations.get(key[:2])
        if durations is None:
            durations = self._durations[function, trigger] = _Durations()
        self._outcomes[key] = self._outcomes.get(key, 0) + 1
        durations.counts[bisect_left(BOUNDS, seconds)] += 1
        durations.total += seconds

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """Yield how many calls there were, and how long they took."""
        invocations = CounterMetricFamily(
            "funcatron_invocations", "Calls answered by this process", labels=["function", "trigger", "outcome"]
        )
        for key, count in list(self._outcomes.items()):
            invocations.add_metric(key, count, created=self._durations[key[:2]].began)
        yield invocations
        durations = HistogramMetricFamily(
            "funcatron_invocation_duration_seconds",
            "Time from a checked call to its result",
            labels=["function", "trigger"],
        )
        for named, taken in list(self._durations.items()):
            buckets = zip(map(floatToGoString, BOUNDS), accumulate(taken.counts), strict=True)
            durations.add_metric(named, list(buckets), sum_value=taken.total)
            labels = dict(zip(("function", "trigger"), named, strict=True))
            durations.add_sample("funcatron_invocation_duration_seconds_created", labels, taken.began)
        yield durations


class _Executions(Collector):
    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the executions by state, and whether the store could be asked."""
        up = GaugeMetricFamily("funcatron_store_up", "Whether the store answers")
        try:
            counts = self._counts()
        except Unavailable:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        executions = GaugeMetricFamily("funcatron_executions", "Executions on record", labels=["state"])
        for state, count in counts.items():
            executions.add_metric([state], count)
        yield executions
