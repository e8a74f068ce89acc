"""Plain connexion: the same document, the same handlers, no option but ``validate_responses``."""

from __future__ import annotations

from connexion import AsyncApp
from connexion.resolver import Resolver

from tests.benchmarks.http.contract import DOCUMENT, big


def checked() -> AsyncApp:
    return _app(validate_responses=True)


def unchecked() -> AsyncApp:
    """As it comes: connexion does not validate responses unless told to."""
    return _app(validate_responses=False)


def _app(*, validate_responses: bool) -> AsyncApp:
    app = AsyncApp(__name__, specification_dir=DOCUMENT.parent)
    app.add_api(DOCUMENT.name, validate_responses=validate_responses)
    return app


def many() -> AsyncApp:
    """Five hundred operations."""
    app = AsyncApp(__name__)
    app.add_api(big.document(), resolver=Resolver(big.handler))
    return app
