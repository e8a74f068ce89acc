"""A document for an application that has none: what its routes say, and nothing that they do not.

A view's query is its parameter ``args``, of whatever members; its body may be anything. So a call that is kept for
later holds the whole request.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Flask

from funcatron_flask.names import names_of
from funcatron_flask.routes import Route, routes_of, shape

__all__ = ["derive"]

logger = logging.getLogger("funcatron.flask")

RESERVED = frozenset({"context", "event"})
"""Names that a handler's arguments have already (funcatron's handler contract)."""
ARGS = "args"
_BODIES = ("POST", "PUT", "PATCH", "DELETE")
_TEXT = {"type": "string"}
_FIELDS = {"type": "object", "additionalProperties": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}}
_CONTENT = {
    "application/json": {},
    "application/x-www-form-urlencoded": {"schema": {"type": "object"}},
    "multipart/form-data": {"schema": {"type": "object"}},
    "*/*": {},
}


def derive(app: Flask) -> dict[str, Any]:
    """Return an OpenAPI document of an application's routes; what OpenAPI cannot say is left out, and logged."""
    routes = tuple(_describable(routes_of(app)))
    names = names_of(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(app, route, names[route])
    return {"openapi": "3.0.3", "info": {"title": app.name, "version": "1"}, "paths": paths}


def _describable(routes: Iterable[Route]) -> Iterator[Route]:
    """Yield the routes that can be told apart by method and path. The others are served, as a part of the application,
    but are no functions.
    """
    seen: dict[tuple[str, str], Route] = {}
    templates: dict[str, str] = {}
    for route in routes:
        if (why := _reserved(route)) is None:
            first = seen.setdefault((route.method, shape(route.template)), route)
            if first is not route:
                why = f"{first} ({first.endpoint}) is the same to OpenAPI"
            elif templates.setdefault(shape(route.template), route.template) != route.template:
                why = f"{templates[shape(route.template)]} is the same path to OpenAPI, with other names"
        if why is None:
            yield route
        else:
            logger.warning("%s (%s) is served, but is no function: %s", route, route.endpoint, why)


def _reserved(route: Route) -> str | None:
    taken = {ARGS, "body"} | RESERVED
    name = next((name for name in route.converters if name.lower() in taken), None)
    return None if name is None else f"its part {name!r} has a name that a function has for something else"


def _operation(app: Flask, route: Route, name: str) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": name, **_told(app, route)}
    if "." in route.endpoint:
        operation["tags"] = [route.endpoint.rpartition(".")[0]]
    operation["parameters"] = [
        {"name": part, "in": "path", "required": True, "schema": route.schema(part)} for part in route.converters
    ]
    operation["parameters"].append({"name": ARGS, "in": "query", "style": "form", "explode": True, "schema": _FIELDS})
    if route.method in _BODIES:
        operation["requestBody"] = {"content": _CONTENT}
    operation["responses"] = {"default": {"description": "What the view answers"}}
    return operation


def _told(app: Flask, route: Route) -> dict[str, str]:
    """Return summary and description: the first line of the view's docstring, and the rest."""
    view: Any = app.view_functions.get(route.endpoint)
    view_class = getattr(view, "view_class", None)
    view = getattr(view_class, route.method.lower(), view_class) if view_class is not None else view
    text = inspect.getdoc(view) if view is not None and (view_class is None or view.__doc__) else None
    if not text:
        return {}
    summary, _, description = text.partition("\n")
    return {"summary": summary.strip(), **({"description": description.strip()} if description.strip() else {})}
