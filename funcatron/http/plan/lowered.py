"""connexion's dialect of JSON Schema (draft 4, nullable, writeOnly) as plain draft 4 that jsonschema-rs judges alike.

Only keywords that draft 4 knows are taken over: Python's validator ignores all others. References are resolved already,
so a schema that contains itself is a cycle of objects; what occurs more than once becomes a definition.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

from jsonschema import Draft4Validator

from funcatron.http.plan.formats import FORMATS
from funcatron.http.plan.patterns import is_narrower
from funcatron.spec import patterns

__all__ = ["KEYWORDS", "Lowering", "Unprovable", "is_read_only"]

_FORMAT = "x-python-format"
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_STOCK_FORMATS = frozenset(Draft4Validator.FORMAT_CHECKER.checkers)
_NOTHING: dict[str, Any] = {"not": {}}


class Unprovable(Exception):
    """It is not known that jsonschema-rs judges this schema as Python does."""


class _PythonFormat:
    """A format, checked by the function that connexion's validator calls."""

    def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:
        self._name = value

    def validate(self, instance: Any) -> None:
        if isinstance(instance, str) and not FORMATS.conforms(instance, self._name):
            raise ValueError(self._name)


KEYWORDS: dict[str, Any] = {**patterns.KEYWORDS, _FORMAT: _PythonFormat}
"""Keywords of lowered schemas whose checks are Python's."""


def is_read_only(schema: Mapping[str, Any], name: Any) -> bool:
    """Whether a schema says of a property that it is for responses."""
    declared = (schema.get("properties") or {}).get(name)
    return isinstance(declared, Mapping) and declared.get("readOnly") is True


