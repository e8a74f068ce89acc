"""funcatron: the contract, its handlers, and the settings as they come."""

from __future__ import annotations

from funcatron.app import Funcatron
from funcatron.settings import Settings
from tests.benchmarks.http.contract import DOCUMENT, big


def checked() -> Funcatron:
    """As it comes: responses are validated."""
    return Funcatron(DOCUMENT, settings=Settings())


def unchecked() -> Funcatron:
    return Funcatron(DOCUMENT, settings=Settings(validate_responses=False))


def many() -> Funcatron:
    """Five hundred operations."""
    return Funcatron(big.document(), handlers=big.handler, settings=Settings())
