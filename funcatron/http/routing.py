"""How connexion reaches our functions: one Resolver, one RoutedMiddleware, and documents that it can route.

connexion routes, authenticates and keeps the request's context. Its own handling of operations (arguments, validation,
answers) is what ``FunctionMiddleware`` takes the place of, at the end of its stack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any

from connexion.middleware.abstract import ROUTING_CONTEXT, RoutedAPI, RoutedMiddleware
from connexion.middleware.routing import RoutingMiddleware
from connexion.operations import AbstractOperation
from connexion.resolver import Resolution, Resolver
from connexion.spec import Specification
from starlette._utils import get_route_path
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.http.trie import Trie
from funcatron.registry import Function

__all__ = ["ChainedRouting", "FunctionMiddleware", "FunctionResolver", "allowed_methods", "routable"]

_PARAMETER = re.compile(r"\{([^{}]+)\}")


class FunctionResolver(Resolver):  # type: ignore[misc]
    """Resolves an operation to its function, by name."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        super().__init__()
        self._functions = functions

    def resolve(self, operation: AbstractOperation) -> Resolution:
        """Return the handler, under the function's name."""
        function = self._functions[operation.operation_id]
        return Resolution(function.handler, function.name)


class FunctionAPI(RoutedAPI):  # type: ignore[misc]
    """The functions of one document."""

    def __init__(self, *args: Any, endpoints: Mapping[str, ASGIApp], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._endpoints = endpoints
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> ASGIApp:
        """Return the endpoint of an operation's function."""
        return self._endpoints[operation.operation_id]


class FunctionMiddleware(RoutedMiddleware):  # type: ignore[misc]
    """The end of the line for every operation; what is no operation goes on."""

    api_cls = FunctionAPI

    def __init__(self, app: ASGIApp, *, endpoints: Mapping[str, ASGIApp]) -> None:
        super().__init__(app)
        self._endpoints = endpoints

    def add_api(self, specification: Specification, **kwargs: Any) -> FunctionAPI:
        """Register a document."""
        api: FunctionAPI = super().add_api(specification, endpoints=self._endpoints, **kwargs)
        return api


class ChainedRouting(RoutingMiddleware):  # type: ignore[misc]
    """connexion's routing, as quick for the last of many operations as for the first.

    Any number of documents may share a base path (connexion loses all but two). What no Trie finds is connexion's own
    router's to answer: refusals, and redirects to the path with another slash.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)
        self._tables: dict[str, list[Trie[str]]] = {}

    def add_api(self, specification: Specification, base_path: str | None = None, **kwargs: Any) -> None:
        """Register a document behind those that have its base path already."""
        mounts: list[Any] = list(self.router.routes)
        defaults = [mount.app.default for mount in mounts]
        super().add_api(specification, base_path=base_path, **kwargs)
        same = [index for index, mount in enumerate(mounts) if mount.path == self.router.routes[-1].path]
        for index in same[:-1]:
            mounts[index].app.default = defaults[index]
        added: Any = self.router.routes[-1]
        self._tables.setdefault(added.path, []).append(_table(added.routes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with the operation that it is for (ASGI)."""
        found = None if scope["type"] != "http" else self._find(scope["method"], get_route_path(scope))
        if found is None:
            await super().__call__(scope, receive, send)
            return
        base_path, name, values = found
        scope = {**scope, "path_params": {**scope.get("path_params", {}), **values}}
        extensions = scope.setdefault("extensions", {})
        extensions.setdefault(ROUTING_CONTEXT, {}).update(api_base_path=base_path, operation_id=name)
        await self.app(scope, receive, send)

    def _find(self, method: str, path: str) -> tuple[str, str, dict[str, str]] | None:
        """Return base path, name and path parameters of an operation; the first base path that fits is the only one.

        Documents there are asked in turn: one that has the path, but not for this method, is passed over.
        """
        for base_path, tables in self._tables.items():
            if path.startswith(base_path) and path.startswith("/", len(base_path)):
                below = path[len(base_path) :]
                found = next(filter(None, (table.find(method, below) for table in tables)), None)
                return None if found is None else (base_path, *found)
        return None


def _table(routes: list[Any]) -> Trie[str]:
    """Return the routes of one of connexion's routers as a Trie of operations' names."""
    table = Trie[str]()
    for route in routes:
        for method in route.methods:
            table.add(method, route.path, route.endpoint.operation_id)
    return table


def routable(lowered: Mapping[str, Any]) -> dict[str, Any]:
    """Return a lowered document (``spec.lowering``) whose routes answer as every door does.

    HEAD comes before GET, since a route for GET answers both. Path parameters lose their numeric types: what is no
    number is invalid input (400), and connexion's own converters fail on ``.`` and on very long numbers.
    """
    return {**lowered, "paths": {path: _item(item) for path, item in lowered["paths"].items()}}


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {method: _operation(item[method]) for method in sorted(item, key=lambda method: method != "head")}


def _operation(operation: Mapping[str, Any]) -> dict[str, Any]:
    return {**operation, "parameters": [_untyped(parameter) for parameter in operation["parameters"]]}


def _untyped(parameter: Mapping[str, Any]) -> dict[str, Any]:
    return {**parameter, "schema": {**parameter["schema"], "type": "string"}}


def allowed_methods(functions: Mapping[str, Function]) -> Callable[[str], Collection[str]]:
    """Return what tells the methods that a path has: what the Allow header of a 405 is made of."""

    @cache
    def table() -> Trie[str]:
        made = Trie[str]()
        for function in functions.values():
            if function.operation.route is not None:
                made.add(function.operation.method, _template(function), function.name)
        return made

    return lambda path: table().methods(path)


def _template(function: Function) -> str:
    """Return a function's route with names that a Trie takes, each once."""
    spanning = {
        p.name for p in function.operation.parameters if p.location == "path" and p.schema.get("format") == "path"
    }
    parts = _PARAMETER.split(function.operation.route or "")
    named = (f"{{p{index}:{'path' if part in spanning else 'str'}}}" for index, part in enumerate(parts))
    return "".join(name if index % 2 else part for index, (part, name) in enumerate(zip(parts, named, strict=True)))
