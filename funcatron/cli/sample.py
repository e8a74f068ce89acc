"""A value that fits a schema, for mocks: the schema's own example, default or constant first, else one made up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from funcatron.spec.document import Document

__all__ = ["sample"]

DEEPEST = 8
KINDS = {
    **dict.fromkeys(("properties", "required", "additionalProperties", "minProperties", "maxProperties"), "object"),
    **dict.fromkeys(("items", "minItems", "maxItems", "uniqueItems"), "array"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"),
    **dict.fromkeys(("format", "minLength", "maxLength", "pattern"), "string"),
}
"""What a schema without ``type`` is about, by its keywords."""
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
STRINGS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "somebody@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "12:00:00Z",
    "uri": "https://example.com/",
    "uri-reference": "/",
    "uuid": "01890a5d-ac96-774b-bcce-b302099a8057",
    "byte": "ZXhhbXBsZQ==",
}


def sample(document: Document, schema: Any, depth: int = 0) -> Any:
    """Return a value for a response; patterns are not honoured, a schema that has one needs an example."""
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return None
    if "$ref" in schema:
        return sample(document, document.resolve(schema["$ref"]), depth + 1)
    for name in ("example", "const", "default"):
        if name in schema:
            return schema[name]
    for name in ("examples", "enum"):
        if isinstance(schema.get(name), list) and schema[name]:
            return schema[name][0]
    for name in ("oneOf", "anyOf"):
        if schema.get(name):
            return _joined(sample(document, schema[name][0], depth + 1), _of_type(document, schema, depth))
    value = _of_type(document, schema, depth)
    for part in schema.get("allOf", ()):
        value = _joined(value, sample(document, part, depth + 1))
    return value


def _of_type(document: Document, schema: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), None)
    kind = kind or next((KINDS[keyword] for keyword in schema if keyword in KINDS), None)
    if kind == "object":
        required = schema.get("required", ())
        named = {**{key: {"type": "string"} for key in required}, **schema.get("properties", {})}
        return {
            name: sample(document, part, depth + 1)
            for name, part in named.items()
            if not part.get("writeOnly") and (depth < DEEPEST // 2 or name in required)
        }
    if kind == "array":
        length = min(max(1, schema.get("minItems", 1)), schema.get("maxItems", math.inf))
        return [sample(document, schema.get("items"), depth + 1)] * length
    if kind in ("integer", "number"):
        return _number(schema, whole=kind == "integer")
    if kind == "string":
        text = STRINGS.get(schema.get("format", ""), "string")
        return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]
    return {"boolean": True}.get(str(kind))


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    """Return 0 if that fits, else a number at or near one of the bounds."""
    step = schema.get("multipleOf", 1 if whole else None)
    bounds = [schema[name] for name in BOUNDS if isinstance(schema.get(name), int | float) and schema[name] is not True]
    near: list[float] = [0]
    for bound in bounds:
        if step:
            floor = bound // step * step
            near += [floor, floor + step, floor - step]
        else:
            near += [bound, bound + 0.5, bound - 0.5, sum(bounds) / len(bounds)]
    return next((number for number in near if _fits(number, schema)), near[-1])


def _fits(number: float, schema: Mapping[str, Any]) -> bool:
    """Whether the number is within bounds, exclusive ones in the form of OpenAPI 3.0 (a flag) or 3.1 (a number)."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = _exclusive(schema.get("exclusiveMinimum"), low), _exclusive(schema.get("exclusiveMaximum"), high)
    return all(
        (
            low is None or number >= low,
            high is None or number <= high,
            above is None or number > above,
            below is None or number < below,
        )
    )


def _exclusive(given: Any, bound: Any) -> Any:
    return bound if given is True else None if given is False else given


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, dict) and isinstance(second, dict):
        return {**first, **second}
    return first if second is None else second
