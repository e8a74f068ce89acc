"""What a hop to a thread and back costs: processes of their own, one after another, in interleaved rounds (``hop``)."""

from __future__ import annotations

import random
from math import inf
from pathlib import Path

from tests.benchmarks.effort import Effort
from tests.benchmarks.processes import answer_of, python
from tests.benchmarks.samples import Sample
from tests.benchmarks.section import Tell

__all__ = ["BASELINE", "HOPS", "OURS", "measure"]

OURS, BASELINE = "funcatron", "anyio, as starlette's, FastAPI's and connexion's handlers run"
HOPS = {BASELINE: "anyio", "loop.run_in_executor": "executor", OURS: "funcatron"}
"""Titles, and what ``hop`` calls them."""


def measure(effort: Effort, folder: Path, tell: Tell) -> list[Sample]:
    """Return one sample per way; its ``cpu`` is microseconds of wall time, the fewest of all rounds."""
    lowest = dict.fromkeys(HOPS, inf)
    for number in range(1, effort.rounds + 1):
        tell(f"hop: round {number} of {effort.rounds}")
        for title, way in random.sample(list(HOPS.items()), len(HOPS)):
            said = answer_of(python("tests.benchmarks.http.hop", way, str(effort.seconds)), folder=folder)
            lowest[title] = min(lowest[title], float(said))
    return [Sample(title, "hop", 1, microseconds, 0.0) for title, microseconds in lowest.items()]
