"""Our validators against connexion's own, on schemas and values made at random: they must agree."""

from __future__ import annotations

import warnings
from random import Random
from typing import Any

import pytest

from funcatron.schemas import compile_schema
from funcatron.spec.document import load

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what connexion's own imports warn about
    from connexion.json_schema import Draft4RequestValidator

NAMES = ("A", "B", "C")
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 1.5, 1.0, 2**70, "", "a", "ab", "ba", "é\U0001f600", [], [1], [1, 1], ["a", None], {},
    {"a": 1}, {"a": "a", "b": None}, {"c": [1]}, {"a": {"a": {"b": 1}}}, {"d": True, "b": 2},
]  # fmt: skip


class Inventor:
    """Makes schemas of OpenAPI 3.0 at random."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def document(self) -> dict[str, Any]:
        """Return a document whose schema S uses A, B and C, which may use each other."""
        schemas = {name: self.schema(2, referring=False) for name in NAMES} | {"S": self.schema(3, referring=False)}
        info = {"title": "T", "version": "1"}
        return {"openapi": "3.0.3", "info": info, "paths": {}, "components": {"schemas": schemas}}

    def schema(self, depth: int, *, referring: bool = True) -> dict[str, Any]:
        if referring and self.chance(0.12):
            return {"$ref": f"#/components/schemas/{self.random.choice(NAMES)}"}
        kind = self.random.choice(["integer", "number", "string", "boolean", "array", "object", None])
        schema: dict[str, Any] = {"type": kind} if kind else {}
        if self.chance(0.2):
            schema["nullable"] = self.chance(0.7)
        if self.chance(0.1):
            schema["enum"] = self.random.choices(VALUES, k=3)
        if kind in ("integer", "number", None) and self.chance(0.4):
            schema |= {"minimum": self.random.randint(-3, 3), "exclusiveMinimum": self.chance(0.3)}
            schema |= {"multipleOf": self.random.choice([1, 2, 0.5])} if self.chance(0.2) else {}
        if kind in ("string", None) and self.chance(0.4):
            schema |= {"minLength": self.random.randint(0, 2), "pattern": self.random.choice(["^a", "b$", "a|b", ""])}
        if depth:
            self.nest(schema, kind, depth - 1)
        return schema

    def nest(self, schema: dict[str, Any], kind: str | None, depth: int) -> None:
        if self.chance(0.25):
            choice = self.random.choice(["allOf", "anyOf", "oneOf"])
            schema[choice] = [self.schema(depth) for _ in range(self.random.randint(1, 3))]
        if self.chance(0.06):
            schema["not"] = self.schema(depth)
        if kind in ("array", None) and self.chance(0.6):
            schema |= {
                "items": self.schema(depth),
                "uniqueItems": self.chance(0.3),
                "minItems": self.random.randint(0, 1),
            }
        if kind in ("object", None) and self.chance(0.7):
            schema["properties"] = {name: self.schema(depth) for name in self.random.sample("abcd", 2)}
            if self.chance(0.5):
                schema["required"] = self.random.sample("abcd", self.random.randint(1, 2))
            if self.chance(0.4):
                schema["additionalProperties"] = self.random.choice([True, False, self.schema(depth)])

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability


@pytest.mark.parametrize("seed", range(60))
def test_they_agree(seed: int) -> None:
    given = Inventor(seed).document()
    ours = compile_schema(load(given), {"$ref": "#/components/schemas/S"}, direction="request")
    theirs = Draft4RequestValidator({"allOf": [{"$ref": "#/components/schemas/S"}], "components": given["components"]})
    for value in VALUES:
        try:
            expected = theirs.is_valid(value)
        except RecursionError:  # a schema that applies itself to the same value: only ours sees that it is endless
            continue
        assert ours.is_valid(value) == expected, (given, value)
        assert bool(ours.violations(value)) != expected
