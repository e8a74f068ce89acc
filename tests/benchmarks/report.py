"""Tables for people (Markdown) and JSON for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isnan

from tests.benchmarks.samples import Summary
from tests.benchmarks.section import Goal

__all__ = [
    "by_case",
    "delivered",
    "goals_table",
    "microseconds",
    "milliseconds",
    "number",
    "ratio",
    "shortly",
    "started_after",
    "table",
    "thousands",
]

Cell = Callable[[Summary], str]
EMPTY = "-"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(line, widths) for line in [lines[0], rule, *lines[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "| " + " | ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]) + " |"


def by_case(summaries: Sequence[Summary], cases: Mapping[str, str], versions: Mapping[str, str], cell: Cell) -> str:
    """Return a table of subjects by cases; ``cases`` and ``versions`` are titles and versions, in the order to show."""
    found = {(summary.subject, summary.case): summary for summary in summaries}
    rows = [
        [
            _named(subject, version),
            *(cell(found[subject, case]) if (subject, case) in found else EMPTY for case in cases),
        ]
        for subject, version in versions.items()
    ]
    return table(["", *cases.values()], rows)


def ratio(summary: Summary) -> str:
    """Return the ratio to the baseline, and its extremes if there was more than one round."""
    spread = f" [{number(summary.lowest)}..{number(summary.highest)}]" if summary.rounds > 1 else ""
    return f"{number(summary.ratio)}{spread}"


def microseconds(summary: Summary) -> str:
    """Return the processor time of an operation and, aside, the rate."""
    return f"{summary.cpu:.0f} us, {summary.rate:,.0f}/s"


def shortly(summary: Summary) -> str:
    """Return the time of what has no rate."""
    return f"{number(summary.cpu)} us"


def milliseconds(summary: Summary) -> str:
    """Return the processor time of what is done once."""
    return f"{summary.cpu / 1000:,.0f} ms"


def thousands(summary: Summary) -> str:
    """Return instructions."""
    return f"{number(summary.ratio)} ({summary.cpu:,.0f} k)"


def delivered(summaries: Sequence[Summary], versions: Mapping[str, str], what: str) -> str:
    """Return the table of one delivery case: costs, ratios and rates."""
    columns: dict[str, Cell] = {
        f"CPU, us/{what}": lambda summary: f"{summary.cpu:.0f}",
        f"broker's, us/{what}": lambda summary: f"{summary.broker:.0f}" if summary.broker else EMPTY,
        "all CPU, ratio": ratio,
        f"{what}s/s": lambda summary: f"{summary.rate:,.0f}",
        "rate, ratio": lambda summary: number(summary.rate_ratio),
        "p50, ms": lambda summary: number(summary.p50),
        "loop late by, ms": lambda summary: number(summary.lag),
    }
    if all(isnan(summary.p50) for summary in summaries):
        del columns["p50, ms"]
    if all(isnan(summary.lag) for summary in summaries):
        del columns["loop late by, ms"]
    rows = [
        [_named(summary.subject, versions.get(summary.subject, "")), *(cell(summary) for cell in columns.values())]
        for summary in _in_order(summaries, versions)
    ]
    return table(["", *columns], rows)


def started_after(summaries: Sequence[Summary], versions: Mapping[str, str]) -> str:
    """Return the table of latencies from submit to start."""
    rows = [
        [_named(s.subject, versions.get(s.subject, "")), number(s.p50), number(s.p99)]
        for s in _in_order(summaries, versions)
    ]
    return table(["", "p50, ms", "p99, ms"], rows)


def _in_order(summaries: Sequence[Summary], versions: Mapping[str, str]) -> list[Summary]:
    places = {subject: place for place, subject in enumerate(versions)}
    return sorted(summaries, key=lambda summary: places.get(summary.subject, len(places)))


def _named(subject: str, version: str) -> str:
    return f"{subject} ({version})" if version else subject


def number(value: float) -> str:
    """Return a figure with two or three digits that count, or a dash for none."""
    if isnan(value):
        return EMPTY
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def goals_table(goals: Sequence[Goal]) -> str:
    """Return the goals as a table."""
    verdicts = {True: "met", False: "missed"}
    rows = [
        [
            goal.what,
            f"{'at least' if goal.at_least else 'at most'} {goal.wanted:g} {goal.unit}".rstrip(),
            f"{number(goal.measured)} {goal.unit}".rstrip() if goal.met is not None else "-",
            f"not measured: {goal.absent}" if goal.met is None else verdicts[goal.met],
        ]
        for goal in goals
    ]
    return table(["goal", "wanted", "measured", ""], rows)
