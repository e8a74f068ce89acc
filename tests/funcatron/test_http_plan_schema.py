"""Schemas of plans: jsonschema-rs never accepts what connexion's validators refuse."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from funcatron.http.plan.lowered import Lowering, Unprovable
from funcatron.http.plan.patterns import is_narrower
from funcatron.http.plan.schema import PARAMETERS, REQUESTS, RESPONSES, Dialect, acceptor
from tests.conformance.planned.api import Api
from tests.conformance.planned.schemas import schema
from tests.conformance.planned.values import value


@pytest.mark.parametrize("dialect", [PARAMETERS, REQUESTS, RESPONSES], ids=["parameters", "requests", "responses"])
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_is_accepted_is_accepted_by_connexion(dialect: Dialect, seed: int) -> None:
    random = Random(seed)
    made = schema(random)
    accepts = acceptor(made, dialect)
    stock = dialect.validator(made, format_checker=Draft4Validator.FORMAT_CHECKER)
    for _ in range(10):
        tried = value(random, Api("schemas", {}), made)
        assert not accepts(tried) or stock.is_valid(tried), (made, tried)


def test_a_schema_may_contain_itself() -> None:
    node: dict[str, Any] = {"type": "object", "properties": {"size": {"type": "integer"}}}
    node["properties"]["next"] = node
    accepts = acceptor(node, REQUESTS)
    assert accepts({"size": 1, "next": {"next": {"size": 2}}})
    assert not accepts({"size": 1, "next": {"next": {"size": "2"}}})


def test_nullable_frees_the_type_and_the_enumeration_for_requests_only() -> None:
    made = {"type": "string", "enum": ["a"], "nullable": True}
    assert acceptor(made, REQUESTS)(None)
    assert not acceptor(made, PARAMETERS)(None)
    assert not acceptor({"minLength": 1, "type": "integer"}, REQUESTS)(None)


def test_a_response_may_not_have_what_is_write_only() -> None:
    made = {"type": "object", "properties": {"secret": {"type": "string", "writeOnly": True}}}
    assert acceptor(made, REQUESTS)({"secret": "s"})
    assert not acceptor(made, RESPONSES)({"secret": "s"})
    assert acceptor(made, RESPONSES)({})


@pytest.mark.parametrize(
    "made",
    [
        {"multipleOf": 0.1},
        {"patternProperties": {"^a": {"type": "string"}}},
        {"type": "file"},
        {"$ref": "#/components/schemas/A"},
        {"enum": [object()]},
        {"minLength": "1"},
    ],
)
def test_what_is_not_known_to_be_judged_alike_is_asked_of_connexions_validator(made: dict[str, Any]) -> None:
    with pytest.raises((Unprovable, ValueError, TypeError)):
        jsonschema_rs.Draft4Validator(Lowering(nullable=True, write_only=False).lower(made))
    assert acceptor(made, REQUESTS).__self__.__class__ is REQUESTS.validator  # type: ignore[attr-defined]


def test_fractions_divide_as_python_divides() -> None:
    assert not acceptor({"multipleOf": 0.01}, REQUESTS)(4.35)


NARROWER = [
    r"^[a-z]+$",
    r"^\d{2,4}$",
    r"^(a|b)*c?$",
    r"^[A-Z]{2}-\d+$",
    r"\w+@\w+\.com",
    r"^[^/]+$",
    r"a(b(c|d)e)*f",
    r"^.{3}$",
]
NOT_NARROWER = [
    r"\s",
    r"[^\d]",
    r"\D",
    "(?i)a",
    "(?=a)b",
    r"a\Z",
    "ä",
    r"\bx",
    "[a&&b]",
    "[[a]",
    r"(?P<n>a)",
    r"(a)\1",
    "a{,3}",
    "a{",
]


@pytest.mark.parametrize("pattern", NARROWER)
def test_usual_patterns_are_judged_in_rust(pattern: str) -> None:
    assert is_narrower(pattern)
    jsonschema_rs.Draft4Validator({"pattern": pattern})


@pytest.mark.parametrize("pattern", NOT_NARROWER)
def test_what_rust_may_read_otherwise_is_not(pattern: str) -> None:
    assert not is_narrower(pattern)


@settings(max_examples=400, deadline=None)
@given(
    pattern=st.text(r"abz09AZ\dws.^$*+?()[]{}|-,_ @#&~\n:=!", max_size=12),
    texts=st.lists(st.text("abz09AZ .-_@\n\r\u2028٣é{}[]()|\\", max_size=8), max_size=20),
)
def test_what_matches_a_narrower_pattern_in_rust_matches_it_in_python(pattern: str, texts: list[str]) -> None:
    if not is_narrower(pattern):
        return
    try:
        rust = jsonschema_rs.Draft4Validator({"pattern": pattern})
    except jsonschema_rs.ValidationError:
        return
    python = re.compile(pattern)
    for text in texts:
        assert not rust.is_valid(text) or python.search(text), (pattern, text)
