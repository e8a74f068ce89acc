"""connexion's FlaskApp: the same document, and handlers that are not async, as Flask's are."""

from __future__ import annotations

from connexion import FlaskApp
from connexion.resolver import Resolver

from tests.benchmarks.http import handlers
from tests.benchmarks.http.contract import DOCUMENT


def checked() -> FlaskApp:
    return _app(validate_responses=True)


def unchecked() -> FlaskApp:
    return _app(validate_responses=False)


def _app(*, validate_responses: bool) -> FlaskApp:
    app = FlaskApp(__name__, specification_dir=DOCUMENT.parent)
    app.add_api(DOCUMENT.name, validate_responses=validate_responses, resolver=Resolver(handlers.blocking))
    return app
