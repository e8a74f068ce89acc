"""Random schemas."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.conformance.planned.values import TEXTS

__all__ = ["parameter_schema", "schema"]

PATTERNS = (
    r"^[a-z]+$",
    r"^\d{2,4}$",
    r"^[A-Z]{2}-\d+$",
    r"^(a|bc)*$",
    r"\w+@\w+",
    r"^\s*x",
    r"^[^a-c]$",
    r"(?i)abc",
    r"^(?=a)ab",
    "ä+",
    r"^a\Z",
    r"^.{1,3}$",
)
FORMATS = ("email", "date", "date-time", "uuid", "ipv4", "ipv6", "int32", "byte", "binary", "password", "regex")


def schema(random: Random, references: tuple[str, ...] = (), depth: int = 0) -> dict[str, Any]:
    """Return a schema of OpenAPI 3.0."""
    kinds = ["string", "integer", "number", "boolean"]
    kinds += ["object", "object", "array"] if depth < 3 else []
    kinds += ["composed", "reference"] if depth < 3 else []
    kind = random.choice(kinds)
    if kind == "reference" and references:
        return {"$ref": f"#/components/schemas/{random.choice(references)}"}
    if kind in ("composed", "reference"):
        return _composed(random, references, depth)
    made = {"type": kind, **_KINDS[kind](random, references, depth)}
    for key, chance in (("nullable", 0.15), ("readOnly", 0.05), ("writeOnly", 0.05), ("x-own", 0.05)):
        if random.random() < chance:
            made[key] = True
    return made


def parameter_schema(random: Random, kinds: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a schema of a parameter, now and then with a default."""
    kind = random.choice(kinds or ("string", "integer", "number", "boolean", "array", "integer", "string"))
    made: dict[str, Any] = {"type": kind}
    if kind == "array":
        made["items"] = parameter_schema(random, ("string", "integer", "number", "boolean"))
        made["items"].pop("default", None)
        made |= _some(random, {"minItems": 1, "maxItems": 3, "uniqueItems": True})
    elif kind != "boolean":
        made |= _KINDS[kind](random, (), 3)
    if random.random() < 0.15:
        made["nullable"] = True
    if kind == "boolean" and random.random() < 0.3:
        made["default"] = random.choice([True, False])
    if kind == "array" and random.random() < 0.2 and made["items"] == {"type": "string"}:
        made["default"] = ["a"]
    if kind in ("string", "integer") and len(made) == 1 and random.random() < 0.4:
        made["default"] = {"string": "abc", "integer": 5}[kind]
    return made


def _composed(random: Random, references: tuple[str, ...], depth: int) -> dict[str, Any]:
    key = random.choice(["allOf", "anyOf", "oneOf", "not"])
    if key == "not":
        return {"not": schema(random, references, depth + 1), "type": random.choice(["string", "integer", "object"])}
    return {key: [schema(random, references, depth + 1) for _ in range(random.randint(1, 3))]}


def _some(random: Random, keywords: dict[str, Any]) -> dict[str, Any]:
    chosen = {key: keyword for key, keyword in keywords.items() if random.random() < 0.15}
    return {key: random.choice(one) if isinstance(one, list | tuple) else one for key, one in chosen.items()}


def _text(random: Random, references: tuple[str, ...], depth: int) -> dict[str, Any]:
    if random.random() < 0.15:
        return {"enum": random.sample(TEXTS, 3)}
    return _some(random, {"minLength": [0, 1, 2], "maxLength": [1, 3, 10], "pattern": PATTERNS, "format": FORMATS})


def _number(random: Random, references: tuple[str, ...], depth: int) -> dict[str, Any]:
    if random.random() < 0.15:
        return {"enum": random.sample([0, 1, 7, 10, 100], 3)}
    limits = {"minimum": [-1, 0, 1], "maximum": [5, 10, 1e20], "multipleOf": [1, 2, 0.1, 0.5]}
    made = _some(random, limits)
    for limit in ("minimum", "maximum"):
        if limit in made and random.random() < 0.3:
            made["exclusive" + limit.capitalize()] = random.choice([True, False])
    return made


def _array(random: Random, references: tuple[str, ...], depth: int) -> dict[str, Any]:
    made = _some(random, {"minItems": [0, 1], "maxItems": [1, 3], "uniqueItems": [True, False]})
    return {"items": schema(random, references, depth + 1), **made}


def _members(random: Random, references: tuple[str, ...], depth: int) -> dict[str, Any]:
    names = random.sample(["a", "b", "id", "type", "next", "pattern", "$x", "ä"], random.randint(0, 4))
    made: dict[str, Any] = {"properties": {name: schema(random, references, depth + 1) for name in names}}
    if names and random.random() < 0.5:
        made["required"] = random.sample(names, random.randint(1, len(names)))
    if random.random() < 0.3:
        made["additionalProperties"] = random.choice([True, False, {"type": "string"}])
    return {**made, **_some(random, {"minProperties": [0, 1], "maxProperties": [2, 5]})}


def _nothing(random: Random, references: tuple[str, ...], depth: int) -> dict[str, Any]:
    return {}


_KINDS = {
    "string": _text,
    "integer": _number,
    "number": _number,
    "boolean": _nothing,
    "array": _array,
    "object": _members,
}
