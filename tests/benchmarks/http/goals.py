"""What HTTP is to reach: nearly every goal is a ratio of two costs that are measured in one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan

from tests.benchmarks.http import hops
from tests.benchmarks.report import goals_table
from tests.benchmarks.section import Goal, Section

__all__ = ["LIMITS", "OURS", "Limit", "goals"]

OURS = ("funcatron", "funcatron, responses not checked", "PlannedApp, responses checked", "PlannedApp")
"""Who is to reach the goals: each that checks responses, then the same without."""

BARE = "bare ASGI callable, no validation"
STARLETTE = "Starlette, no validation"
FASTAPI = "FastAPI, Response returned"
ASYNC_APP = "connexion AsyncApp"
FLASK_APP = "connexion FlaskApp"

CHECKING = {
    FASTAPI: "FastAPI, response model",
    ASYNC_APP: "connexion AsyncApp, responses checked",
    FLASK_APP: "connexion FlaskApp, responses checked",
}
"""Peers that check responses in another form: what ours are compared with where they check them, too."""

UNITS = {
    "instructions": "instructions",
    "many": "instructions",
    "http": "CPU per request",
    "start": "CPU",
    "import": "CPU",
}
"""What each section measures."""

Costs = Mapping[tuple[str, str, str], float]
"""By section, subject and case."""


@dataclass(frozen=True, slots=True)
class Limit:
    """``case`` of ours costs at most ``most`` times ``case_of_other`` of ``other``, in the figures of one section; or,
    with ``times``, the other costs at least so many times as much.

    ``other`` is None for another case of the same subject.
    """

    section: str
    case: str
    other: str | None
    case_of_other: str
    most: float = nan
    times: float = nan

    def goal(self, subject: str, costs: Costs, titles: Mapping[str, str]) -> Goal:
        """Return the goal for one of ours, with what was measured."""
        peer = CHECKING.get(self.other, self.other) if self.other and subject in OURS[::2] else self.other
        ours = costs.get((self.section, subject, self.case), nan)
        other = costs.get((self.section, peer or subject, self.case_of_other), nan)
        named = peer or titles.get(self.case_of_other, self.case_of_other)
        if peer and self.case_of_other != self.case:
            named += f", {titles.get(self.case_of_other, self.case_of_other)}"
        said = f"{titles.get(self.case, self.case)}, {UNITS[self.section]}"
        absent = "left out of this run"
        if self.times == self.times:
            measured = other / ours if ours else nan
            return Goal(f"{said}: {named} over {subject}", self.times, measured, at_least=True, absent=absent)
        return Goal(f"{said}: {subject} over {named}", self.most, ours / other if other else nan, absent=absent)


def _most(section: str, case: str, most: Mapping[str, float]) -> list[Limit]:
    return [Limit(section, case, other, case, most=ratio) for other, ratio in most.items()]


def _times(section: str, case: str, times: Mapping[str, float]) -> list[Limit]:
    return [Limit(section, case, other, case, times=ratio) for other, ratio in times.items()]


LIMITS = (
    *_most("instructions", "get", {BARE: 1.40, STARLETTE: 0.70, FASTAPI: 0.30, "Litestar": 0.52}),
    *_times("instructions", "get", {ASYNC_APP: 10, FLASK_APP: 16}),
    *_most("instructions", "post", {BARE: 1.40, STARLETTE: 0.70, FASTAPI: 0.30, "Litestar": 0.52}),
    *_times("instructions", "post", {ASYNC_APP: 15, FLASK_APP: 21}),
    *_most("instructions", "refused", {FASTAPI: 0.5}),
    *_most("instructions", "missing", {FASTAPI: 0.8}),
    Limit("many", "last", None, "first", most=1.1),
    Limit("http", "sync", FASTAPI, "post", most=0.45),
    *_most("http", "get", {BARE: 1.4}),
    *_most("http", "post", {BARE: 1.4}),
    Limit("start", "start", "connexion AsyncApp, add_api", "start", most=0.1),
    Limit("import", "import", "import connexion", "import", most=0.75),
)
"""For each of ours."""

CHECKED = [
    (checked, Limit("instructions", case, unchecked, case, most=1.25))
    for case in ("get", "post")
    for checked, unchecked in (OURS[:2], OURS[2:])
]
"""For ours with responses checked: over responses not checked."""


LONGEST_HOP, OF_ANYIO = 15.0, 0.4
"""Microseconds; and over anyio's hop, which took 37.6 where the first was set: a ratio holds on any machine."""


def goals(sections: Iterable[Section], titles: Mapping[str, str]) -> Section:
    """Return every goal with what was measured; ``titles`` are those of the cases."""
    costs = {
        (section.key, summary.subject, summary.case): summary.cpu + summary.broker
        for section in sections
        for summary in section.summaries
    }
    found = [limit.goal(subject, costs, titles) for limit in LIMITS for subject in _subjects(limit)]
    found += [limit.goal(checked, costs, titles) for checked, limit in CHECKED]
    hop = costs.get(("hop", hops.OURS, "hop"), nan)
    found.append(Goal("a hop to a thread and back", LONGEST_HOP, hop, "us", absent="left out of this run"))
    anyio = costs.get(("hop", hops.BASELINE, "hop"), nan)
    found.append(Goal("a hop to a thread and back over anyio's", OF_ANYIO, hop / anyio, absent="left out of this run"))
    method = "Both costs of a ratio come from this run."
    return Section("http-goals", "HTTP: goals", method, (goals_table(found),), goals=found)


def _subjects(limit: Limit) -> Sequence[str]:
    """Return who of ours is measured there: responses are of no account for routing and for starting."""
    few = {"many": ("funcatron", "PlannedApp"), "start": ("funcatron",), "import": ("funcatron", "PlannedApp")}
    return few.get(limit.section, OURS)
