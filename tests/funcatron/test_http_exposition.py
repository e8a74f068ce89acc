"""funcatron.http.metrics and funcatron.http.exposition: what is counted, and how Prometheus reads it."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from funcatron.errors import Unavailable
from funcatron.http.exposition import render
from funcatron.http.metrics import Metrics
from funcatron.invocation import Result

OK = Result(body=1)


def _samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return what Prometheus would read: values by name and by the labels' values, labels in alphabetical order."""
    families = text_string_to_metric_families(render(metrics).decode())
    return {
        (s.name, *(s.labels[label] for label in sorted(s.labels))): s.value
        for family in families
        for s in family.samples
    }


def _none() -> Mapping[str, int]:
    return {}


def test_calls_are_counted_by_outcome() -> None:
    metrics = Metrics(_none)
    for result in (OK, OK, Result(body=1, status=404), Result(body=1, status=500)):
        metrics.invoked("f", "http", result, 0.1)
    samples = _samples(metrics)
    assert samples["funcatron_invocations_total", "f", "succeeded", "http"] == 2
    assert samples["funcatron_invocations_total", "f", "refused", "http"] == 1
    assert samples["funcatron_invocations_total", "f", "handler", "http"] == 1
    assert samples["funcatron_invocations_created", "f", "refused", "http"] > 1e9


def test_durations_fall_into_buckets_that_add_up() -> None:
    metrics = Metrics(_none)
    for seconds in (0.0, 0.005, 0.0051, 7.5, 60.0):
        metrics.invoked("f", "http", OK, seconds)
    samples = _samples(metrics)
    name = "funcatron_invocation_duration_seconds"
    found = {bound: samples[f"{name}_bucket", "f", bound, "http"] for bound in ("0.005", "0.01", "5.0", "7.5", "+Inf")}
    assert found == {"0.005": 2, "0.01": 3, "5.0": 3, "7.5": 4, "+Inf": 5}
    assert samples[f"{name}_count", "f", "http"] == 5
    assert abs(samples[f"{name}_sum", "f", "http"] - 67.5101) < 1e-9
    assert samples[f"{name}_created", "f", "http"] > 1e9


def test_labels_are_escaped() -> None:
    metrics = Metrics(_none)
    metrics.accepted('a "b"\\\n', "async")
    assert _samples(metrics)["funcatron_accepted_total", 'a "b"\\\n', "async"] == 1


def test_executions_are_asked_for_at_each_scrape() -> None:
    counts: dict[str, int] = {}
    metrics = Metrics(lambda: counts)
    assert _samples(metrics)["funcatron_store_up",] == 1
    counts["queued"] = 3
    assert _samples(metrics)["funcatron_executions", "queued"] == 3


def test_a_store_out_of_reach_is_told() -> None:
    def unavailable() -> Mapping[str, int]:
        raise Unavailable("away")

    assert _samples(Metrics(unavailable)) == {("funcatron_store_up",): 0}
