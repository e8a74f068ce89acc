"""The official test suite of JSON Schema 2020-12: what fails is what docs/json-schema.md names, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from tests.integration.json_schema_suite import EXPECTED, PAGE, outcomes, page
from tests.integration.json_schema_suite import fetch as fetch_suite
from tests.integration.npm import Unreachable


def test_the_suite_passes_but_for_what_is_named(required_in_ci: Callable[[str], NoReturn]) -> None:
    try:
        suite = fetch_suite()
    except Unreachable as reason:
        required_in_ci(str(reason))
    found = list(outcomes(suite))
    assert len(found) > 1200
    assert {outcome.file for outcome in found if not outcome.right} == set(EXPECTED)
    assert PAGE.read_text(encoding="utf-8") == page(found)
