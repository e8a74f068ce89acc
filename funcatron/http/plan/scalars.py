"""Values of parameters: how connexion makes them of text, and the quickest check that they are valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from connexion.utils import boolean
from jsonschema import Draft4Validator

from funcatron.http.plan.refusal import Refused
from funcatron.http.plan.schema import Accepts, Dialect, acceptor

__all__ = ["Cast", "cast_of", "check"]

Cast: TypeAlias = Callable[[str], Any]
"""Makes a value of a text; raises ValueError or TypeError where connexion leaves the text as it is."""

_CASTS: dict[str, Cast | None] = {"string": None, "integer": int, "number": float, "boolean": boolean}
_KEYWORDS = {*Draft4Validator.VALIDATORS, "exclusiveMinimum", "exclusiveMaximum"} - {"type"}
_UNBOUNDED = float("inf")


def cast_of(schema: Mapping[str, Any]) -> Cast | None:
    """Return what makes a value of this schema's type of a text, None if the text is the value; raises Refused."""
    kind = schema.get("type")
    if kind not in _CASTS:
        raise Refused(f"a parameter of type {kind}")
    return _CASTS[kind]


def check(schema: Mapping[str, Any], dialect: Dialect) -> Accepts | None:
    """Return what accepts the values of a scalar that have its type already, None if all are valid."""
    keywords = schema.keys() & _KEYWORDS
    if schema.get("format") not in dialect.formats.checkers:
        keywords -= {"format"}
    if not keywords:
        return None
    if schema["type"] == "string" and keywords <= {"minLength", "maxLength"}:
        return _length(schema.get("minLength", 0), schema.get("maxLength", _UNBOUNDED))
    if schema["type"] == "integer" and keywords <= {"minimum", "maximum"}:
        return _between(schema.get("minimum", -_UNBOUNDED), schema.get("maximum", _UNBOUNDED))
    return acceptor(schema, dialect)


def _length(least: int, most: float) -> Accepts:
    return lambda text: least <= len(text) <= most


def _between(least: float, most: float) -> Accepts:
    return lambda number: least <= number <= most
