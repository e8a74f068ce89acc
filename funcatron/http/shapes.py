"""What a schema says about text: which JSON types a string from a URL, a header or a form may stand for.

A URL carries text only. The Shape of a schema, made once, turns text into the value that the schema means. What does
not fit stays text, so that validation, which is the same on every door, words the error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from funcatron.spec.document import Document

__all__ = ["Shape", "shape_of"]

_DEPTH = 8  # of properties and items in each other: what text can carry is shallow, and schemas may be recursive
_REFERENCES = 32
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}
_KINDS: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


class Shape(msgspec.Struct, frozen=True):
    """The types that a schema allows (none: any), and the Shapes of what is inside.

    ``additional`` is the Shape of members that ``properties`` does not name; None where they are not spoken of.
    """

    kinds: frozenset[str] = frozenset()
    items: Shape | None = None
    properties: Mapping[str, Shape] = msgspec.field(default_factory=dict)
    additional: Shape | None = None
    closed: bool = False
    file: bool = False

    @property
    def is_array(self) -> bool:
        """Whether text stands for a list."""
        return "array" in self.kinds

    @property
    def is_object(self) -> bool:
        """Whether text stands for an object (and not for a list)."""
        return "object" in self.kinds and "array" not in self.kinds

    def member(self, name: str) -> Shape:
        """Return the Shape of a member of an object."""
        return self.properties.get(name) or self.additional or ANY

    def cast(self, text: str) -> Any:
        """Return the null, boolean or number that ``text`` stands for; itself where it stands for none that fits."""
        kinds = self.kinds
        if not kinds:
            return text
        if "null" in kinds and text == "null":
            return None
        if "boolean" in kinds and (boolean := _BOOLEANS.get(text.lower())) is not None:
            return boolean
        if "integer" in kinds and (integer := _integer(text)) is not None:
            return integer
        if "number" in kinds and (number := _number(text)) is not None:
            return number
        return text

    def cast_items(self, texts: Iterable[str]) -> list[Any]:
        """Return a list, each text cast as an item."""
        items = self.items or ANY
        return [items.cast(text) for text in texts]

    def cast_members(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Return an object, each text cast as its member."""
        return {name: self.member(name).cast(text) for name, text in texts.items()}


ANY = Shape()


def shape_of(document: Document, schema: Mapping[str, Any] | None, depth: int = 0) -> Shape:
    """Return the Shape of a schema, through ``$ref``, ``allOf``, ``anyOf`` and ``oneOf``."""
    schema = _dereference(document, schema or {})
    if depth > _DEPTH or not isinstance(schema, Mapping):
        return ANY
    own = _own(document, schema, depth)
    for part in schema.get("allOf", ()):
        own = _both(own, shape_of(document, part, depth + 1))
    choices = [shape_of(document, part, depth + 1) for key in ("anyOf", "oneOf") for part in schema.get(key, ())]
    if choices:
        either = choices[0]
        for choice in choices[1:]:
            either = _either(either, choice)
        own = _both(own, either)
    return own


def _own(document: Document, schema: Mapping[str, Any], depth: int) -> Shape:
    kinds = _kinds(schema)
    items = shape_of(document, schema["items"], depth + 1) if isinstance(schema.get("items"), Mapping) else None
    properties = {name: shape_of(document, part, depth + 1) for name, part in schema.get("properties", {}).items()}
    extra = schema.get("additionalProperties")
    additional = None
    if extra is True or isinstance(extra, Mapping):
        additional = ANY if extra is True else shape_of(document, extra, depth + 1)
    is_file = kinds == {"file"} or ("string" in kinds and schema.get("format") in ("binary", "base64"))
    return Shape(kinds, items, properties, additional, closed=extra is False, file=is_file)


def _kinds(schema: Mapping[str, Any]) -> frozenset[str]:
    named = schema.get("type")
    kinds = {named} if isinstance(named, str) else set(named or ())
    if not kinds:
        values = schema.get("enum", [schema["const"]] if "const" in schema else [])
        kinds = {_KINDS.get(type(value), "string") for value in values}
    if not kinds and ("properties" in schema or "additionalProperties" in schema):
        kinds = {"object"}
    if not kinds and "items" in schema:
        kinds = {"array"}
    if kinds and (schema.get("nullable") is True or schema.get("x-nullable") is True):
        kinds.add("null")
    return frozenset(kinds)


def _both(one: Shape, other: Shape) -> Shape:
    """The Shape of what fits both: the common types, where both name some."""
    kinds = (one.kinds & other.kinds or one.kinds) if one.kinds and other.kinds else one.kinds | other.kinds
    if "number" in one.kinds | other.kinds and "integer" in one.kinds | other.kinds:
        kinds |= {"integer"}
    return _joined(one, other, frozenset(kinds))


def _either(one: Shape, other: Shape) -> Shape:
    """The Shape of what fits one of two."""
    return _joined(one, other, one.kinds | other.kinds)


def _joined(one: Shape, other: Shape, kinds: frozenset[str]) -> Shape:
    return Shape(
        kinds,
        one.items or other.items,
        {**other.properties, **one.properties},
        one.additional or other.additional,
        closed=one.closed or other.closed,
        file=one.file or other.file,
    )


def _dereference(document: Document, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(_REFERENCES):
        if not (isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str)):
            break
        schema = document.resolve(schema["$ref"])
    return schema


def _integer(text: str) -> int | None:
    if _INTEGER.fullmatch(text) is None:
        return None
    try:
        return int(text)
    except ValueError:  # longer than the interpreter's limit on digits
        return None


def _number(text: str) -> int | float | None:
    """Return a float; an int where a float would lose digits."""
    if _NUMBER.fullmatch(text) is None:
        return None
    number = float(text)
    if not math.isfinite(number):
        return None
    integer = _integer(text)
    return integer if integer is not None and integer != number else number
