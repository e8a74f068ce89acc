"""connexion's document and handlers with one import changed: PlannedApp."""

from __future__ import annotations

from funcatron.http import PlannedApp
from tests.benchmarks.http.contract import DOCUMENT


def checked() -> PlannedApp:
    return _app(validate_responses=True)


def unchecked() -> PlannedApp:
    return _app(validate_responses=False)


def _app(*, validate_responses: bool) -> PlannedApp:
    app = PlannedApp(__name__, specification_dir=DOCUMENT.parent)
    app.add_api(DOCUMENT.name, validate_responses=validate_responses)
    return app
