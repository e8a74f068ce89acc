"""Where two forms of one value differ in what they say of it alone: kinds, options, bounds, pattern, format."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from funcatron.agreement.form import Form
from funcatron.spec.shown import shown
from funcatron.spec.wording import either, kinds_of

__all__ = ["Finding", "compare_values"]

_BOUNDS = (
    ("minimum", "exclusiveMinimum"),
    ("maximum", "exclusiveMaximum"),
    ("minLength",),
    ("maxLength",),
    ("minItems",),
    ("maxItems",),
    ("minProperties",),
    ("maxProperties",),
)
"""Bounds of one kind; the second name of two is the one that excludes the bound itself."""
_WORDS: Mapping[str, str] = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "greater than {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters long",
    "maxLength": "at most {} characters long",
    "minItems": "at least {} items long",
    "maxItems": "at most {} items long",
    "minProperties": "of at least {} properties",
    "maxProperties": "of at most {} properties",
}
_FORMATS = frozenset({"date", "date-time", "email", "ipv4", "ipv6", "time", "uri", "uuid"})
"""Formats that both sides check, and that no value of another one has, but for dates (see ``_formats``)."""
_WHOLE = frozenset({"integer", "null"})


class Finding(msgspec.Struct, frozen=True):
    """One difference. ``certain``: a body that the document allows is refused, or an answer is never valid.
    ``different``: the two say nothing of the same values, so that nothing else need be compared.
    """

    message: str
    certain: bool
    different: bool = False


def compare_values(said: Form, own: Form, name: str, *, incoming: bool) -> Iterator[Finding]:
    """Yield how the document's form and that of a type's part ``name`` differ, in a body (``incoming``) or not."""
    if said.kinds is None or own.kinds is None:
        return
    kinds = list(_kinds(said.kinds, own, name, incoming))
    yield from kinds
    if any(finding.different for finding in kinds):
        return
    yield from _options(said, own, name, incoming)
    if said.options is None and own.options is None:
        yield from _limits(said, own, name, incoming)
        yield from _pattern(said, own, name, incoming)
        yield from _formats(said, own, name, incoming)


def _kinds(said: frozenset[str], own: Form, name: str, incoming: bool) -> Iterator[Finding]:
    kinds = own.kinds or frozenset()
    refused, more = _beyond(said, kinds) - {"null"}, _beyond(kinds, said) - {"null"}
    told = f"{name} is {_named(kinds - {'null'})}, in the document {_named(said - {'null'})}"
    shared = (said - {"null"} - refused) | (kinds - {"null"} - more)
    if not shared and refused:
        yield Finding(told, not (refused <= own.converts), different=True)
    elif refused or more:
        yield Finding(told, incoming and bool(refused) and not refused <= own.converts)
    if "null" in said and "null" not in kinds:
        told = f"{name} refuses null, which the document allows" if incoming else f"{name} does not say that it is null"
        yield Finding(told, incoming)
    elif "null" in kinds and "null" not in said:
        yield Finding(f"{name} may be null, and the document does not allow it", False)


def _beyond(kinds: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    """Return the kinds that are not among others; every integer is a number."""
    return kinds - others - ({"integer"} if "number" in others else set())


def _named(kinds: Iterable[str]) -> str:
    return either(kinds_of(sorted(kinds))) if kinds else "nothing"


def _options(said: Form, own: Form, name: str, incoming: bool) -> Iterator[Finding]:
    if own.options is not None and said.options is not None:
        if missing := _missing(said.options, own.options):
            told = "refuses" if incoming else "never is"
            yield Finding(f"{name} {told} {_listed(missing)}, which the document allows", incoming)
        if more := _missing(own.options, said.options):
            yield Finding(f"{name} may be {_listed(more)}, which the document does not allow", False)
    elif own.options is not None:
        told = f"{name} is {_listed(own.options)}, and the document does not say so"
        yield Finding(told, incoming and said.pattern is None and said.format is None)
    elif said.options is not None:
        refused = [option for option in said.options if _breaks(option, own.limits)] if incoming else []
        if refused:
            yield Finding(f"{name} refuses {_listed(refused)}, which the document allows", True)
        yield Finding(f"{name} does not say that it is {_listed(said.options)}", False)


def _missing(options: Sequence[Any], among: Sequence[Any]) -> list[Any]:
    def is_in(option: Any) -> bool:
        return any(one == option and isinstance(one, bool) == isinstance(option, bool) for one in among)

    return [option for option in options if option is not None and not is_in(option)]


def _listed(options: Sequence[Any]) -> str:
    return either([shown(option) for option in options])


def _breaks(option: Any, limits: Mapping[str, float]) -> bool:
    if isinstance(option, str):
        return not limits.get("minLength", 0) <= len(option) <= limits.get("maxLength", math.inf)
    if isinstance(option, bool) or not isinstance(option, int | float):
        return False
    inside = limits.get("minimum", -math.inf) <= option <= limits.get("maximum", math.inf)
    return not (
        inside and limits.get("exclusiveMinimum", -math.inf) < option < limits.get("exclusiveMaximum", math.inf)
    )


def _limits(said: Form, own: Form, name: str, incoming: bool) -> Iterator[Finding]:
    whole = (said.kinds or frozenset()) <= _WHOLE and (own.kinds or frozenset()) <= _WHOLE
    for keys in _BOUNDS:
        ours, theirs = _bound(own.limits, keys, whole), _bound(said.limits, keys, whole)
        if ours == theirs:
            continue
        narrower = theirs is None or (ours is not None and _strictness(keys, *ours) > _strictness(keys, *theirs))
        told = f"{name} {_bounded(ours)}, in the document it {_bounded(theirs)}"
        yield Finding(told, incoming and narrower)


def _bound(limits: Mapping[str, float], keys: tuple[str, ...], whole: bool) -> tuple[str, float] | None:
    """Return the strictest bound of one kind, None where there is none that says anything."""
    found = [(key, limits[key]) for key in keys if key in limits]
    if whole:
        found = [_inclusive(key, value) for key, value in found]
    if not found:
        return None
    key, value = max(found, key=lambda bound: _strictness(keys, *bound))
    return None if value <= 0 and key in ("minLength", "minItems", "minProperties") else (key, value)


def _inclusive(key: str, value: float) -> tuple[str, float]:
    """Return the same bound of integers with the bound itself."""
    if key == "exclusiveMinimum":
        return "minimum", math.floor(value) + 1
    if key == "exclusiveMaximum":
        return "maximum", math.ceil(value) - 1
    return key, math.ceil(value) if key == "minimum" else math.floor(value)


def _strictness(keys: tuple[str, ...], key: str, value: float) -> tuple[float, bool]:
    return (value if keys[0].startswith("min") else -value), key != keys[0]


def _bounded(bound: tuple[str, float] | None) -> str:
    if bound is None:
        return "has no such bound"
    key, value = bound
    return "is " + _WORDS[key].format(int(value) if value == int(value) else value)


def _pattern(said: Form, own: Form, name: str, incoming: bool) -> Iterator[Finding]:
    ours, theirs = _text(own.pattern), _text(said.pattern)
    if ours == theirs:
        return
    if ours is None:
        yield Finding(f"{name} does not say that it matches the pattern {said.pattern}", False)
    elif theirs is None:
        told = f"{name} matches the pattern {own.pattern}, and the document does not say so"
        yield Finding(told, incoming and said.format is None)
    else:
        yield Finding(f"{name} matches the pattern {own.pattern}, in the document {said.pattern}", False)


def _text(pattern: str | None) -> str | None:
    """Return a pattern without its anchors: marshmallow looks from the beginning, JSON Schema anywhere."""
    return None if pattern is None else re.sub(r"^(\^|\\A)|(\$|\\Z)$", "", pattern)


def _formats(said: Form, own: Form, name: str, incoming: bool) -> Iterator[Finding]:
    ours, theirs = (form if form in _FORMATS else None for form in (own.format, said.format))
    if ours == theirs:
        return
    if ours is None:
        if own.pattern is None:
            yield Finding(f"{name} does not say that it has the format {theirs}", False)
    elif theirs is None:
        told = f"{name} has the format {ours}, and the document does not say so"
        yield Finding(told, incoming and said.format is None and said.pattern is None)
    else:
        lenient = incoming and (ours, theirs) == ("date-time", "date")  # a date is read as its first moment
        yield Finding(f"{name} has the format {ours}, in the document {theirs}", not lenient)
