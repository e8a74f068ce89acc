"""Parameters that are one text each, as most are: read and checked in one step, by what was compiled for each.

A quick way reads what is certainly valid, of the schemas that most parameters have. All else is cast and validated as
everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import nan
from typing import Any, Final, TypeAlias

from funcatron.binding import Slot
from funcatron.http.shapes import shape_of
from funcatron.http.styles import decode_plus, pairs_of
from funcatron.registry import Function
from funcatron.spec.operation import Parameter

__all__ = ["ENCODED", "PERCENT", "Text", "is_text", "last_texts", "read_texts", "stays_text", "text_of"]

PERCENT: Final = ord("%")
"""To be looked for in bytes: a number is found at once, other bytes are tried as a number first."""
ENCODED: Final = "funcatron.encoded"
"""In a scope, that something in its path is percent-encoded: it may be data."""
_DIGITS = 15
_SMALL: Final = {str(number): number for number in range(1000)}
"""The numbers that most texts are, made once."""

Text: TypeAlias = tuple[str, str, str, float, float, Callable[[str], Any], Callable[[Any], bool]]
"""A parameter that is one text: its name on the wire, its argument, and how its value is made and judged.

The quick way is for the kind of ``Bounds``, if it has any, within its least and most. For all else the cast makes the
value and the last says whether it is valid. (Not a named tuple: only plain ones are unpacked at once.)
"""


def is_text(function: Function, parameter: Parameter) -> bool:
    """Whether a parameter is one text, whatever it stands for."""
    shape = shape_of(function.operation.document, parameter.schema)
    plain = parameter.media_type is None and parameter.style in ("form", "simple") and not parameter.allow_empty
    return plain and not (shape.is_array or shape.is_object)


def stays_text(function: Function, parameter: Parameter) -> bool:
    """Whether the value of a parameter that is one text is that text."""
    return shape_of(function.operation.document, parameter.schema).kinds <= {"string"}


def text_of(function: Function, slot: Slot, name: str) -> Text:
    """Compile the parameter of a slot that has this name on the wire."""
    shape, validator = shape_of(function.operation.document, slot.parameter.schema), slot.validator
    bounds = validator.bounds
    kind, least, most = bounds if bounds is not None and shape.kinds == {bounds.kind} else ("", 0, 0)
    return name, slot.name, kind, least, most, shape.cast, validator.decide


def read_texts(texts: Iterable[Text], given: Mapping[str, str], arguments: dict[str, Any]) -> bool:
    """Fill in the arguments of those texts that are given; tell whether all of these are valid."""
    valid = True
    for name, argument, kind, least, most, cast, decide in texts:
        text = given.get(name)
        if text is None:
            continue
        if kind == "string" and least <= len(text) <= most and text.isascii():
            arguments[argument] = text
        elif kind == "integer" and least <= (number := _SMALL.get(text) or _number(text)) <= most:
            arguments[argument] = number
        else:
            arguments[argument] = value = cast(text)
            valid = decide(value) and valid
    return valid


def _number(text: str) -> float:
    """Return the integer that a text certainly is, and NaN, which is within no bounds, for all others."""
    return int(text) if text.isdecimal() and len(text) <= _DIGITS and text.isascii() else nan


def last_texts(query: bytes) -> dict[str, str]:
    """Return the last text of each name in a query; raises UnicodeDecodeError."""
    decoded = query.decode()
    if "%" in decoded or "+" in decoded:
        return {name: decode_plus(texts[-1]) for name, texts in pairs_of(decoded).items()}
    if "&" not in decoded:
        name, _, text = decoded.partition("=")
        return {name: text}
    texts = {}
    for part in decoded.split("&"):
        name, _, texts[name] = part.partition("=")
    return texts
