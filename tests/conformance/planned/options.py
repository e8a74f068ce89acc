"""What an application under test is made with: random options, named so that they can be printed; what they mean."""

from __future__ import annotations

from random import Random
from typing import Any

from connexion.jsonifier import Jsonifier
from connexion.middleware import MiddlewarePosition
from connexion.options import SwaggerUIOptions
from connexion.uri_parsing import AlwaysMultiURIParser, FirstValueURIParser, OpenAPIURIParser, Swagger2URIParser
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.conformance.planned.handlers import SEEN

__all__ = ["JSONIFIERS", "PAGES", "PARSERS", "POSITIONS", "Noting", "serving_options"]

PARSERS = {
    "AlwaysMulti": AlwaysMultiURIParser,
    "FirstValue": FirstValueURIParser,
    "OpenAPI": OpenAPIURIParser,
    "Swagger2": Swagger2URIParser,
}
PAGES = {
    "none": SwaggerUIOptions(swagger_ui=False, serve_spec=False),
    "elsewhere": SwaggerUIOptions(swagger_ui_path="/a", spec_path="/e/openapi.json"),
}
JSONIFIERS = {"sorted": Jsonifier(sort_keys=True), "indented": Jsonifier(indent=2, ensure_ascii=False)}
POSITIONS = {
    "outermost": MiddlewarePosition.BEFORE_EXCEPTION,
    "before the pages": MiddlewarePosition.BEFORE_SWAGGER,
    "before the routing": MiddlewarePosition.BEFORE_ROUTING,
    "behind the routing": MiddlewarePosition.BEFORE_SECURITY,
}
BESIDE = ("/v1", "/v1/deep", "/other", "/a", "/a/b", "/v")
"""Base paths of the same document, served once more: one may begin with the other, or be the same."""


class Noting:
    """A middleware of the application's own, which sees requests and the statuses of their answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""

        async def noting(message: Any) -> None:
            SEEN.append(("middleware", message["type"], message.get("status")))
            await send(message)

        SEEN.append(("middleware", scope["type"], scope.get("path")))
        await self._app(scope, receive, noting)


def serving_options(random: Random) -> dict[str, Any]:
    """Return what an application is made with: connexion's options, and names for ``serving``."""
    options: dict[str, Any] = {
        "validate_responses": random.random() < 0.5,
        "strict_validation": random.random() < 0.2,
        "pythonic_params": random.random() < 0.3,
        "error_handlers": random.random() < 0.2,
        "auth_all_paths": random.random() < 0.05,
    }
    chances: tuple[tuple[str, float, tuple[str, ...]], ...] = (
        ("uri_parser", 0.1, (*PARSERS,)),
        ("swagger_ui", 0.1, (*PAGES,)),
        ("jsonifier", 0.1, (*JSONIFIERS,)),
        ("middleware", 0.1, (*POSITIONS,)),
        ("beside", 0.15, BESIDE),
    )
    return options | {name: random.choice(some) for name, chance, some in chances if random.random() < chance}
