"""Applications of either kind for a document under test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any
from zlib import crc32

from connexion import AsyncApp, ProblemException
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.operations import AbstractOperation
from connexion.resolver import Resolution, Resolver

from tests.conformance.planned.api import Api, Operation
from tests.conformance.planned.handlers import HANDLERS, SEEN, asking, blocking, every, generating, streaming
from tests.conformance.planned.options import JSONIFIERS, PAGES, PARSERS, POSITIONS, Noting

__all__ = ["Handlers", "serving"]

TAKING_ALL = (asking, blocking, every, generating, streaming)
NAMED: dict[str, tuple[str, Mapping[str, Any]]] = {
    "jsonifier": ("jsonifier", JSONIFIERS),
    "swagger_ui": ("swagger_ui_options", PAGES),
    "uri_parser": ("uri_parser_class", PARSERS),
}
"""Options whose values have names, connexion's words for them, and what the names mean."""


class Handlers(Resolver):  # type: ignore[misc]
    """Gives operations different handlers, by their names and ``place``."""

    def __init__(self, api: Api, place: int, *, generators: bool = True) -> None:
        super().__init__()
        kinds = (*HANDLERS, generating) if generators else HANDLERS
        self._chosen = {one.name: _chosen(kinds, one, place + crc32(one.name.encode())) for one in api.operations}

    def resolve(self, operation: AbstractOperation) -> Resolution:
        """Return the operation's handler, and its name where it has none."""
        name = operation.operation_id or f"{operation.method} {operation.path}"
        return Resolution(self._chosen[name], name)


def _chosen(kinds: Sequence[Callable[..., Any]], operation: Operation, place: int) -> Callable[..., Any]:
    """Path parameters are always handed over, so most handlers that cannot take them are passed over."""
    wanted = {parameter["name"].replace("-", "_") for parameter in operation.parameters if parameter["in"] == "path"}
    taking = [one for one in kinds if wanted <= {*one.__code__.co_varnames} or one in TAKING_ALL]
    return (kinds if place % 23 == 0 else taking)[place % len(taking)]


def serving(kind: Callable[..., AsyncApp], api: Api, place: int) -> AsyncApp:
    """Return an application for a document; ``place`` chooses which operation has which handler."""
    options = dict(api.options)
    fails, generators = options.pop("error_handlers", False), options.pop("generators", True)
    beside, middleware = options.pop("beside", None), options.pop("middleware", None)
    for name, (option, meant) in NAMED.items():
        if name in options:
            options[option] = meant[options.pop(name)]
    app = kind("fuzz", **options)
    if middleware is not None:
        app.add_middleware(Noting, POSITIONS[middleware])
    app.add_api(deepcopy(api.document), resolver=Handlers(api, place, generators=generators))
    if beside is not None:
        app.add_api(deepcopy(api.document), base_path=beside, resolver=Handlers(api, place + 1, generators=generators))
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
