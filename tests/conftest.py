"""What every test may ask for: ports, services that CI must have, and the command line as a subprocess."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

import pytest

from tests.ports import free_ports


@pytest.fixture(scope="session")
def required_in_ci() -> Callable[[str], NoReturn]:
    """Return ``required_in_ci(reason)``: skips at a desk, fails in CI (where the variable CI is set)."""

    def missing(reason: str) -> NoReturn:
        if os.environ.get("CI"):
            pytest.fail(f"{reason} (required in CI)", pytrace=False)
        pytest.skip(reason)

    return missing


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return ``free_port()``: see ``free_ports``."""
    return free_ports()
