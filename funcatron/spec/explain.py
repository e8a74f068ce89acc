"""What jsonschema-rs finds, in words for people: where it is, what was expected and what was found.

A failed ``oneOf`` or ``anyOf`` is dug into: the alternative that was most likely meant is the one that speaks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from jsonschema_rs import ValidationError
from jsonschema_rs import ValidationErrorKind as Kind

from funcatron.spec.json_schema import STAND_INS
from funcatron.spec.shown import shown
from funcatron.spec.wording import BOUNDED, demand, either, kinds_of
from funcatron.spelling import did_you_mean

__all__ = ["Finding", "Path", "findings"]

Path: TypeAlias = tuple[str | int, ...]
Branch: TypeAlias = Sequence[ValidationError]


_COUNTED = (Kind.MinLength, Kind.MaxLength, Kind.MinItems, Kind.MaxItems)


class Finding(msgspec.Struct, frozen=True):
    """One violation: the way to it from the value's root, and what is wrong."""

    path: Path
    message: str


def findings(errors: Iterable[ValidationError], schema: Any, value: Any) -> Iterator[Finding]:
    """Yield what is wrong with ``value``; ``schema`` is the one that the errors are of."""
    explainer = _Explainer(schema, value)
    listed = list(errors)
    enumerated = [error.instance_path for error in listed if isinstance(error.kind, Kind.Enum)]
    for error in listed:
        if not (isinstance(error.kind, Kind.Type) and error.instance_path in enumerated):  # the values say it all
            yield from explainer.explain(error)


class _Explainer:
    def __init__(self, schema: Any, value: Any) -> None:
        self._schema = schema
        self._value = value

    def explain(self, error: ValidationError) -> Iterator[Finding]:
        path, kind = _path(error), error.kind
        if type(kind) in BOUNDED:  # most of all errors
            yield Finding(path, self._message(error, path))
            return
        match kind:
            case Kind.AnyOf(context=context) | Kind.OneOfNotValid(context=context):
                yield from self._alternatives(path, list(_flat(context, path)))
            case Kind.AdditionalProperties(unexpected=names) | Kind.UnevaluatedProperties(unexpected=names):
                for name in names:
                    yield Finding((*path, name), f"is not a known property{_hint(name, self._parent(error))}")
            case Kind.PropertyNames(error=inner):
                yield Finding((*path, str(inner.instance)), f"must not have this name: {_name_rule(inner)}")
            case Kind.Contains():
                yield Finding(path, f"must contain {_number_of(self._parent(error))} of the items that are asked for")
            case Kind.Required(property=name):
                yield Finding((*path, name), "is required")
            case Kind.Not(schema=schema):
                yield Finding(path, _denial(self._parent(error), schema))
            case _:
                yield Finding(path, self._message(error, path))

    def _message(self, error: ValidationError, path: Path) -> str:
        kind = error.kind
        demanded = demand(kind)
        if demanded is None:
            return error.message
        parent = self._parent(error)
        if isinstance(parent, Mapping) and parent.get("format") == "password":
            return f"must {demanded}"
        return f"must {demanded}, not {_measured(kind, _at(self._value, path))}"

    def _parent(self, error: ValidationError) -> Any:
        return _at(self._schema, tuple(error.schema_path[:-1]))

    def _alternatives(self, path: Path, branches: list[Branch]) -> Iterator[Finding]:
        ranks = [_rank(branch, path) for branch in branches]
        best = [branch for branch, rank in zip(branches, ranks, strict=True) if rank == min(ranks)]
        together = self._told_apart(path, branches) if min(ranks)[0] == _OTHERWISE else None
        if together is None and len(best) > 1:
            together = self._alike(best) or self._listed(path, best)
        if together is not None:
            yield together
            return
        for error in best[0]:
            yield from self.explain(error)

    def _told_apart(self, path: Path, branches: list[Branch]) -> Finding | None:
        """Say that the property by which the alternatives are told apart has none of their values."""
        wanted: dict[Path, list[ValidationError]] = {}
        for error in (error for branch in branches for error in branch if _distance(error, path) == _OTHERWISE):
            wanted.setdefault(_path(error), []).append(error)
        place, errors = max(wanted.items(), key=lambda item: len(item[1]))
        if len(errors) < 2:
            return None
        options = {shown(option): None for error in errors for option in _options(error.kind)}
        return Finding(place, f"must be {either(list(options))}, not {shown(_at(self._value, place))}")

    def _alike(self, branches: list[Branch]) -> Finding | None:
        """Tell alternatives that differ only in the type or in the values they want as one."""
        errors = [branch[0] for branch in branches]
        path = _path(errors[0])
        if any(len(branch) > 1 for branch in branches) or any(_path(error) != path for error in errors):
            return None
        if all(isinstance(error.kind, Kind.Type) for error in errors):
            words = kinds_of(
                [kind for error in errors if isinstance(error.kind, Kind.Type) for kind in error.kind.types]
            )
        elif all(isinstance(error.kind, Kind.Enum) for error in errors):
            words = [shown(option) for error in errors for option in _options(error.kind)]
        else:
            return None
        return Finding(path, f"must be {either(list(dict.fromkeys(words)))}, not {shown(_at(self._value, path))}")

    def _listed(self, path: Path, best: list[Branch]) -> Finding | None:
        """Say what is wrong with each of several equally likely alternatives; None if it is the same with all."""
        found = [[finding for error in branch for finding in self.explain(error)] for branch in best]
        told = list(dict.fromkeys("; ".join(_told(finding, len(path)) for finding in branch) for branch in found))
        if len(told) == 1:
            return None
        told[4:] = ["..."] if len(told) > 4 else []
        return Finding(path, f"fits no alternative: {' | '.join(told)}")


