"""What is planned is answered as without plans: a seeded part of ``make fuzz``."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator
from itertools import islice
from random import Random

import pytest

from tests.conformance.planned.api import Api
from tests.conformance.planned.compare import Compared, Mismatch, compare
from tests.conformance.planned.corpus import cases, drawn_apis, random_apis
from tests.conformance.planned.documents import api
from tests.conformance.planned.pairs import CONNEXION
from tests.conformance.planned.replay import smaller, snippet

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
    compare_some(0, drawn_apis(0))


def compare_some(seed: int, apis: Iterator[Api]) -> None:
    into = Compared()

    async def several() -> None:
        for pair, made, number in islice(cases(seed, apis), DOCUMENTS):
            await compare(pair, made, number, REQUESTS, into)

    asyncio.run(several())
    assert into.requests == DOCUMENTS * REQUESTS
    assert into.planned > into.requests // 3
    assert into.accepted > into.requests // 5


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
