"""An OpenAPI 3.1 document with a parameter of every style that OpenAPI has, and the handler of its operations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

__all__ = ["STYLES", "write_styles"]

WORD: dict[str, Any] = {"type": "string", "pattern": "^[a-d]{1,8}$"}
NUMBER: dict[str, Any] = {"type": ["integer", "null"], "exclusiveMinimum": 0, "maximum": 999}
LIST: dict[str, Any] = {"type": "array", "items": WORD, "minItems": 1, "maxItems": 4}
KINDS = ("number", "list", "object")
STYLES: dict[str, list[tuple[str, int, str]]] = {
    "path": [(style, explode, kind) for style in ("simple", "label", "matrix") for explode in (0, 1) for kind in KINDS],
    "query": [
        *(("form", explode, kind) for explode in (0, 1) for kind in KINDS),
        *((style, 0, "list") for style in ("spaceDelimited", "pipeDelimited")),
        ("deepObject", 1, "object"),
    ],
    "header": [("simple", explode, kind) for explode in (0, 1) for kind in KINDS],
    "cookie": [("form", 0, kind) for kind in KINDS],
}
"""Location to style, explode and kind of value (OpenAPI 3.1.1, section 4.8.12.6).

Left out are objects with delimiters in the query, which schemathesis sends as lists of their names. A word can neither
have a delimiter of any style in it nor be ``null`` or ``true``: nobody could tell what was meant.
"""


def write_styles(folder: Path) -> Path:
    """Write the document and its handlers, which return what they are given, into a folder; returns the document."""
    operations: dict[tuple[str, str], list[dict[str, Any]]] = {
        (location, style): [] for location, styles in STYLES.items() for style, *_ in styles
    }
    for location, styles in STYLES.items():
        for style, explode, kind in styles:
            operations[location, style].append(_parameter(location, style, bool(explode), kind))
    paths = {}
    for (location, style), parameters in operations.items():
        names = [f"{{{parameter['name']}}}" for parameter in parameters] if location == "path" else []
        paths["/".join([f"/{location}/{style}", *names])] = {"get": _operation(f"{location}_{style}", parameters)}
    info = {"title": "Every style", "version": "1"}
    document = folder / "styles.yaml"
    content = {"openapi": "3.1.0", "info": info, "servers": [{"url": "/styles"}], "paths": paths}
    document.write_text(yaml.safe_dump(content))
    echoes = (f"def {location}_{style}(**given):\n    return given\n" for location, style in operations)
    (folder / "styles.py").write_text("\n\n".join(echoes))
    return document


def _parameter(location: str, style: str, explode: bool, kind: str) -> dict[str, Any]:
    name = f"{kind}{'s' if explode else ''}"
    schema = {"number": NUMBER, "list": LIST, "object": _object(name)}[kind]
    return {"name": name, "in": location, "required": True, "style": style, "explode": explode, "schema": schema}


def _object(name: str) -> dict[str, Any]:
    """Return the schema of a closed object whose members have names of their own: exploded ones share a query."""
    properties = {f"{name}R": NUMBER, f"{name}G": WORD}
    return {"type": "object", "required": [f"{name}R"], "properties": properties, "additionalProperties": False}


def _operation(name: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an operation that answers each argument as its own schema has it; an empty segment has no route."""
    understood = {
        "type": "object",
        "required": [parameter["name"] for parameter in parameters],
        "properties": {parameter["name"]: parameter["schema"] for parameter in parameters},
        "additionalProperties": False,
    }
    problem = {"application/problem+json": {"schema": {"type": "object", "required": ["title", "status"]}}}
    return {
        "operationId": f"styles.{name}",
        "parameters": parameters,
        "responses": {
            "200": {"description": "what was understood", "content": {"application/json": {"schema": understood}}},
            "400": {"description": "what is wrong", "content": problem},
            "404": {"description": "an empty segment", "content": problem},
        },
    }
