"""Existing Flask programs run unchanged: their own tests pass through our door.

Flask's tutorial always, a part of two more with ``FLASK_PROGRAMS=all``; ``make flask-programs`` runs everything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

import pytest

from tests.integration.flask_programs import PROGRAMS
from tests.integration.npm import Unreachable

LEAST = {"flaskr": 24, "flask-smorest": 2, "APIFlask": 6}
ASKED = PROGRAMS if os.environ.get("FLASK_PROGRAMS") == "all" else ["flaskr"]


@pytest.mark.parametrize("name", ASKED)
def test_the_tests_of_a_program_pass_through_our_door(name: str, required_in_ci: Callable[[str], NoReturn]) -> None:
    try:
        ran = PROGRAMS[name].run(quick=True)
    except Unreachable as reason:
        required_in_ci(str(reason))
    assert ran.failed == 0, ran.said
    assert ran.passed >= LEAST[name], ran.said
    assert ran.calls >= LEAST[name], "its views were functions"
