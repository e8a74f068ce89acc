"""Parameters that are one text each, as most are: read and checked in one step, by what was compiled for each.

A quick way reads what is certainly valid, of the schemas that most parameters have. What it is not sure of is cast and
validated as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from funcatron.binding import Slot
from funcatron.http.shapes import Shape, shape_of
from funcatron.http.styles import decode_plus, pairs_of
from funcatron.registry import Function
from funcatron.schemas import Bounds
from funcatron.spec.operation import Parameter

__all__ = ["PERCENT", "Text", "is_text", "last_texts", "read_texts", "stays_text", "text_of"]

UNSURE: Final = object()
"""What a quick way returns for all that is not certainly valid."""
PERCENT: Final = ord("%")
"""To be looked for in bytes: a number is found at once, other bytes are tried as a number first."""
_DIGITS = 15

Read: TypeAlias = Callable[[str], Any]


Text: TypeAlias = tuple[str, str, Read, Read, Callable[[Any], bool]]
"""A parameter that is one text: its name on the wire, its argument, and how its value is made and judged.

The third, quick, returns the value of a text, or UNSURE: then the fourth, a cast, makes it and the last says whether it
is valid. (Not a named tuple: only plain ones are unpacked at once.)
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
    return name, slot.name, _quick(shape, validator.bounds), shape.cast, validator.decide


def read_texts(texts: Iterable[Text], given: Mapping[str, str], arguments: dict[str, Any]) -> bool:
    """Fill in the arguments of those texts that are given; tell whether all of these are valid."""
    valid = True
    for name, argument, quick, cast, decide in texts:
        text = given.get(name)
        if text is not None:
            value = quick(text)
            if value is UNSURE:
                value = cast(text)
                valid = decide(value) and valid
            arguments[argument] = value
    return valid


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


def _quick(shape: Shape, bounds: Bounds | None) -> Read:
    if bounds is None or shape.kinds != {bounds.kind}:
        return _unsure
    least, most = bounds.least, bounds.most
    if bounds.kind == "string":
        return lambda text: text if least <= len(text) <= most and text.isascii() else UNSURE

    def integer(text: str) -> Any:
        if text.isdecimal() and len(text) <= _DIGITS and text.isascii() and least <= (value := int(text)) <= most:
            return value
        return UNSURE

    return integer


def _unsure(text: str) -> Any:
    return UNSURE
