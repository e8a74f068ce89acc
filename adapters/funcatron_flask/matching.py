"""Documents and routes: which view an operation means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from flask import Flask

from funcatron.spec.document import Document
from funcatron_flask.names import names_of
from funcatron_flask.routes import Route, routes_of, shape

__all__ = ["own_document", "views_of"]

_ITEM = ("get", "put", "post", "delete", "patch", "trace")


def views_of(app: Flask, documents: Iterable[Document]) -> dict[str, Route]:
    """Return the route of each operation that a view answers, by the operation's name."""
    routes = _by_shape(app)
    found = {}
    for document in documents:
        for operation in document.operations:
            route = routes.get((operation.method.upper(), shape(operation.route or "")))
            if route is not None and operation.route is not None:
                found[operation.name] = route
    return found


def own_document(app: Flask, document: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """Return a document that the application made of itself as one of functions, and the operations that ask for
    credentials.

    Each operation has a name of its own. Who may call is the application's to say, so security requirements are left
    out; paths are where the application has them, whatever servers are said.
    """
    routes = _by_shape(app)
    names = names_of(routes.values())
    required: set[str] = set()
    used: set[str] = set()
    base = _base_path(document)
    prefix = base if any(shape(base + path) in {place for _, place in routes} for path in document["paths"]) else ""
    for path, method, operation in _operations(document):
        route = routes.get((method.upper(), shape(prefix + path)))
        wanted = operation.get("operationId")
        if wanted in used or wanted is None:
            wanted = names[route] if route is not None else f"{method}_{path}"
        used.add(wanted)
        operation["operationId"] = wanted
        if operation.pop("security", document.get("security")):
            required.add(wanted)
    document.pop("security", None)
    if not prefix and base:
        document.pop("basePath", None)
        document.pop("servers", None)
    return document, frozenset(required)


def _by_shape(app: Flask) -> dict[tuple[str, str], Route]:
    found: dict[tuple[str, str], Route] = {}
    for route in routes_of(app):
        found.setdefault((route.method, shape(route.template)), route)
    return found


def _operations(document: Mapping[str, Any]) -> Sequence[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, item[method]) for path, item in document["paths"].items() for method in _ITEM if method in item
    ]


def _base_path(document: Mapping[str, Any]) -> str:
    servers = document.get("servers") or [{}]
    return (document.get("basePath") or urlsplit(str(servers[0].get("url", ""))).path).rstrip("/")
