"""How connexion reads arrays out of a query or a path: ``style`` and ``explode``, in 2.0 ``collectionFormat``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from funcatron.http.plan.refusal import Refused
from funcatron.http.plan.scalars import Cast, cast_of
from funcatron.http.plan.schema import Accepts, Dialect, acceptor

__all__ = ["Splitting", "openapi_splitting", "swagger_splitting"]

_DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|"}
_DEFAULT_STYLES = {"query": "form", "path": "simple"}


@dataclass(frozen=True, slots=True)
class Splitting:
    """One array. ``joined`` is what connexion puts between repeated values, None if the last one counts."""

    joined: str | None
    delimiter: str
    cast: Cast | None
    accepts: Accepts

    def values(self, texts: Sequence[str]) -> list[Any]:
        """Return the items; one that is not of its type stays a text, which no schema accepts that wants the type."""
        text = texts[-1] if self.joined is None else self.joined.join(texts)
        items = text.split(self.delimiter)
        return items if self.cast is None else [_cast(self.cast, item) for item in items]


def openapi_splitting(
    definition: Mapping[str, Any], schema: Mapping[str, Any], location: str, dialect: Dialect
) -> Splitting:
    """Return how OpenAPI 3 writes an array; raises Refused."""
    style = definition.get("style", _DEFAULT_STYLES[location])
    delimiter = _DELIMITERS.get(style, ",")
    explode = definition.get("explode", style == "form")
    return _splitting(schema, delimiter if explode else None, delimiter, dialect)


def swagger_splitting(definition: Mapping[str, Any], dialect: Dialect) -> Splitting:
    """Return how OpenAPI 2.0 writes an array; raises Refused."""
    collection = definition.get("collectionFormat")
    return _splitting(
        definition, "," if collection == "multi" else None, "|" if collection == "pipes" else ",", dialect
    )


def _splitting(schema: Mapping[str, Any], joined: str | None, delimiter: str, dialect: Dialect) -> Splitting:
    items = schema.get("items")
    if not isinstance(items, Mapping):
        raise Refused("an array that does not say what it holds")
    return Splitting(joined, delimiter, cast_of(items), acceptor(schema, dialect))


def _cast(cast: Cast, text: str) -> Any:
    try:
        return cast(text)
    except (ValueError, TypeError):
        return text
