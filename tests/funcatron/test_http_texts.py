"""Parameters of one text: the quick way is sure of what casting and validating says, and of nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from funcatron.http.texts import Text, last_texts, read_texts, stays_text, text_of
from tests.funcatron.functions import make, parameter

INTEGER = {"type": "integer", "minimum": -5, "maximum": 10**17}
SCHEMAS: list[dict[str, Any]] = [
    INTEGER,
    {"type": "integer"},
    {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
    {"type": "integer", "nullable": True},
    {"type": "string", "minLength": 1, "maxLength": 3},
    {"type": "string", "enum": ["a", "7"]},
    {"type": "string", "pattern": "^a"},
    {"type": "string", "format": "date"},
    {"type": "number"},
    {"type": "boolean"},
    {},
    {"anyOf": [{"type": "string"}, {"type": "integer"}]},
]
TEXTS = ["", "a", "abcd", "ü", "7", "007", "+7", "-7", "1_0", "7.0", "\u0667", "9" * 15, "9" * 30, "null", "true", " 7"]


async def everything(**arguments: Any) -> None: ...


def quickly(text: Text, given: str) -> Any:
    """Return what the quick way makes of a text, None where it is not sure."""
    arguments: dict[str, Any] = {}
    name, argument, *quick, _, _ = text
    sure = read_texts([(name, argument, *quick, str, lambda value: False)], {name: given}, arguments)  # type: ignore[arg-type]
    return arguments[argument] if sure else None


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_the_quick_way_is_sure_of_what_is_certain(schema: dict[str, Any]) -> None:
    function = make(everything, method="get", parameters=[parameter("item-id", schema=schema)])
    (slot,) = function.binder.slots
    text = text_of(function, slot, "item-id")
    cast = text[-2]
    assert stays_text(function, slot.parameter) is (schema.get("type", "string") == "string" and "anyOf" not in schema)
    for given in TEXTS:
        value = cast(given)
        quick = quickly(text, given)
        assert quick is None or (quick == value and type(quick) is type(value) and slot.validator.is_valid(value))
        arguments: dict[str, Any] = {}
        assert read_texts([text], {"item-id": given}, arguments) is slot.validator.is_valid(value)
        assert arguments == {"item_id": value}
    assert (read_texts([text], {}, arguments), arguments) == (True, {"item_id": value})


def test_most_texts_take_the_quick_way() -> None:
    described = [parameter("n", schema=INTEGER), parameter("s", schema={"type": "string"})]
    function = make(everything, method="get", parameters=described)
    number, text = (text_of(function, slot, slot.parameter.name) for slot in function.binder.slots)
    assert (quickly(number, "7"), quickly(number, "123456"), quickly(text, "abc")) == (7, 123456, "abc")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"a=1", {"a": "1"}),
        (b"a=1&b=2&a=3", {"a": "3", "b": "2"}),
        (b"a=1=2&b&&=", {"a": "1=2", "b": "", "": ""}),
        (b"a=%C3%BC+x&%61=2", {"a": "2"}),
        (b"a=x+y%2B&b=\xc3\xbc", {"a": "x y+", "b": "ü"}),
    ],
)
def test_the_last_text_of_each_name(query: bytes, expected: dict[str, str]) -> None:
    assert {name: text for name, text in last_texts(query).items() if name or text or "" in expected} == expected
