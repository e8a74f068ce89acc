"""Which deliveries a function wants: ``match: {header.X-GitHub-Event: push, body.action: opened}``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from funcatron.types import MISSING

__all__ = ["Delivery", "Match", "Place"]

PARTS = ("header", "query", "body")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was posted: ``headers`` by name in lower case, ``query`` by name, ``body`` decoded by its Content-Type."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a delivery: ``header.NAME``, ``query.NAME``, ``body.NAME``, ``body.NAME.NAME``."""

    part: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read a place; raises ValueError in words."""
        part, _, name = text.partition(".")
        if part not in PARTS or not name or (part == "body" and not all(name.split("."))):
            raise ValueError(f"{text!r} is no place in a request: header.NAME, query.NAME or body.NAME")
        return cls(part, name.lower() if part == "header" else name)

    def find(self, delivery: Delivery) -> Any:
        """Return what stands there, or MISSING; text in headers and query, any JSON value in a body."""
        if self.part == "header":
            return delivery.headers.get(self.name, MISSING)
        if self.part == "query":
            return delivery.query.get(self.name, MISSING)
        value = delivery.body
        for name in self.name.split("."):
            value = value.get(name, MISSING) if isinstance(value, Mapping) else MISSING
        return value

    @property
    def pointer(self) -> str:
        """The place as violations name it."""
        name = self.name.replace("~", "~0").replace("/", "~1")
        return f"/{self.part}/" + (name.replace(".", "/") if self.part == "body" else name)


@dataclass(frozen=True, slots=True)
class Match:
    """Conditions that all must hold; without any, every delivery is wanted."""

    conditions: tuple[tuple[Place, Any], ...]

    @classmethod
    def parse(cls, conditions: Mapping[str, Any]) -> Match:
        """Read conditions by place; raises ValueError in words."""
        return cls(tuple((Place.parse(text), value) for text, value in conditions.items()))

    def holds(self, delivery: Delivery) -> bool:
        """Whether each place has its value. A body's is of the same type; headers and queries are compared as text."""
        return all(_same(place, place.find(delivery), value) for place, value in self.conditions)


def _same(place: Place, found: Any, wanted: Any) -> bool:
    if place.part != "body":
        return bool(found == (wanted if isinstance(wanted, str) else json.dumps(wanted)))
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)
