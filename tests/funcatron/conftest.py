"""How the tests of the core run. Property tests count examples, not seconds: a busy machine is no failure."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

import funcatron.http  # noqa: F401 - connexion is first imported there, without its warnings
from tests.services import database, postgresql

__all__ = ["database", "postgresql"]

settings.register_profile("busy", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio."""
    return "asyncio"
