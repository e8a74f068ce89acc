"""What jsonschema-rs finds, in words for people: where it is, what was expected and what was found.

A failed ``oneOf`` or ``anyOf`` is dug into: the alternative that was most likely meant is the one that speaks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

from jsonschema_rs import ValidationError
from jsonschema_rs import ValidationErrorKind as Kind

from funcatron.spec.shown import shown

__all__ = ["NAMED_PATTERNS", "Finding", "findings"]

Path: TypeAlias = tuple[str | int, ...]

NAMED_PATTERNS: dict[str, str] = {}
"""Patterns that stand for a format, and how the format is called."""

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
    "uri": "an absolute URI",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation: the way to it from the value's root, and what is wrong."""

    path: Path
    message: str


def findings(errors: Iterable[ValidationError], schema: Any, value: Any) -> Iterator[Finding]:
    """Yield what is wrong with ``value``; ``schema`` is the one that the errors are of."""
    explainer = _Explainer(schema, value)
    for error in errors:
        yield from explainer.explain(error)


class _Explainer:
    def __init__(self, schema: Any, value: Any) -> None:
        self._schema = schema
        self._value = value

    def explain(self, error: ValidationError) -> Iterator[Finding]:
        path = tuple(error.instance_path)
        match error.kind:
            case Kind.AnyOf(context=context) | Kind.OneOfNotValid(context=context):
                yield from self._alternatives(path, context)
            case Kind.AdditionalProperties(unexpected=names):
                known = _known(self._parent(error))
                for name in names:
                    yield Finding((*path, name), f"is not a known property{_near(name, known)}")
            case Kind.Required(property=name):
                yield Finding((*path, name), "is required")
            case _:
                yield Finding(path, self._message(error, path))

    def _message(self, error: ValidationError, path: Path) -> str:
        parent = self._parent(error)
        if isinstance(error.kind, Kind.Not):
            return _denied(parent, error.kind.schema)
        expected = _expected(error)
        if expected is None:
            return error.message
        if isinstance(parent, Mapping) and parent.get("format") == "password":
            return f"must {expected}"
        found = _at(self._value, path)
        return f"must {expected}, not {_measured(error.kind, found)}"

    def _alternatives(self, path: Path, context: Sequence[Sequence[ValidationError]]) -> Iterator[Finding]:
        ranked = sorted(
            ((_rank(branch, path), index) for index, branch in enumerate(context)), key=lambda pair: pair[0]
        )
        best = [context[index] for rank, index in ranked if rank == ranked[0][0]]
        if len(best) > 1:
            merged = self._merged(best)
            if merged is not None:
                yield merged
                return
            told = {"; ".join(_told(f, len(path)) for e in branch for f in self.explain(e)): None for branch in best}
            if len(told) > 1:
                listed = " | ".join(list(told)[:4]) + (" | ..." if len(told) > 4 else "")
                yield Finding(path, f"fits none of {len(context)} alternatives: {listed}")
                return
        for error in best[0]:
            yield from self.explain(error)

    def _merged(self, branches: Sequence[Sequence[ValidationError]]) -> Finding | None:
        """Tell alternatives that differ only in the type or the values they want as one."""
        firsts = [branch[0] for branch in branches]
        path = tuple(firsts[0].instance_path)
        if any(len(branch) > 1 for branch in branches) or any(tuple(e.instance_path) != path for e in firsts):
            return None
        found = shown(_at(self._value, path))
        if all(isinstance(e.kind, Kind.Type) for e in firsts):
            types = dict.fromkeys(t for e in firsts for t in e.kind.types)  # type: ignore[attr-defined]
            return Finding(path, f"must be {_listed([_TYPES.get(t, t) for t in types])}, not {found}")
        if all(isinstance(e.kind, Kind.Enum) for e in firsts):
            options = {shown(o): None for e in firsts for o in e.kind.options}  # type: ignore[attr-defined]
            return Finding(path, f"must be {_listed(list(options))}, not {found}")
        return None

    def _parent(self, error: ValidationError) -> Any:
        return _at(self._schema, tuple(error.schema_path[:-1]))


def _told(finding: Finding, depth: int) -> str:
    below = ".".join(str(step) for step in finding.path[depth:])
    return f"{below} {finding.message}" if below else finding.message


def _rank(branch: Sequence[ValidationError], path: Path) -> tuple[int, int]:
    """Order alternatives by how likely each was meant: least wrong about what the value is, then least wrong."""
    return max((_distance(error, path) for error in branch), default=0), len(branch)


def _distance(error: ValidationError, path: Path) -> int:
    way = tuple(error.instance_path)
    match error.kind:
        case Kind.Type() if way == path:
            return 3  # quite another kind of value
        case Kind.Enum() if way == path:
            return 3
        case Kind.Required(property="$ref") if way == path:
            return 3  # not a reference, so an object was meant
        case Kind.Enum() | Kind.Constant() if len(way) == len(path) + 1:
            return 2  # a discriminator such as "in" or "type" says otherwise
        case Kind.AnyOf(context=context) | Kind.OneOfNotValid(context=context):
            return min((_rank(branch, path)[0] for branch in context), default=0)
    return 0


def _expected(error: ValidationError) -> str | None:
    """Return what must be, as words that follow "must"."""
    match error.kind:
        case Kind.Type(types=types):
            return "be " + _listed([_TYPES.get(t, t) for t in types])
        case Kind.Enum(options=options):
            return "be " + _listed([shown(option) for option in options])
        case Kind.Format(format=name):
            return "be " + _FORMATS.get(name, f"of the format {name}")
        case Kind.Pattern(pattern=pattern):
            return NAMED_PATTERNS.get(pattern) or f"match the pattern {pattern}"
        case Kind.UniqueItems():
            return "have no equal items"
        case Kind.Custom(message=message):
            return message
        case Kind.OneOfMultipleValid():
            return "fit exactly one alternative and fits more"
        case _:
            return _bound(error.kind)


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


def _bound(kind: Kind) -> str | None:
    text = _BOUNDS.get(type(kind))
    if text is None:
        return None
    limit = kind.value if not isinstance(kind, Kind.MultipleOf) else kind.multiple_of
    text = text.format(limit)
    return re.sub(r"\b1 (character|item)s", r"1 \1", text).replace("1 properties", "1 property")


def _measured(kind: Kind, found: Any) -> str:
    if isinstance(kind, Kind.MinLength | Kind.MaxLength | Kind.MinItems | Kind.MaxItems) and hasattr(found, "__len__"):
        return f"{len(found)}: {shown(found)}"
    return shown(found)


def _denied(parent: Any, schema: Any) -> str:
    for place in (schema, parent):
        if isinstance(place, Mapping) and isinstance(place.get("description"), str):
            return str(place["description"])
    return f"must not fit {shown(schema)}"


def _listed(words: list[str]) -> str:
    words = words if len(words) <= 12 else [*words[:12], "..."]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def _known(schema: Any) -> list[str]:
    """Return the property names that a schema knows, also those that stand in a pattern such as ^(get|put)$."""
    if not isinstance(schema, Mapping):
        return []
    names = list(schema.get("properties", {}))
    for pattern in schema.get("patternProperties", {}):
        simple = re.fullmatch(r"\^\(([\w|]+)\)\$", pattern)
        names += simple[1].split("|") if simple else []
    return names


def _near(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _at(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value
