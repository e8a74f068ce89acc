"""What stands where in a document: one table for each dialect, and the walk along it.

The walk knows a Schema Object from an example that looks like one, a reference from a property named ``$ref``, and a
response code from an extension. Everything that goes through a whole document uses it.

A row is a kind of object (the specification's name for it, in lower case) and its fields: field name to the kind of
its value; ``[kind]`` is a list, ``{kind}`` a map with free keys. The field ``*`` stands for every other field that is
no extension (``x-``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from funcatron.spec.pointer import Parts

__all__ = ["DIALECTS", "METHODS", "PATHS_HOME", "Dialect", "children", "walk"]

Table: TypeAlias = Mapping[str, Mapping[str, str]]

PATHS_HOME = "x-path-items"
"""Where Path Items of other files are kept: neither 2.0 nor 3.0 has a home for them, as 3.1 has."""

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class Dialect(msgspec.Struct, frozen=True):
    """A version of OpenAPI, as far as its objects' places go.

    ``homes`` says under which parts an object of a kind is kept to be referenced; a kind without a home may not be
    referenced. ``webhooks`` are the sections whose Path Items have no route; ``siblings`` the kinds in which members
    beside a ``$ref`` count; with ``json_schema`` Schema Objects are JSON Schema 2020-12, ``$id`` and all.
    """

    name: str
    table: Table
    homes: Mapping[str, Parts]
    methods: tuple[str, ...] = METHODS
    webhooks: tuple[str, ...] = ("x-webhooks",)
    siblings: frozenset[str] = frozenset({"path"})
    json_schema: bool = False


def _path(methods: tuple[str, ...]) -> Mapping[str, str]:
    return {"parameters": "[parameter]", **dict.fromkeys(methods, "operation")}


_ROOT = {"paths": "paths", "x-webhooks": "paths", PATHS_HOME: "{path}"}
_IN_PLACE = {"allOf": "[schema]", "additionalProperties": "schema", "properties": "{schema}", "items": "schema"}

_V3: Table = {
    "document": {**_ROOT, "components": "components"},
    "paths": {"*": "path"},
    "components": {
        "schemas": "{schema}",
        "responses": "{response}",
        "parameters": "{parameter}",
        "examples": "{example}",
        "requestBodies": "{requestBody}",
        "headers": "{header}",
        "securitySchemes": "{securityScheme}",
        "links": "{link}",
        "callbacks": "{callback}",
    },
    "path": _path(METHODS),
    "operation": {
        "parameters": "[parameter]",
        "requestBody": "requestBody",
        "responses": "responses",
        "callbacks": "{callback}",
    },
    "responses": {"*": "response"},
    "response": {"headers": "{header}", "content": "{media}", "links": "{link}"},
    "requestBody": {"content": "{media}"},
    "parameter": {"schema": "schema", "content": "{media}", "examples": "{example}"},
    "header": {"schema": "schema", "content": "{media}", "examples": "{example}"},
    "media": {"schema": "schema", "examples": "{example}", "encoding": "{encoding}"},
    "encoding": {"headers": "{header}"},
    "callback": {"*": "path"},
    "schema": {**_IN_PLACE, "oneOf": "[schema]", "anyOf": "[schema]", "not": "schema"},
}

_V3_HOMES = {rule.strip("{}"): ("components", home) for home, rule in _V3["components"].items()} | {
    "path": (PATHS_HOME,)
}

_V31: Table = {
    **_V3,
    "document": {**_V3["document"], "webhooks": "paths"},
    "components": {**_V3["components"], "pathItems": "{path}"},
    "schema": {
        **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), "[schema]"),
        **dict.fromkeys(("properties", "patternProperties", "dependentSchemas", "$defs", "definitions"), "{schema}"),
        **dict.fromkeys(("not", "if", "then", "else", "items", "contains", "contentSchema"), "schema"),
        **dict.fromkeys(("additionalProperties", "propertyNames"), "schema"),
        **dict.fromkeys(("unevaluatedItems", "unevaluatedProperties"), "schema"),
    },
}

_V31_HOMES = {**_V3_HOMES, "path": ("components", "pathItems")}

_V2: Table = {
    "document": {
        **_ROOT,
        "definitions": "{schema}",
        "parameters": "{parameter}",
        "responses": "{response}",
    },
    "paths": {"*": "path"},
    "path": _path(METHODS[:-1]),
    "operation": {"parameters": "[parameter]", "responses": "responses"},
    "responses": {"*": "response"},
    "response": {"schema": "schema", "headers": "{header}"},
    "parameter": {"schema": "schema", "items": "items"},
    "header": {"items": "items"},
    "items": {"items": "items"},
    "schema": _IN_PLACE,
}

_V2_HOMES: Mapping[str, Parts] = {
    "schema": ("definitions",),
    "parameter": ("parameters",),
    "response": ("responses",),
    "path": (PATHS_HOME,),
}

DIALECTS: Mapping[tuple[int, int], Dialect] = {
    (2, 0): Dialect("OpenAPI 2.0", _V2, _V2_HOMES, METHODS[:-1]),
    (3, 0): Dialect("OpenAPI 3.0", _V3, _V3_HOMES),
    (3, 1): Dialect(
        "OpenAPI 3.1",
        _V31,
        _V31_HOMES,
        webhooks=("webhooks", "x-webhooks"),
        siblings=frozenset({"path", "schema"}),
        json_schema=True,
    ),
}
"""The versions that can be read. To add one is to add its table here, its schema to ``metaschema`` and the reader of
its operations to ``operations``."""


def children(dialect: Dialect, kind: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Any, Parts]]:
    """Yield (kind, value, the parts that lead to it) for every object directly under this one."""
    fields = dialect.table.get(kind, {})
    wild = fields.get("*")
    for key, value in node.items():
        rule = fields.get(key) or (wild if wild is not None and not key.startswith("x-") else None)
        if rule is None:
            continue
        if rule[0] == "[":
            if isinstance(value, list):
                yield from ((rule[1:-1], item, (key, str(index))) for index, item in enumerate(value))
        elif rule[0] == "{":
            if isinstance(value, dict):
                yield from ((rule[1:-1], item, (key, name)) for name, item in value.items())
        elif kind == "schema" and isinstance(value, list):  # 2.0 lets "items" be a list
            yield from ((rule, item, (key, str(index))) for index, item in enumerate(value))
        else:
            yield rule, value, (key,)


def walk(dialect: Dialect, kind: str, node: Any, parts: Parts = ()) -> Iterator[tuple[str, dict[str, Any], Parts]]:
    """Yield (kind, object, parts) for this object and all under it; a reference is yielded, not followed."""
    stack = [(kind, node, parts)]
    while stack:
        kind, node, parts = stack.pop()
        if not isinstance(node, dict):
            continue
        yield kind, node, parts
        if "$ref" in node and kind not in dialect.siblings:
            continue
        stack.extend((kind, child, parts + way) for kind, child, way in children(dialect, kind, node))
