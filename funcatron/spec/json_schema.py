"""From the schemas of OpenAPI 2.0 and 3.0 to plain JSON Schema (draft 4), each on its own.

Both dialects are draft 4 with changes (2.0: "Schema Object"; 3.0.3: section 4.7.24): ``nullable`` (2.0:
``x-nullable``), ``readOnly``, ``writeOnly``, ``discriminator``, ``type: file``, and formats that carry meaning. What a
schema refers to comes along as ``definitions``, only what it reaches; recursive schemas stay recursive.

In a request a ``readOnly`` property is not demanded; in a response a ``writeOnly`` one is not demanded and must not
appear. ``discriminator`` has no say in what is valid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from funcatron.spec.patterns import BYTE, PYTHON_PATTERN, UUID, is_ecma

__all__ = ["FORMATS", "NEVER", "STAND_INS", "Direction", "Resolve", "among", "lower"]

Direction: TypeAlias = Literal["request", "response"]
Resolve: TypeAlias = Callable[[str], Any]

STAND_INS: tuple[Any, Any] = ("\0file", {"\0file": True})
"""For bytes and files, which JSON Schema has no type for: two values of different types, so that a place takes both
only where its format is ``binary`` or where anything goes."""

_COPIED = (
    "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "multipleOf", "maxLength", "minLength", "maxItems",
    "minItems", "uniqueItems", "maxProperties", "minProperties",
)  # fmt: skip
_NATIVE_FORMATS = frozenset({"date", "date-time", "email", "hostname", "ipv4", "ipv6", "uri", "password"})
FORMATS: Mapping[str, Mapping[str, Any]] = {
    "uuid": {"pattern": UUID},
    "byte": {"pattern": BYTE},
    "int32": {"minimum": -(2**31), "maximum": 2**31 - 1},
    "int64": {"minimum": -(2**63), "maximum": 2**63 - 1},
}
NEVER = {"not": {}, "description": "is write-only and must not be in a response"}


def lower(schema: Mapping[str, Any], resolve: Resolve, *, direction: Direction, files: bool = False) -> dict[str, Any]:
    """Return the schema as self-contained draft 4. ``resolve`` gives what a local reference stands for.

    With ``files`` the stand-ins are valid where the format is ``binary``.
    """
    lowering = _Lowering(resolve, direction, files)
    lowered = lowering.schema(schema, frozenset())
    lowering.complete()
    if lowering.definitions:
        # A reference hides its siblings, so the definitions stand beside an allOf.
        lowered = {"allOf": [lowered], "definitions": lowering.definitions}
    return lowered


class _Lowering:
    def __init__(self, resolve: Resolve, direction: Direction, files: bool) -> None:
        self.definitions: dict[str, Any] = {}
        self._resolve = resolve
        self._names: dict[tuple[str, frozenset[str]], str] = {}
        self._one_sided = ("readOnly",) if direction == "request" else ("writeOnly", "x-writeOnly")
        self._direction = direction
        self._files = files
        self._waiting: list[tuple[str, str, frozenset[str]]] = []

    def schema(self, schema: Any, waived: frozenset[str]) -> dict[str, Any]:
        """Return one schema lowered; ``waived`` are properties that a schema around it says not to demand."""
        if not isinstance(schema, Mapping):
            return {}
        if "$ref" in schema:
            return {"$ref": "#/definitions/" + self._define(schema["$ref"], waived)}
        waived |= self._waived(schema, set())
        lowered = {key: schema[key] for key in _COPIED if key in schema}
        for bound in ("Minimum", "Maximum"):  # draft 4 allows exclusive... only beside the bound
            if bound.lower() not in lowered:
                lowered.pop("exclusive" + bound, None)
        self._type(schema, lowered)
        self._string(schema, lowered)
        self._object(schema, lowered, waived)
        self._nested(schema, lowered, waived)
        if self._files and schema.get("format") == "binary" and schema.get("type") == "string":
            return {"anyOf": [lowered, {"enum": list(STAND_INS)}]}
        return lowered

    def _define(self, ref: str, waived: frozenset[str]) -> str:
        key = (ref, waived)
        if key not in self._names:
            self._names[key] = name = str(len(self._names))
            self._waiting.append((name, *key))
        return self._names[key]

    def complete(self) -> None:
        """Lower what was referred to; one after another, because chains of references are long."""
        while self._waiting:
            name, ref, waived = self._waiting.pop()
            self.definitions[name] = self.schema(self._resolve(ref), waived)

    def _waived(self, schema: Any, seen: set[str]) -> frozenset[str]:
        """Return the properties, also those of its allOf, that this direction does not demand."""
        if not isinstance(schema, Mapping):
            return frozenset()
        if "$ref" in schema:
            if schema["$ref"] in seen:
                return frozenset()
            seen.add(schema["$ref"])
            return self._waived(self._resolve(schema["$ref"]), seen)
        names = {name for name, child in schema.get("properties", {}).items() if self._is_one_sided(child)}
        return frozenset(names).union(*(self._waived(part, seen) for part in schema.get("allOf", ())))

    def _is_one_sided(self, schema: Any) -> bool:
        if isinstance(schema, Mapping) and "$ref" in schema:
            schema = self._resolve(schema["$ref"])
        return isinstance(schema, Mapping) and any(schema.get(key) is True for key in self._one_sided)

    def _type(self, schema: Mapping[str, Any], lowered: dict[str, Any]) -> None:
        nullable = schema.get("nullable") is True or schema.get("x-nullable") is True
        kind = schema.get("type")
        if kind is not None and kind != "file":
            kinds = list(kind) if isinstance(kind, list) else [kind]
            kinds += ["null"] if nullable and "null" not in kinds else []
            lowered["type"] = kinds[0] if len(kinds) == 1 else kinds
        if isinstance(schema.get("enum"), list):
            options = [*schema["enum"], *([None] if nullable else [])]
            lowered["enum"] = [one for at, one in enumerate(options) if not among(one, options[:at])]

    def _string(self, schema: Mapping[str, Any], lowered: dict[str, Any]) -> None:
        pattern, form = schema.get("pattern"), schema.get("format")
        if isinstance(pattern, str):
            lowered["pattern" if is_ecma(pattern) else PYTHON_PATTERN] = pattern
        if form in _NATIVE_FORMATS:
            lowered["format"] = form
        elif isinstance(form, str) and form in FORMATS:
            lowered.setdefault("allOf", []).append(dict(FORMATS[form]))

    def _object(self, schema: Mapping[str, Any], lowered: dict[str, Any], waived: frozenset[str]) -> None:
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            lowered["properties"] = {
                name: dict(NEVER)
                if self._direction == "response" and self._is_one_sided(child)
                else self.schema(child, frozenset())
                for name, child in properties.items()
            }
        demanded = [name for name in schema.get("required", ()) if name not in waived]
        if demanded:
            lowered["required"] = list(dict.fromkeys(demanded))
        others = schema.get("additionalProperties")
        if others is not None:
            lowered["additionalProperties"] = others if isinstance(others, bool) else self.schema(others, frozenset())

    def _nested(self, schema: Mapping[str, Any], lowered: dict[str, Any], waived: frozenset[str]) -> None:
        items = schema.get("items")
        if isinstance(items, list):
            lowered["items"] = [self.schema(item, frozenset()) for item in items]
        elif items is not None:
            lowered["items"] = self.schema(items, frozenset())
        for key in ("allOf", "anyOf", "oneOf"):
            if isinstance(schema.get(key), list):
                inherited = waived if key == "allOf" else frozenset[str]()
                parts = [self.schema(part, inherited) for part in schema[key]]
                lowered[key] = [*lowered.get(key, []), *parts]
        if "not" in schema:
            lowered["not"] = self.schema(schema["not"], frozenset())


def among(value: Any, options: list[Any]) -> bool:
    """Whether an equal option is there; unlike ``in`` it tells true from 1, as JSON does."""
    return any(option == value and isinstance(option, bool) == isinstance(value, bool) for option in options)
