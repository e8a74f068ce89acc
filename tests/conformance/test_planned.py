"""PlannedApp and connexion's AsyncApp answer alike (the large run: ``python -m tests.conformance.planned``)."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator

import pytest

from tests.conformance.planned.compare import Compared, Mismatch, compare

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{what}")
    for what in ("ResourceWarning", "RuntimeWarning", "pytest.PytestUnraisableExceptionWarning")
]
"""connexion leaves files open that nobody took, and coroutines that nobody awaited."""


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """connexion logs every refusal, with its traceback."""
    logging.disable()
    yield
    gc.collect()
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seed", range(0, 1000, 100))
def test_what_is_planned_is_answered_as_connexion_answers(seed: int) -> None:
    into = Compared()

    async def some() -> None:
        for one in range(seed, seed + 3):
            await compare(one, 100, into)

    asyncio.run(some())
    assert into.requests == 300
    assert into.planned > 0


def test_a_plan_that_accepts_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("funcatron.http.plan.query.Query.read", lambda query, scope, texts, arguments: True)
    with pytest.raises(Mismatch):
        asyncio.run(_several(Compared()))


async def _several(into: Compared) -> None:
    for seed in range(10):
        await compare(seed, 100, into)
