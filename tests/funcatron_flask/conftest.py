"""How the tests of Flask applications run: those of one application share it, as clients of one server do."""

from __future__ import annotations

import pytest

import funcatron.http  # noqa: F401 - connexion is first imported there, without its warnings


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio."""
    return "asyncio"