_ANOTHER_KIND = 3
"""The alternative is for quite another kind of value: a string for an object, an object for a reference."""
_OTHERWISE = 2
"""A property by which alternatives are told apart, such as ``in`` or ``type``, says otherwise."""
_WRONG_VALUE = 1


def _rank(branch: Branch, path: Path) -> tuple[int, int]:
    """Order alternatives by how likely each was meant: least wrong about what the value is, then least wrong."""
    return max((_distance(error, path) for error in branch), default=0), len(branch)


def _distance(error: ValidationError, path: Path) -> int:
    way = _path(error)
    match error.kind:
        case Kind.Type() | Kind.Enum() | Kind.Required(property="$ref") if way == path:
            return _ANOTHER_KIND
        case Kind.Enum() | Kind.Constant() if len(way) == len(path) + 1:
            return _OTHERWISE if len(_options(error.kind)) == 1 else _WRONG_VALUE
        case Kind.AnyOf(context=context) | Kind.OneOfNotValid(context=context):
            return min((_rank(branch, path)[0] for branch in context), default=0)
    return 0


def _flat(context: Sequence[Branch], path: Path) -> Iterator[Branch]:
    """Yield the alternatives; where one is itself a choice and nothing else is wrong with it, those of that.

    That a file might stand there (``json_schema.STAND_INS``) is left out: nobody who calls knows of stand-ins.
    """
    for branch in context:
        if len(branch) == 1 and _path(branch[0]) == path:
            kind = branch[0].kind
            if isinstance(kind, Kind.AnyOf | Kind.OneOfNotValid):
                yield from _flat(kind.context, path)
                continue
        if not (len(branch) == 1 and STAND_INS[0] in _options(branch[0].kind)):
            yield branch


def _path(error: ValidationError) -> Path:
    return tuple(error.instance_path)


def _options(kind: Kind) -> list[Any]:
    if isinstance(kind, Kind.Enum):
        return list(kind.options)
    return [kind.expected_value] if isinstance(kind, Kind.Constant) else []


def _told(finding: Finding, depth: int) -> str:
    below = ".".join(str(step) for step in finding.path[depth:])
    return f"{below} {finding.message}" if below else finding.message


def _measured(kind: Kind, found: Any) -> str:
    if isinstance(kind, _COUNTED) and found:
        return f"{len(found)}: {shown(found)}"
    return shown(found)


def _name_rule(error: ValidationError) -> str:
    demanded = demand(error.kind)
    return f"names must {demanded}" if demanded else error.message


def _number_of(schema: Any) -> str:
    """Return how many items must fit ``contains`` (JSON Schema 2020-12, validation section 6.4)."""
    least = schema.get("minContains", 1) if isinstance(schema, Mapping) else 1
    most = schema.get("maxContains") if isinstance(schema, Mapping) else None
    return f"at least {least}" if most is None else f"{least} to {most}"


def _denial(parent: Any, schema: Any) -> str:
    for place in (schema, parent):
        if isinstance(place, Mapping) and isinstance(place.get("description"), str):
            return str(place["description"])
    return f"must not fit {shown(schema)}"


def _hint(name: str, schema: Any) -> str:
    """Return the nearest known name, or what names must be like."""
    if not isinstance(schema, Mapping):
        return ""
    patterns = [pattern for pattern in schema.get("patternProperties", {}) if pattern != "^x-"]
    lists = [found[1] for pattern in patterns if (found := re.fullmatch(r"\^\(([\w|]+)\)\$", pattern))]
    known = [*schema.get("properties", {}), *(word for words in lists for word in words.split("|"))]
    names = f"; names must match {' or '.join(patterns)}" if patterns and not lists else ""
    return did_you_mean(name, known) or names


def _at(value: Any, path: Path) -> Any:
    for step in path:
        try:
            # The way to the member "200" of an object says 200, as that to an item of an array does.
            value = value[str(step) if isinstance(value, Mapping) else step]
        except (LookupError, TypeError):
            return None
    return value