class Lowering:
    """Lowers one schema. ``write_only`` is how connexion treats responses: no property that has the keyword.

    ``read_only`` is how it should treat requests: such properties are not demanded. ``formats`` are those to check.
    """

    def __init__(
        self, *, nullable: bool, write_only: bool, read_only: bool = False, formats: Container[str] = _STOCK_FORMATS
    ) -> None:
        self._read_only = read_only
        self._formats = formats
        self._nullable = nullable
        self._write_only = write_only
        self._seen: Counter[int] = Counter()
        self._definitions: dict[str, Any] = {}
        self.asks_python = False
        """Whether what was lowered has any of our own keywords."""

    def lower(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return a schema for jsonschema-rs; raises Unprovable."""
        self._count(schema)
        lowered = self._one(schema, exact=False)
        return {**lowered, "definitions": self._definitions} if self._definitions else lowered

    def _count(self, root: Any) -> None:
        waiting = [root]
        while waiting:
            schema = waiting.pop()
            self._seen[id(schema)] += 1
            if self._seen[id(schema)] == 1 and isinstance(schema, Mapping):
                waiting.extend(_children(schema))

    def _one(self, schema: Any, *, exact: bool) -> dict[str, Any]:
        if not isinstance(schema, Mapping) or "$ref" in schema:
            raise Unprovable("not a schema that is resolved")
        if self._seen[id(schema)] < 2 or not schema:
            return self._plain(schema, exact=exact)
        name = f"{id(schema)}{'x' * exact}"
        if name not in self._definitions:
            self._definitions[name] = {}
            self._definitions[name] = self._plain(schema, exact=exact)
        return {"$ref": f"#/definitions/{name}"}

    def _plain(self, schema: Mapping[str, Any], *, exact: bool) -> dict[str, Any]:
        """Lower what stands in one schema.

        ``exact``: below ``not`` and ``oneOf`` to say No too often would be to say Yes too often.
        """
        if self._write_only and ("writeOnly" in schema or "x-writeOnly" in schema):
            return dict(_NOTHING)
        lowered = {key: keep(schema[key]) for key, keep in _KEPT.items() if key in schema}
        for key, below in _NESTED.items():
            if key in schema:
                lowered[key] = below(partial(self._one, exact=exact or key in _EXACT), schema[key])
        if self._nullable and (schema.get("x-nullable") is True or schema.get("nullable")):
            _allow_null(lowered)
        if self._read_only and "required" in lowered:
            lowered["required"] = [name for name in lowered["required"] if not is_read_only(schema, name)]
        checks = [*_pattern(schema, exact=exact), *_format(schema, self._formats)]
        self.asks_python |= any(not check.keys().isdisjoint(KEYWORDS) for check in checks)
        if len(checks) == 1:
            return {**lowered, **checks[0]}
        return {**lowered, "allOf": [*lowered.get("allOf", []), *checks]} if checks else lowered


Lower: TypeAlias = Callable[[Any], dict[str, Any]]


def _named(lower: Lower, schemas: Any) -> dict[str, Any]:
    return {str(name): lower(schema) for name, schema in schemas.items()}


def _listed(lower: Lower, schemas: Any) -> list[dict[str, Any]]:
    return [lower(schema) for schema in schemas]


def _one_or_listed(lower: Lower, value: Any) -> Any:
    return _listed(lower, value) if isinstance(value, list) else lower(value)


def _flag_or_one(lower: Lower, value: Any) -> Any:
    return value if isinstance(value, bool) else lower(value)


def _only(lower: Lower, value: Any) -> dict[str, Any]:
    return lower(value)


def _rare(lower: Lower, value: Any) -> Any:
    raise Unprovable("rare enough for Python")


_EXACT = frozenset({"oneOf", "not"})
_NESTED: dict[str, Callable[[Lower, Any], Any]] = {
    "properties": _named,
    "additionalProperties": _flag_or_one,
    "items": _one_or_listed,
    "additionalItems": _flag_or_one,
    "allOf": _listed,
    "anyOf": _listed,
    "oneOf": _listed,
    "not": _only,
    "patternProperties": _rare,
    "dependencies": _rare,
}


def _children(schema: Mapping[str, Any]) -> Iterator[Any]:
    for key in ("items", "additionalItems", "additionalProperties", "not", "allOf", "anyOf", "oneOf"):
        below = schema.get(key)
        yield from below if isinstance(below, list) else [below] if isinstance(below, Mapping) else []
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        yield from properties.values()


def _size(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise Unprovable("a size that is no natural number")
    return value


def _number(value: Any) -> int | float:
    if type(value) not in (int, float):
        raise Unprovable("a limit that is no number")
    return value  # type: ignore[no-any-return]


def _divisor(value: Any) -> int:
    """Fractions are divided in floating point by Python and exactly by Rust."""
    if type(value) is not int or value < 1:
        raise Unprovable("multipleOf of a fraction")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unprovable("a flag that is neither true nor false")
    return value


def _names(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Unprovable("required is no list of names")
    return list(dict.fromkeys(value))


def _types(value: Any) -> str | list[str]:
    named = [value] if isinstance(value, str) else value
    if not isinstance(named, list) or not named or not all(name in _TYPES for name in named):
        raise Unprovable("an unknown type")
    return value  # type: ignore[no-any-return]


def _values(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise Unprovable("an enumeration of nothing")
    return list(value)


_KEPT: dict[str, Callable[[Any], Any]] = {
    "type": _types,
    "enum": _values,
    "required": _names,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _size),
    **dict.fromkeys(("minimum", "maximum"), _number),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum", "uniqueItems"), _flag),
    "multipleOf": _divisor,
}


def _allow_null(lowered: dict[str, Any]) -> None:
    """Connexion lets null pass where the type or the enumeration is checked, and nowhere else."""
    if "type" in lowered:
        types = lowered["type"]
        lowered["type"] = list(dict.fromkeys([*([types] if isinstance(types, str) else types), "null"]))
    if "enum" in lowered:
        lowered["enum"] = [*lowered["enum"], None]


def _pattern(schema: Mapping[str, Any], *, exact: bool) -> Iterator[dict[str, Any]]:
    if "pattern" not in schema:
        return
    pattern = schema["pattern"]
    if not isinstance(pattern, str):
        raise Unprovable("a pattern that is no text")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise Unprovable("a pattern that Python does not understand") from error
    narrower = not exact and is_narrower(pattern)
    yield {"pattern": pattern} if narrower else {patterns.PYTHON_PATTERN: pattern}


def _format(schema: Mapping[str, Any], formats: Container[str]) -> Iterator[dict[str, Any]]:
    """Formats that connexion does not check are left out; an e-mail address is what has an @ in it."""
    name = schema.get("format")
    if isinstance(name, str) and name in formats:
        yield {"pattern": "@"} if name in ("email", "idn-email") else {_FORMAT: name}
