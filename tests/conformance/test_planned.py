"""What is planned is answered as without plans: a seeded part of ``make fuzz``."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from random import Random

import pytest

from tests.conformance.planned.api import Api
from tests.conformance.planned.compare import Case, Compared, Mismatch, compare
from tests.conformance.planned.corpus import cases, drawn_apis, random_apis
from tests.conformance.planned.documents import api
from tests.conformance.planned.kinds import KINDS, kinds
from tests.conformance.planned.pairs import CONNEXION, PAIRS, UNCORRECTED
from tests.conformance.planned.replay import smaller, snippet
from tests.conformance.planned.requests import Request, request

pytestmark = [
    pytest.mark.no_cover,  # it would take twice as long, and what it covers other tests cover
    *(
        pytest.mark.filterwarnings(f"ignore::{what}")
        for what in ("ResourceWarning", "RuntimeWarning", "pytest.PytestUnraisableExceptionWarning")
    ),
]
"""connexion leaves files open that nobody took, and coroutines that nobody awaited."""

DOCUMENTS = 8
REQUESTS = 250


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """connexion logs every refusal, with its traceback."""
    logging.disable()
    yield
    gc.collect()
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seed", range(0, 900, 100))
def test_what_is_planned_is_answered_as_without_plans(seed: int) -> None:
    compare_some(seed, random_apis(seed))


def test_documents_that_hypothesis_draws() -> None:
    compare_some(0, drawn_apis(0), planned=1 / 10)  # eight documents, others with each release of hypothesis


def compare_some(seed: int, apis: Iterator[Api], planned: float = 1 / 4) -> None:
    into = Compared()

    async def several() -> None:
        for pair, made, number in islice(cases(seed, apis), DOCUMENTS):
            await compare(pair, made, number, REQUESTS, into)

    asyncio.run(several())
    assert into.pairs.keys() == PAIRS.keys()
    assert into.requests > DOCUMENTS * REQUESTS * 0.95
    assert into.planned > into.requests * planned
    assert into.accepted > into.requests // 8
    assert into.statuses.keys() >= {200, 400, 401, 404}


def test_requests_of_every_kind_are_made() -> None:
    made: Counter[str] = Counter()
    for number in range(30):
        random = Random(number)
        one = api(random)
        for _ in range(60):
            operation = random.choice(one.operations)
            status = random.choice([200, 401])
            made.update(kinds(one, operation, request(random, one, operation), status))
    assert made.keys() == {*KINDS}


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every query is fine."""
    monkeypatch.setattr("funcatron.http.plan.query.Query.read", lambda *_: True)


@pytest.fixture
def mismatch(careless: None) -> Mismatch:
    with pytest.raises(Mismatch) as caught:
        asyncio.run(several(10))
    return caught.value


async def several(documents: int) -> None:
    for seed in range(documents):
        await compare(CONNEXION, api(Random(seed)), seed, 100, Compared())


def test_a_plan_that_accepts_too_much_is_found_and_told_in_short(mismatch: Mismatch) -> None:
    small = asyncio.run(smaller(mismatch))
    assert len(small.case.api.operations) == 1
    assert len(small.case.asked.headers) <= len(mismatch.case.asked.headers)
    with pytest.raises(Mismatch):
        exec(snippet(small), {})


REFERRING = {
    "openapi": "3.0.3",
    "info": {"title": "refers", "version": "1"},
    "paths": {
        "/a": {
            "parameters": [{"$ref": "#/components/parameters/n"}],
            "get": {"responses": {"200": {"$ref": "#/components/responses/fine"}}},
        },
        "/b": {"$ref": "#/paths/~1a"},
    },
    "components": {
        "parameters": {"n": {"name": "n", "in": "query", "schema": {"type": "integer"}}},
        "responses": {"fine": {"description": "fine"}},
    },
}


def test_what_others_refer_to_is_not_left_out() -> None:
    api = Api("refers", REFERRING)
    of_b = next(one for one in api.operations if one.path == "/b")
    case = Case(api, 0, of_b, Request("GET", "/b", b"n=1"), None)
    found = asyncio.run(smaller(Mismatch(CONNEXION, case, ((200,), (500,)))))
    assert found.case.api.document == REFERRING


def test_a_correction_of_what_is_not_to_be_corrected_is_found() -> None:
    """Headers have types where a document with such headers is served as if it had none."""
    document = deepcopy(REFERRING)
    document["components"]["parameters"]["n"]["in"] = "header"  # type: ignore[index]
    typed = Api("typed", document)
    asked = Request("GET", "/a", headers=[(b"n", b"1")])
    case = Case(typed, 0, typed.operations[0], asked, {})
    assert asyncio.run(case.differs(UNCORRECTED)) is not None
    told = UNCORRECTED.told(typed)
    assert asyncio.run(Case(told, 0, told.operations[0], asked, {}).differs(UNCORRECTED)) is None
