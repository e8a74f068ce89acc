"""``GET /metrics``: what this process did, and the executions by state, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import TypeVar

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from funcatron.errors import Unavailable
from funcatron.http.metrics import BOUNDS, Count, Metrics, Spread

__all__ = ["render"]

Labels = TypeVar("Labels", bound=tuple[str, ...])


def render(metrics: Metrics) -> bytes:
    """Return everything as text; asks the store, so it blocks."""
    registry = CollectorRegistry()
    registry.register(_Collected(metrics))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield the executions by state, whether the store could be asked, and what this process did."""
        yield from self._executions()
        labels = ("function", "trigger", "outcome")
        name = "funcatron_invocations"
        yield _counts(name, "Calls answered by this process", labels, self._metrics.invocations)
        yield _spreads(self._metrics.durations)
        name = "funcatron_accepted"
        yield _counts(name, "Executions accepted by this process", labels[:2], self._metrics.acceptances)

    def _executions(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("funcatron_store_up", "Whether the store answers")
        try:
            counts = self._metrics.executions()
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


def _counts(name: str, told: str, labels: tuple[str, ...], counts: Mapping[Labels, Count]) -> Metric:
    family = CounterMetricFamily(name, told, labels=labels)
    for values, count in list(counts.items()):
        family.add_metric(values, count.number, created=count.created)
    return family


def _spreads(spreads: Mapping[tuple[str, str], Spread]) -> Metric:
    name = "funcatron_invocation_duration_seconds"
    family = HistogramMetricFamily(name, "Time from a checked call to its result", labels=["function", "trigger"])
    for values, spread in list(spreads.items()):
        below = zip(map(floatToGoString, BOUNDS), accumulate(spread.buckets), strict=True)
        family.add_metric(values, list(below), spread.total)
        family.add_sample(f"{name}_created", dict(zip(("function", "trigger"), values, strict=True)), spread.created)
    return family
