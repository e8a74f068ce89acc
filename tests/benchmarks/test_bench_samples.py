"""Ratios come from rounds that belong together, and tables show what was measured and nothing else."""

from __future__ import annotations

import json
from math import isnan, nan

from tests.benchmarks.delivery.goals import delivery_goals
from tests.benchmarks.http.goals import OURS, goals
from tests.benchmarks.report import by_case, delivered, goals_table, ratio, started_after
from tests.benchmarks.samples import Sample, summarise
from tests.benchmarks.section import Goal, Section


def sample(subject: str, number: int, cpu: float, *, broker: float = 0.0, rate: float = 100.0) -> Sample:
    return Sample(subject, "get", number, cpu, rate, broker)


def test_a_sample_is_per_operation() -> None:
    taken = Sample.taken("ours", "get", 1, operations=1000, seconds=2.0, cpu=0.5, broker=0.1)
    assert (taken.cpu, taken.broker, taken.rate) == (500.0, 100.0, 500.0)
    assert taken.cost == 600.0
    assert isnan(taken.p50)


def test_a_ratio_pairs_the_rounds() -> None:
    """The machine was ten times slower in the second round, for both: the ratio does not change."""
    samples = [sample("ours", 1, 10), sample("theirs", 1, 20), sample("theirs", 2, 220), sample("ours", 2, 100)]
    ours, theirs = summarise(samples, "ours")
    assert ours.ratio == 1.0
    assert (theirs.lowest, theirs.ratio, theirs.highest) == (2.0, 2.1, 2.2)
    assert theirs.cpu == 120.0


def test_the_broker_counts() -> None:
    samples = [sample("ours", 1, 10), sample("theirs", 1, 30, broker=20, rate=50)]
    assert [(summary.ratio, summary.rate_ratio) for summary in summarise(samples, "ours")] == [(1.0, 1.0), (5.0, 0.5)]


def test_without_the_baseline_there_is_no_ratio() -> None:
    (alone,) = summarise([sample("theirs", 1, 30)], "ours")
    assert isnan(alone.ratio)
    assert ratio(alone) == "-"


def test_too_short_a_round_has_no_ratio() -> None:
    _, theirs = summarise([sample("ours", 1, 0), sample("theirs", 1, 30)], "ours")
    assert isnan(theirs.ratio)


def test_tables_name_versions_and_leave_out_what_was_not_measured() -> None:
    summaries = summarise([sample("ours", 1, 10), sample("ours", 2, 10), sample("theirs", 2, 12.5)], "ours")
    shown = by_case(summaries, {"get": "GET", "post": "POST"}, {"ours": "x 1.0", "theirs": ""}, ratio)
    assert shown.splitlines() == [
        "|              |               GET | POST |",
        "| ------------ | ----------------: | ---: |",
        "| ours (x 1.0) | 1.00 [1.00..1.00] |    - |",
        "| theirs       |              1.25 |    - |",
    ]


def test_delivery_tables_show_latency_where_there_is_one() -> None:
    without = delivered(summarise([sample("ours", 1, 10)], "ours"), {"ours": "x 1.0"}, "task")
    assert "p50" not in without
    submitted = Sample("ours", "accept", 1, 10, 100, p50=1.25, p99=14.5)
    assert "1.25 |" in delivered(summarise([submitted], "ours"), {"ours": ""}, "submit")
    assert "| ours |    1.25 |    14.5 |" in started_after(summarise([submitted], "ours"), {"ours": ""})


def test_goals_are_ratios_of_one_run_and_a_missed_one_is_marked() -> None:
    checked, unchecked = OURS[:2]
    stock = {"connexion AsyncApp": 1300.0, "connexion AsyncApp, responses checked": 1800.0}
    costs = {checked: 150.0, unchecked: 130.0, "bare ASGI callable, no validation": 100.0, **stock}
    summaries = summarise([Sample(subject, "get", 1, cpu, 0.0) for subject, cpu in costs.items()], checked)
    found = {
        goal.what: (goal.measured, goal.met)
        for goal in goals([Section("instructions", "HTTP", "how", (), summaries)], {"get": "GET"}).goals
    }
    assert found[f"GET, instructions: {checked} over bare ASGI callable, no validation"] == (1.5, False)
    assert found[f"GET, instructions: {unchecked} over bare ASGI callable, no validation"] == (1.3, True)
    assert found[f"GET, instructions: connexion AsyncApp, responses checked over {checked}"] == (12.0, True)
    assert found[f"GET, instructions: connexion AsyncApp over {unchecked}"] == (10.0, True)
    assert found[f"GET, instructions: {checked} over Litestar"][1] is None
    assert found[f"GET, instructions: {checked} over {unchecked}"] == (150 / 130, True)


def test_a_section_is_json() -> None:
    section = Section("http", "HTTP", "how", ("| a |",), summarise([sample("ours", 1, nan)], "ours"), {"ours": "x 1.0"})
    assert str(section) == "## HTTP\n\nhow\n\n| a |"
    (figures,) = json.loads(json.dumps(section.to_json(), allow_nan=False))["figures"]
    assert (figures["subject"], figures["cpu"], figures["rate"]) == ("ours", None, 100.0)


def test_a_goal_is_met_from_above_or_from_below() -> None:
    assert [Goal("g", 3.0, measured).met for measured in (2.9, 3.0, 3.1, nan)] == [True, True, False, None]
    assert [Goal("g", 3.0, measured, at_least=True).met for measured in (2.9, 3.0, 3.1)] == [False, True, True]


def test_goals_compare_within_a_round_and_say_what_is_missing() -> None:
    samples = [
        Sample("funcatron, SQLite", "execute", 1, 10, 300),
        Sample("funcatron, SQLite", "execute", 2, 100, 30),
        Sample("Celery, Redis, solo", "execute", 1, 40, 100, broker=10),
        Sample("Celery, Redis, solo", "execute", 2, 480, 20, broker=20),
        Sample("funcatron, SQLite", "start", 1, nan, nan, p50=2.5),
    ]
    goals = delivery_goals(samples, 114.0, 0.2, {"RabbitMQ": "it is not installed"})
    measured = {goal.what: goal for goal in goals}
    cpu = measured["embedded execute, record kept, over Celery, Redis, solo, results in Redis: all CPU"]
    rate = measured["embedded execute, record kept, over Celery, Redis, solo, results in Redis: rate"]
    assert (cpu.measured, cpu.met, rate.measured, rate.met) == (0.2, True, 2.25, False)
    shown = goals_table(goals).splitlines()
    assert any("at most 3 ms |  2.50 ms |" in line and "met" in line for line in shown)
    assert all(goal.absent for goal in goals if "RabbitMQ" in goal.what)
    assert sum("not measured: it is not installed" in line for line in shown) == 4
