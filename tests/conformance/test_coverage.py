"""Nearly all operations of real documents are planned, and the page that lists the others is true."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.planned.coverage import PAGE, Coverage, covered, of_planned_app, of_the_door, page

pytestmark = pytest.mark.no_cover  # much work, the same code again and again


@pytest.fixture(scope="module", autouse=True)
def silence() -> Iterator[None]:
    """connexion says which security schemes it does not know."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def app(package: Path) -> Coverage:
    return covered(package, of_planned_app)


@pytest.fixture(scope="module")
def door(package: Path) -> Coverage:
    return covered(package, of_the_door)


def test_nearly_all_operations_are_planned(app: Coverage, door: Coverage) -> None:
    assert app.operations == door.operations > 450
    assert app.share >= 0.96
    assert door.share == 1


def test_the_page_is_true(app: Coverage, door: Coverage) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(app, door)
