"""Random parameters: every location, style and ``explode``, arrays, objects, defaults, ``nullable``, ``content``."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.conformance.planned.schemas import parameter_schema

__all__ = ["parameter", "path_parameter"]

STYLES = {
    "query": ("form", "spaceDelimited", "pipeDelimited"),
    "path": ("simple", "label", "matrix"),
    "header": ("simple",),
    "cookie": ("form",),
}
OBJECT: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}
DEEP: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "b": {"type": "object", "properties": {"c": {"type": "string"}}}},
}


def path_parameter(random: Random, name: str) -> dict[str, Any]:
    """Return a parameter of the path."""
    schema = parameter_schema(random)
    schema.pop("default", None)
    if random.random() < 0.5:
        schema = {"type": schema["type"], **({"items": schema["items"]} if "items" in schema else {})}
    if name == "tail":
        schema = {"type": "string", "format": "path"}
    elif random.random() < 0.03:
        schema = dict(OBJECT)
    made = {"name": name, "in": "path", "required": True, "schema": schema}
    return made | _style(random, "path") if random.random() < 0.15 else made


def parameter(random: Random, name: str) -> dict[str, Any]:
    """Return a parameter of the query, of a header or of a cookie."""
    location = random.choice(["query"] * 6 + ["header", "header", "cookie"])
    schema = parameter_schema(random, ("string",) if location != "query" and random.random() < 0.9 else ())
    made: dict[str, Any] = {"name": name, "in": location}
    if random.random() < 0.02:
        return {**made, "content": {"application/json": {"schema": schema}}}
    made["schema"] = schema
    if "default" not in schema and random.random() < 0.3:
        made["required"] = True
    if schema["type"] == "array" and random.random() < 0.7:
        made |= _style(random, location)
    if location == "query" and random.random() < 0.12:
        made.pop("required", None)
        made |= _object(random)
    for flag in ("allowReserved", "allowEmptyValue", "deprecated"):
        if location == "query" and random.random() < 0.03:
            made[flag] = True
    return made


def _style(random: Random, location: str) -> dict[str, Any]:
    style = {"style": random.choice(STYLES[location])}
    return style | {"explode": random.random() < 0.5} if random.random() < 0.8 else style


def _object(random: Random) -> dict[str, Any]:
    schema = dict(random.choice([OBJECT, DEEP]))
    if random.random() < 0.3:
        schema["default"] = {"b": "x"} if schema["properties"] == OBJECT["properties"] else {"a": "x"}
    if random.random() < 0.3:
        schema["additionalProperties"] = random.choice([False, {"type": "string"}])
    if random.random() < 0.2:
        schema["nullable"] = True
    if random.random() < 0.85:
        return {"schema": schema, "style": "deepObject", "explode": True}
    return {"schema": schema, **_style(random, "query")}
