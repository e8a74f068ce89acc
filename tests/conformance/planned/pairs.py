"""What is compared: connexion's AsyncApp with PlannedApp, a corrected PlannedApp and funcatron's own door without plans
and with them, and AsyncApp with the corrected PlannedApp where nothing is corrected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from connexion import AsyncApp
from starlette.types import ASGIApp

from funcatron.http import PlannedApp, stack
from funcatron.http.door import Door
from funcatron.testing import application
from tests.conformance.planned.api import Api
from tests.conformance.planned.handlers import blocking, every
from tests.conformance.planned.passing import Passed, past_the_door, past_the_front
from tests.conformance.planned.requests import Request
from tests.conformance.planned.serving import serving
from tests.conformance.planned.uncorrected import is_uncorrected, uncorrected

__all__ = ["CONNEXION", "CORRECTED", "DOOR", "PAIRS", "UNCORRECTED", "Answer", "Pair"]

Answer: TypeAlias = tuple[Any, ...]
"""Status, headers, body, what the functions saw, and what was raised through the application."""

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two applications for one document, and what counts where requests of the second go ``past`` its plans.

    ``stock`` and ``planned`` make them, of a document and a number that chooses the handlers; they raise
    FuncatronError where funcatron refuses the document. ``plain`` takes away what is new in each answer. ``told``
    takes out of a document what the two are to differ in; ``alike`` says whether they are to agree on a request.
    """

    name: str
    stock: Callable[[Api, int], ASGIApp]
    planned: Callable[[Api, int], ASGIApp]
    past: Callable[[Any], Passed]
    plain: Callable[[Answer], Answer] = lambda found: found
    told: Callable[[Api], Api] = lambda api: api
    alike: Callable[[Request], bool] = lambda asked: True


def _stock_door(api: Api, place: int) -> Door:
    with _unplanned():
        return _door(api, place)


@contextmanager
def _unplanned() -> Iterator[None]:
    """Doors that are built here are built as if connexion were not as the plans want it."""
    missing = stack.missing
    stack.missing = lambda: ["plans"]
    try:
        yield
    finally:
        stack.missing = missing


def _door(api: Api, place: int) -> Door:
    options = {"validate_responses": api.options.get("validate_responses", True), "cache": False}
    return Door(application(deepcopy(api.document), handlers=lambda name: (every, blocking)[len(name) % 2], **options))


def _without_ids(found: Answer) -> Answer:
    status, headers, body, seen, raised = found
    kept = [(name, ID.sub("ID", text.decode("latin-1"))) for name, text in headers if name != b"traceparent"]
    return (status, kept, ID.sub("ID", body) if isinstance(body, str) else body, seen, raised)


CONNEXION = Pair(
    "connexion",
    lambda api, place: serving(AsyncApp, api, place),
    lambda api, place: serving(PlannedApp, api, place),
    past_the_front,
)
CORRECTED = Pair(
    "corrected",
    lambda api, place: serving(partial(PlannedApp, corrected=True, planned=False), api, place),
    lambda api, place: serving(partial(PlannedApp, corrected=True), api, place),
    past_the_front,
)
UNCORRECTED = Pair(
    "uncorrected",
    lambda api, place: serving(AsyncApp, api, place),
    lambda api, place: serving(partial(PlannedApp, corrected=True), api, place),
    past_the_front,
    told=uncorrected,
    alike=is_uncorrected,
)
DOOR = Pair("door", _stock_door, _door, past_the_door, _without_ids)
PAIRS = {pair.name: pair for pair in (CONNEXION, CORRECTED, UNCORRECTED, DOOR)}
