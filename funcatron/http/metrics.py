"""``GET /metrics``: what this process did, and the executions by state, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from funcatron.errors import Unavailable
from funcatron.invocation import Result

__all__ = ["Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of one HTTP process, in a registry of their own; ``counts`` asks the store, at each scrape."""

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._registry = CollectorRegistry()
        self._series: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self._registry.register(_Executions(counts))
        self._invocations = Counter(
            "funcatron_invocations",
            "Calls answered by this process",
            ["function", "trigger", "outcome"],
            registry=self._registry,
        )
        self._durations = Histogram(
            "funcatron_invocation_duration_seconds",
            "Time from a checked call to its result",
            ["function", "trigger"],
            registry=self._registry,
        )
        self._accepted = Counter(
            "funcatron_accepted",
            "Executions accepted by this process",
            ["function", "trigger"],
            registry=self._registry,
        )

    def invoked(self, function: str, trigger: str, result: Result, seconds: float) -> None:
        """Count one call: its outcome is ``succeeded``, ``refused`` (4xx) or the kind of its failure."""
        outcome = "succeeded" if result.ok else "refused" if result.status < 500 else result.failure or "handler"
        series = self._series.get((function, trigger, outcome))
        if series is None:
            count = self._invocations.labels(function, trigger, outcome)
            series = self._series[function, trigger, outcome] = count, self._durations.labels(function, trigger)
        series[0].inc()
        series[1].observe(seconds)

    def accepted(self, function: str, trigger: str) -> None:
        """Count one execution that was made durable."""
        self._accepted.labels(function, trigger).inc()

    def render(self) -> bytes:
        """Return everything as text; asks the store, so it blocks."""
        return generate_latest(self._registry)


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
