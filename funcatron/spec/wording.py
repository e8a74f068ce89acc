"""What jsonschema-rs demands, in words that follow "must"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jsonschema_rs import ValidationErrorKind as Kind

from funcatron.spec.patterns import BYTE, UUID
from funcatron.spec.shown import shown

__all__ = ["BOUNDED", "demand", "either", "kinds_of"]

_TYPES = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
_FORMATS = {
    "date": "a date such as 2024-01-31",
    "date-time": "a date and time with its zone, such as 2024-01-31T12:00:00Z",
    "email": "an e-mail address",
    "hostname": "a host name",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "time": "a time with its zone, such as 12:00:00Z",
    "uri": "an absolute URI",
    "uuid": "a UUID such as 123e4567-e89b-12d3-a456-426614174000",
}
_PATTERNS = {BYTE: "be base64", UUID: "be a UUID such as 123e4567-e89b-12d3-a456-426614174000"}
_BOUNDS: Mapping[type[Any], str] = {
    Kind.Minimum: "be at least {}",
    Kind.Maximum: "be at most {}",
    Kind.ExclusiveMinimum: "be greater than {}",
    Kind.ExclusiveMaximum: "be less than {}",
    Kind.MinLength: "have at least {} characters",
    Kind.MaxLength: "have at most {} characters",
    Kind.MinItems: "have at least {} items",
    Kind.MaxItems: "have at most {} items",
    Kind.MinProperties: "have at least {} properties",
    Kind.MaxProperties: "have at most {} properties",
    Kind.MultipleOf: "be a multiple of {}",
}
BOUNDED = frozenset(_BOUNDS)
"""The kinds of errors that are about a bound."""


def demand(kind: Kind) -> str | None:
    """Return what must be, None for a kind of error that has no words here."""
    return _bound(kind) if type(kind) in BOUNDED else _worded(kind)


def _worded(kind: Kind) -> str | None:
    match kind:
        case Kind.Type(types=types):
            return "be " + either(kinds_of(types))
        case Kind.Enum(options=options):
            return "be " + either([shown(option) for option in options])
        case Kind.Format(format=name):
            return "be " + _FORMATS.get(name, f"of the format {name}")
        case Kind.Pattern(pattern=pattern):
            return _PATTERNS.get(pattern) or f"match the pattern {pattern}"
        case Kind.Constant(expected_value=value):
            return "be " + shown(value)
        case Kind.UniqueItems():
            return "have no equal items"
        case Kind.FalseSchema():
            return "be absent"
        case Kind.AdditionalItems() | Kind.UnevaluatedItems():
            return "have no further items"
        case Kind.Custom(message=own):
            return own
        case Kind.BacktrackLimitExceeded():
            return "be simpler to compare with its pattern"
        case Kind.OneOfMultipleValid():
            return "fit exactly one alternative and fits several"
    return None


def _bound(kind: Kind) -> str:
    text = _BOUNDS[type(kind)]
    limit = kind.multiple_of if isinstance(kind, Kind.MultipleOf) else kind.value
    text = text.format(limit)
    if limit != 1:
        return text
    return re.sub(r"\b1 (character|item)s", r"1 \1", text).replace(" 1 properties", " 1 property")


def kinds_of(types: list[str]) -> list[str]:
    """Return JSON Schema's types with their articles, null last."""
    return [_TYPES.get(kind, kind) for kind in sorted(types, key="null".__eq__)]


def either(words: list[str]) -> str:
    """Return ``a, b or c``; a long list is cut."""
    words = words if len(words) <= 12 else [*words[:12], "..."]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
