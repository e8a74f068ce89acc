"""Values that often fit a schema."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.conformance.planned.api import Api

__all__ = ["TEXTS", "junk", "value"]

TEXTS = ("", "a", "abc", "bc", "12", "123\n", "x@y", "ä", "null", "None", "1.5", "true", "CH-12", "127.0.0.1", "😀")
OF_FORMATS = {
    "date": ("2024-02-29", "2024-02-30"),
    "date-time": ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00+01:00", "2024-02-29"),
    "email": ("a@example.org", "@"),
    "uuid": ("0b9e2a4c-55f9-4c3c-8a53-1c5a6f6a3f10", "0b9e2a4c"),
    "ipv4": ("127.0.0.1", "127.0.0.256"),
    "ipv6": ("::1", "::g"),
    "uri": ("https://example.org/a", "x"),
    "byte": ("YQ==", "YQ"),
    "regex": ("^a+$", "("),
}
JUNK: tuple[Any, ...] = (None, True, 0, 1, 1.0, "a", [], [1, 1.0], {}, {"a": 1}, {"": None}, [[]], 2**64, "null")
NUMBERS = (0, 1, -1, 2, 7, 10, 100, 2**31, 2**63, 2**70, -(2**63) - 1, 0.5, 1.0, -0.0, 0.1, 0.3, 1e20, 1e300)


def value(random: Random, api: Api, schema: Any, depth: int = 0) -> Any:
    """Return a value that tries to fit a schema, but now and then."""
    if not isinstance(schema, dict) or random.random() < 0.01 or depth > 12:
        return junk(random)
    if "$ref" in schema:
        return value(random, api, api.resolved(schema), depth + 1)
    if schema.get("nullable") and random.random() < 0.2:
        return None
    if isinstance(schema.get("allOf"), list):
        return _joined(random, api, schema, depth)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return value(random, api, random.choice(schema[key]), depth + 1)
    for key, chance in (("enum", 0.95), ("default", 0.3), ("example", 0.3)):
        if key in schema and random.random() < chance:
            return random.choice(schema["enum"]) if key == "enum" else schema[key]
    kind = schema.get("type") or ("object" if "properties" in schema else None)
    if kind == "object":
        return _object(random, api, schema, depth)
    if kind == "array":
        return _array(random, api, schema, depth)
    return random.choice(_scalars(random, kind, schema))


def junk(random: Random) -> Any:
    """Return any small JSON value."""
    return random.choice(JUNK)


def _joined(random: Random, api: Api, schema: dict[str, Any], depth: int) -> Any:
    found = [value(random, api, one, depth + 1) for one in schema["allOf"]]
    if "properties" in schema:
        found.append(_object(random, api, schema, depth))
    if found and all(isinstance(one, dict) for one in found):
        return {name: below for one in found for name, below in one.items()}
    return found[0] if found else {}


def _object(random: Random, api: Api, schema: dict[str, Any], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    required = schema.get("required")
    for name, below in schema.get("properties", {}).items():
        needed = isinstance(required, list) and name in required
        if random.random() < (0.99 if needed else 0.5 if depth < 5 else 0.1):
            found[name] = value(random, api, below, depth + 1)
    more = schema.get("additionalProperties", True)
    if random.random() < (0.1 if more else 0.02):
        found["other"] = value(random, api, more, depth + 1)
    return found


def _array(random: Random, api: Api, schema: dict[str, Any], depth: int) -> list[Any]:
    least = schema.get("minItems", 0)
    count = random.randint(least, max(least, min(schema.get("maxItems", 3), 3 if depth < 5 else least)))
    found = [value(random, api, schema.get("items", {}), depth + 1) for _ in range(count)]
    if schema.get("uniqueItems") and random.random() < 0.9:
        found = [one for place, one in enumerate(found) if one not in found[:place]]
    return found


def _scalars(random: Random, kind: str | None, schema: dict[str, Any]) -> Sequence[Any]:
    if kind == "boolean":
        return [True, False]
    if kind in ("integer", "number"):
        numbers = [*range(11), *(number for number in NUMBERS if kind == "number" or isinstance(number, int))]
        fitting = [number for number in numbers if _is_within(number, schema)]
    elif kind in ("string", "file", None):
        known = OF_FORMATS.get(schema.get("format", ""))
        if known is not None and random.random() < 0.8:
            return known[:1] if random.random() < 0.8 else known
        numbers = [*TEXTS, "ab", "abcdef", "x" * schema.get("minLength", 0)]
        fitting = [text for text in numbers if _fits(text, schema)]
    else:
        return JUNK
    return fitting if fitting and random.random() < 0.95 else numbers


def _is_within(number: float, schema: dict[str, Any]) -> bool:
    least, most = schema.get("minimum", -1e9), schema.get("maximum", 1e9)
    return bool(least <= number <= most)


def _fits(text: str, schema: dict[str, Any]) -> bool:
    in_bounds = schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", 99)
    try:
        return in_bounds and re.search(schema.get("pattern", ""), text) is not None
    except re.error:
        return in_bounds
