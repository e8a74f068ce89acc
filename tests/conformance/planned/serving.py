"""Applications of either kind for a document under test."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any
from zlib import crc32

from connexion import AsyncApp, ProblemException
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.operations import AbstractOperation
from connexion.options import SwaggerUIOptions
from connexion.resolver import Resolution, Resolver
from connexion.uri_parsing import AlwaysMultiURIParser, FirstValueURIParser, OpenAPIURIParser, Swagger2URIParser

from tests.conformance.planned.api import Api, Operation
from tests.conformance.planned.handlers import HANDLERS, SEEN, asking, blocking, every, streaming

__all__ = ["Handlers", "serving"]

TAKING_ALL = (asking, blocking, every, streaming)
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


class Handlers(Resolver):  # type: ignore[misc]
    """Gives operations different handlers, by their names and ``place``."""

    def __init__(self, api: Api, place: int) -> None:
        super().__init__()
        self._chosen = {one.name: _chosen(one, place + crc32(one.name.encode())) for one in api.operations}

    def resolve(self, operation: AbstractOperation) -> Resolution:
        """Return the operation's handler, and its name where it has none."""
        name = operation.operation_id or f"{operation.method} {operation.path}"
        return Resolution(self._chosen[name], name)


def _chosen(operation: Operation, place: int) -> Callable[..., Any]:
    """Path parameters are always handed over, so most handlers that cannot take them are passed over."""
    wanted = {parameter["name"].replace("-", "_") for parameter in operation.parameters if parameter["in"] == "path"}
    taking = [one for one in HANDLERS if wanted <= {*one.__code__.co_varnames} or one in TAKING_ALL]
    return (HANDLERS if place % 23 == 0 else taking)[place % len(taking)]


def serving(kind: Callable[..., AsyncApp], api: Api, place: int) -> AsyncApp:
    """Return an application for a document; ``place`` chooses which operation has which handler."""
    options = dict(api.options)
    fails = options.pop("error_handlers", False)
    if parser := options.pop("uri_parser", None):
        options["uri_parser_class"] = PARSERS[parser]
    if page := options.pop("swagger_ui", None):
        options["swagger_ui_options"] = PAGES[page]
    app = kind("fuzz", **options)
    app.add_api(deepcopy(api.document), resolver=Handlers(api, place))
    if fails:
        app.add_error_handler(404, _not_found)
        app.add_error_handler(ValueError, _wrong)
        app.add_error_handler(ProblemException, _problem)
    return app


def _not_found(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    return _told("missing", 404, request, error)


async def _wrong(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    return _told("wrong", 422, request, error)


def _problem(request: ConnexionRequest, error: Any) -> ConnexionResponse:
    return _told("problem", error.status, request, error)


def _told(name: str, status: int, request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    """What an error handler sees is compared as well."""
    SEEN.append((name, type(error).__name__, str(error), request.method, str(request.url)))
    return ConnexionResponse(status_code=status, content_type="text/plain", body=f"{name}: {error}")
