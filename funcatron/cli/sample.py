"""A value that fits a schema, for mocks: the schema's own example, default or constant first, else one made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from funcatron.spec.document import Document

__all__ = ["sample"]

DEEPEST = 8
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
    if kind == "object" or "properties" in schema:
        return {
            name: sample(document, part, depth + 1)
            for name, part in schema.get("properties", {}).items()
            if not part.get("writeOnly") and (depth < DEEPEST // 2 or name in schema.get("required", ()))
        }
    if kind == "array":
        return [sample(document, schema.get("items"), depth + 1)] * max(1, schema.get("minItems", 1))
    if kind in ("integer", "number"):
        return _number(schema, whole=kind == "integer")
    if kind == "string":
        text = STRINGS.get(schema.get("format", ""), "string")
        return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]
    return {"boolean": True}.get(str(kind))


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    step = schema.get("multipleOf", 1 if whole else 0.5)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None:
        return min(0, high // step * step) if high is not None else 0
    number: float = -(-low // step) * step
    exclusive = schema.get("exclusiveMinimum")
    return number + step if exclusive is True and number == low else number


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, dict) and isinstance(second, dict):
        return {**first, **second}
    return first if second is None else second
