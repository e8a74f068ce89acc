"""What starting costs: processes of their own, one after another, in interleaved rounds (see ``startup``)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.effort import Effort
from tests.benchmarks.http.contract import big
from tests.benchmarks.machine import package_version
from tests.benchmarks.processes import answer_of, python
from tests.benchmarks.samples import Sample
from tests.benchmarks.section import Tell

__all__ = ["BASELINES", "IMPORTS", "STARTS", "measure"]

STARTS = {
    "connexion AsyncApp, add_api": "connexion",
    "connexion AsyncApp, first answer": "connexion-answer",
    "FastAPI, 500 path operations": "fastapi",
    "FastAPI, first answer": "fastapi-answer",
    "funcatron, nothing cached": "funcatron-cold",
    "funcatron": "funcatron",
    "funcatron, first answer": "funcatron-answer",
}
"""Titles, and what ``startup`` calls them."""

IMPORTS = {
    "import connexion": "import:connexion",
    "funcatron": "import:funcatron.http.door",
    "PlannedApp": "import:funcatron.http.plan.planned_app",
    "import fastapi": "import:fastapi",
}

BASELINES = {"start": "connexion AsyncApp, add_api", "import": "import connexion"}


def measure(case: str, subjects: Mapping[str, str], effort: Effort, folder: Path, tell: Tell) -> list[Sample]:
    """Return one sample per subject and round; its ``cpu`` is microseconds. One more round comes before, unmeasured:
    it fills what is cached."""
    place = folder / case
    place.mkdir()
    extra = {"XDG_CACHE_HOME": str(place / "cache")}
    if not effort.quick:  # Python keeps what it compiles for all alike, wherever their sources are
        extra |= {"PYTHONPYCACHEPREFIX": str(place / "compiled"), "PYTHONDONTWRITEBYTECODE": ""}
    if not package_version("fastapi"):
        subjects = {title: what for title, what in subjects.items() if "fastapi" not in what}
    document = str(big.written(place, 2 if effort.quick else big.RESOURCES)) if case == "start" else ""
    rounds = 1 if effort.quick else 2 * effort.rounds + 1
    samples = []
    for number in range(1 if effort.quick else 0, rounds + 1):
        tell(f"{case}: round {number} of {rounds}")
        for title, what in random.sample(list(subjects.items()), len(subjects)):
            command = python("tests.benchmarks.http.startup", what, *filter(None, [document]))
            said = answer_of(command, folder=place, extra=extra)
            if number:
                samples.append(Sample(title, case, number, float(said) * 1e6, 0.0))
    return samples
