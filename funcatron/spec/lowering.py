"""A document as connexion 3.3 accepts it: routes, the types of path parameters, security. Nothing else.

connexion routes, authenticates and guards; bodies, schemas and everything that it would refuse or misread is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from funcatron.spec.document import Document
from funcatron.spec.names import free_name
from funcatron.spec.operation import Operation, Parameter

__all__ = ["lower_for_connexion", "route_names"]

_TEMPLATE = re.compile(r"\{([^{}]*)\}")
_SCHEME_KEYS = frozenset({"type", "name", "in", "scheme", "openIdConnectUrl"})


def lower_for_connexion(document: Document) -> dict[str, Any]:
    """Return a small OpenAPI 3.0 document; each operation's operationId is its ``Operation.name``.

    Path parameters are renamed to what the router can deliver (see ``route_names``); fixed paths stand before
    templates, so that they match first (OpenAPI 3.0.3 section 4.7.8.1).
    """
    paths: dict[str, dict[str, Any]] = {}
    routed = [operation for operation in document.operations if operation.route is not None]
    for operation in sorted(routed, key=_precedence):
        item = paths.setdefault(_template(operation.path), {})
        item[operation.method] = _operation(document, operation)
    return {
        "openapi": "3.0.3",
        "info": {"title": document.title, "version": str(document.content["info"]["version"])},
        "servers": [{"url": document.base_path or "/"}],
        "paths": paths,
        "components": {"securitySchemes": _schemes(document)},
    }


def route_names(path: str) -> dict[str, str]:
    """Return how the router calls what it takes from a path: its name to the parameter's name in the document.

    Routers want identifiers, each once: ``{item-id}`` becomes ``item_id``, as in connexion, ``{user.id}`` ``user_id``.
    Where a parameter stands twice in the path (3.0 allows it) there are two names for it; their values must agree.
    """
    names: dict[str, str] = {}
    for name in _TEMPLATE.findall(path):
        wish = re.sub(r"\W", "_", name, flags=re.ASCII)
        names[free_name(wish if re.match(r"[A-Za-z_]", wish) else "_" + wish, names)] = name
    return names


def _template(path: str) -> str:
    """Return the path as the router compares it: literal parts percent-decoded, as servers hand over what they got."""
    names = iter(route_names(path))
    parts = _TEMPLATE.split(path)
    return "".join("{" + next(names) + "}" if index % 2 else _decoded(part) for index, part in enumerate(parts))


def _decoded(text: str) -> str:
    decoded = unquote(text)
    return text if re.search(r"[{}]", decoded) else decoded


def _precedence(operation: Operation) -> list[tuple[int, str]]:
    free = {p.name for p in operation.parameters if p.location == "path" and p.schema.get("format") == "path"}
    return [_specificity(segment, free) for segment in operation.path.split("/")]


def _specificity(segment: str, free: Iterable[str]) -> tuple[int, str]:
    names = _TEMPLATE.findall(segment)
    if not names:
        return 0, segment
    if any(name in free for name in names):
        return 3, ""
    return (2, "") if _TEMPLATE.fullmatch(segment) else (1, _TEMPLATE.sub("{}", segment))


def _operation(document: Document, operation: Operation) -> dict[str, Any]:
    by_name = {p.name: p for p in operation.parameters if p.location == "path"}
    return {
        "operationId": operation.name,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": _path_type(document, by_name[original])}
            for name, original in route_names(operation.path).items()
        ],
        "security": [{name: list(scopes) for name, scopes in either.items()} for either in operation.security],
        "responses": {"default": {"description": ""}},
    }


def _path_type(document: Document, parameter: Parameter) -> dict[str, str]:
    """Return what chooses the router's converter: an int, a float, a rest of the path, or one segment as it is."""
    schema: Any = parameter.schema
    if "$ref" in schema:
        schema = document.resolve(schema["$ref"])
    if parameter.media_type is None and parameter.style == "simple":
        if schema.get("type") in ("integer", "number"):
            return {"type": schema["type"]}
        if schema.get("type") == "string" and schema.get("format") == "path":
            return {"type": "string", "format": "path"}
    return {"type": "string"}


def _schemes(document: Document) -> dict[str, Any]:
    if document.version < (3, 0):
        schemes = document.content.get("securityDefinitions", {})
    else:
        schemes = document.content.get("components", {}).get("securitySchemes", {})
    return {name: _scheme(_resolved(document, scheme)) for name, scheme in schemes.items()}


def _resolved(document: Document, node: Mapping[str, Any]) -> Mapping[str, Any]:
    return document.resolve(node["$ref"]) if "$ref" in node else node


def _scheme(scheme: Mapping[str, Any]) -> dict[str, Any]:
    """Return a security scheme with what connexion looks at, the ``x-...Func`` keys above all."""
    lowered = {key: value for key, value in scheme.items() if key in _SCHEME_KEYS or key.startswith("x-")}
    if scheme["type"] == "basic":
        lowered |= {"type": "http", "scheme": "basic"}
    elif scheme["type"] == "oauth2":
        lowered["flows"] = {}
    elif scheme["type"] == "mutualTLS":  # who ends TLS knows of certificates; nobody here can accept one
        lowered |= {"type": "http", "scheme": "mutual"}
    return lowered
