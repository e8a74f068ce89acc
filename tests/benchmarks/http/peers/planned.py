"""connexion's AsyncApp with planned operations: the same document, the same handlers, one import changed."""

from __future__ import annotations

from connexion.resolver import Resolver

from funcatron.http import PlannedApp
from tests.benchmarks.http.contract import DOCUMENT, big


def checked() -> PlannedApp:
    return _app(validate_responses=True)


def unchecked() -> PlannedApp:
    return _app(validate_responses=False)


def many() -> PlannedApp:
    """Five hundred operations."""
    app = PlannedApp(__name__)
    app.add_api(big.document(), resolver=Resolver(big.handler))
    return app


def _app(*, validate_responses: bool) -> PlannedApp:
    app = PlannedApp(__name__, specification_dir=DOCUMENT.parent)
    app.add_api(DOCUMENT.name, validate_responses=validate_responses)
    return app
