"""Validators: what OpenAPI's schemas mean, values of every sort, and messages that say what and where."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

import pytest

from funcatron.schemas import SchemaValidator, compile_schema, plain_json
from funcatron.spec.document import Document, load
from funcatron.spec.json_schema import lower

INFO = {"title": "T", "version": "1"}


def document(schemas: dict[str, Any] | None = None, version: int = 3) -> Document:
    if version == 2:
        return load({"swagger": "2.0", "info": INFO, "paths": {}, "definitions": schemas or {}})
    return load({"openapi": "3.0.3", "info": INFO, "paths": {}, "components": {"schemas": schemas or {}}})


def validator(
    schema: dict[str, Any],
    schemas: dict[str, Any] | None = None,
    direction: Literal["request", "response"] = "request",
) -> SchemaValidator:
    return compile_schema(document(schemas), schema, direction=direction)


def told(schema: dict[str, Any], value: Any, schemas: dict[str, Any] | None = None, **more: Any) -> list[str]:
    """Return the violations, and assert that ``is_valid`` says the same."""
    compiled = validator(schema, schemas, **more)
    found = [f"{violation.pointer}: {violation.message}" for violation in compiled.violations(value, "/body")]
    assert compiled.is_valid(value) == (not found)
    return found


class Upload:
    """What a form's file is handed over as: nothing JSON knows."""

    file = BytesIO(b"x")


ANYTHING = [None, True, 0, 1.5, "", "é\U0001f600", [], {}, {"a": [None]}, 2**70, -(2**70), 10**4000, b"", Upload()]


@pytest.mark.parametrize("value", ANYTHING)
def test_the_empty_schema_takes_anything(value: Any) -> None:
    assert told({}, value) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "/body: must be a finite number"),
        (math.inf, "/body: must be a finite number"),
        ([1, {"a": -math.inf}], "/body/1/a: must be a finite number"),
        ([Decimal("NaN")], "/body/0: must be a finite number"),
        ({1: 2}, "/body/1: the key must be a string, not int"),
        ({"a": {None: 2}}, "/body/a/None: the key must be a string, not NoneType"),
        ("\ud800", "/body: must be valid Unicode: it has a lone surrogate"),
        ({"\ud800": 1}, "/body: must be valid Unicode: it has a lone surrogate"),
    ],
)
@pytest.mark.parametrize("schema", [{}, {"nullable": True, "type": "string"}, {"type": "object"}])
def test_what_json_cannot_carry_fits_nowhere(schema: dict[str, Any], value: Any, message: str) -> None:
    found = told(schema, value)
    assert found
    if not schema:
        assert found == [message]


def test_nesting_without_end_is_refused_and_much_nesting_is_not() -> None:
    tree = {"N": {"type": "array", "items": {"$ref": "#/components/schemas/N"}}}
    schema = {"$ref": "#/components/schemas/N"}
    value: list[Any] = []
    for _ in range(400):
        value = [value]
    assert told(schema, value, tree) == []
    for _ in range(100_000):
        value = [value]
    (message,) = told(schema, value, tree)
    assert message.endswith("must not be nested deeper than 500 levels")


class Colour(enum.StrEnum):
    RED = "red"


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "enum": ["red"]}, Colour.RED),
        ({"type": "string", "minLength": 2}, Text("ab")),
        ({"type": "object", "required": ["a"]}, MappingProxyType({"a": 1})),
        ({"type": "object", "required": ["a"]}, OrderedDict(a=1)),
        ({"type": "array", "items": {"type": "integer"}}, (1, 2)),
        ({"type": "number", "minimum": 1}, Decimal("1.5")),
        ({"type": "integer"}, 2**70),
        ({"type": "number", "maximum": 2**71}, 2**70),
        ({"type": "integer", "minimum": -(2**71)}, -(2**70)),
        ({"type": "boolean"}, True),
        ({"type": "number"}, 1),
    ],
)
def test_pythons_kin_of_json_types(schema: dict[str, Any], value: Any) -> None:
    assert told(schema, value) == []


@pytest.mark.parametrize(
    ("schema", "value", "messages"),
    [
        ({"type": "integer"}, 1.0, ["/body: must be an integer, not 1.0"]),
        ({"type": "integer"}, True, ["/body: must be an integer, not true"]),
        ({"type": "integer"}, "1", ['/body: must be an integer, not "1"']),
        ({"type": "boolean"}, 1, ["/body: must be true or false, not 1"]),
        ({"type": "string"}, None, ["/body: must be a string, not null"]),
        ({"type": "number", "maximum": 5}, 2**70, [f"/body: must be at most 5, not {2**70}"]),
        ({"type": "number", "minimum": 5, "exclusiveMinimum": True}, 5, ["/body: must be greater than 5, not 5"]),
        ({"type": "number", "maximum": 5, "exclusiveMaximum": True}, 5, ["/body: must be less than 5, not 5"]),
        ({"type": "number", "exclusiveMinimum": True}, -1, []),  # there is no bound to exclude
        ({"type": "number", "multipleOf": 0.1}, 0.3, []),
        ({"type": "number", "multipleOf": 5}, 7, ["/body: must be a multiple of 5, not 7"]),
        ({"type": "string", "minLength": 3}, "é€", ['/body: must have at least 3 characters, not 2: "é€"']),
        ({"type": "string", "maxLength": 1}, "ab", ['/body: must have at most 1 character, not 2: "ab"']),
        ({"type": "string", "pattern": "^a+$"}, "b", ['/body: must match the pattern ^a+$, not "b"']),
        ({"type": "string", "enum": ["a", "b"]}, "c", ['/body: must be "a" or "b", not "c"']),
        ({"type": "string", "enum": ["a", "b"]}, 5, ['/body: must be "a" or "b", not 5']),
        ({"enum": [1, True, 1]}, 2, ["/body: must be 1 or true, not 2"]),
        ({"type": "array", "minItems": 1}, [], ["/body: must have at least 1 item, not []"]),
        ({"type": "array", "maxItems": 2}, [1, 2, 3], ["/body: must have at most 2 items, not 3: [1, 2, 3]"]),
        ({"type": "array", "uniqueItems": True}, [1, 2, 1], ["/body: must have no equal items, not [1, 2, 1]"]),
        ({"type": "object", "minProperties": 1}, {}, ["/body: must have at least 1 property, not {}"]),
        ({"type": "object", "maxProperties": 0}, {"a": 1}, ['/body: must have at most 0 properties, not {"a": 1}']),
        ({"type": "object"}, b"abc", ["/body: must be an object, not 3 bytes"]),
        ({"type": "string"}, b"abc", ["/body: must be a string, not 3 bytes"]),
        ({"type": "string"}, Upload(), ["/body: must be a string, not Upload"]),
        ({"type": "string"}, datetime(2024, 1, 31, tzinfo=UTC), ["/body: must be a string, not datetime"]),
        ({"not": {"type": "string"}}, "a", ['/body: must not fit {"type": "string"}']),
    ],
)  # fmt: skip
def test_messages(schema: dict[str, Any], value: Any, messages: list[str]) -> None:
    assert told(schema, value) == messages


ORDER = {
    "type": "object",
    "required": ["name", "items"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "a/b~c": {"type": "integer"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"price": {"type": "number", "minimum": 0}},
                "required": ["price"],
            },
        },
    },
}


def test_all_violations_each_at_its_place() -> None:
    assert sorted(told(ORDER, {"items": [{"price": -1}, {}, 5], "a/b~c": "x", "nmae": 1})) == [
        '/body/a~1b~0c: must be an integer, not "x"',
        "/body/items/0/price: must be at least 0, not -1",
        "/body/items/1/price: is required",
        "/body/items/2: must be an object, not 5",
        "/body/name: is required",
        "/body/nmae: is not a known property; did you mean 'name'?",
    ]
    assert validator(ORDER).violations({"items": [5]}) != []
    assert [v.pointer for v in validator({"type": "string"}).violations(5)] == [""]


def test_flaws_and_violations_together() -> None:
    value = {"name": math.nan, "items": [{"price": -1}, {"price": math.inf}]}
    assert sorted(told(ORDER, value)) == [
        "/body/items/0/price: must be at least 0, not -1",
        "/body/items/1/price: must be a finite number",
        "/body/name: must be a finite number",
    ]


@pytest.mark.parametrize(
    ("form", "good", "bad", "wanted"),
    [
        ("date", "2024-02-29", "2023-02-29", "a date such as 2024-01-31"),
        ("date-time", "2024-01-31T12:00:00.5+01:00", "2024-01-31T12:00:00",
         "a date and time with its zone, such as 2024-01-31T12:00:00Z"),
        ("uuid", "123e4567-E89B-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000",
         "a UUID such as 123e4567-e89b-12d3-a456-426614174000"),
        ("email", "a@example.com", "a@", "an e-mail address"),
        ("ipv4", "127.0.0.1", "127.0.0.256", "an IPv4 address"),
        ("ipv6", "::1", "::g", "an IPv6 address"),
        ("uri", "https://example.com/a?b", "example.com", "an absolute URI"),
        ("hostname", "a-b.example", "-a.example", "a host name"),
        ("byte", "aGk=", "aGk", "base64"),
    ],
)  # fmt: skip
def test_formats(form: str, good: str, bad: str, wanted: str) -> None:
    assert told({"type": "string", "format": form}, good) == []
    assert told({"type": "string", "format": form}, bad) == [f'/body: must be {wanted}, not "{bad}"']


@pytest.mark.parametrize("form", ["password", "binary", "unheard-of", "float", "double", "path"])
def test_other_formats_say_nothing_of_strings(form: str) -> None:
    assert told({"type": "string", "format": form}, "anything") == []


@pytest.mark.parametrize(("form", "low", "high"), [("int32", -(2**31), 2**31 - 1), ("int64", -(2**63), 2**63 - 1)])
def test_ranges_of_integers(form: str, low: int, high: int) -> None:
    schema = {"type": "integer", "format": form, "minimum": low - 10}
    assert told(schema, low) == told(schema, high) == []
    assert told(schema, low - 1) == [f"/body: must be at least {low}, not {low - 1}"]
    assert told(schema, high + 1) == [f"/body: must be at most {high}, not {high + 1}"]


def test_a_password_is_not_repeated() -> None:
    assert told({"type": "string", "format": "password", "minLength": 9}, "hunter2") == [
        "/body: must have at least 9 characters"
    ]


def test_files_fit_where_the_format_is_binary() -> None:
    binary = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "properties": {"file": binary, "files": {"type": "array", "items": binary}, "n": {"type": "integer"}},
    }
    assert told(binary, b"abc") == told(binary, Upload()) == told(binary, "text") == []
    assert told({**binary, "maxLength": 1}, b"abc") == []
    assert told(form, {"file": Upload(), "files": [b"", Upload()], "n": 1}) == []
    assert told({"$ref": "#/components/schemas/B"}, b"", {"B": binary}) == []
    assert sorted(told(form, {"file": 5, "files": [Upload(), None], "n": b"12"})) == [
        "/body/file: must be a string, not 5",
        "/body/files/1: must be a string, not null",
        "/body/n: must be an integer, not 2 bytes",
    ]
    assert told({"type": "object", "properties": {"o": {"type": "object", "required": ["x"]}}}, {"o": b""}) == [
        "/body/o: must be an object, not 0 bytes"
    ]
    assert told({"oneOf": [binary, {"type": "integer"}]}, b"x") == []


def test_a_value_that_is_the_stand_in_itself_is_only_a_value() -> None:
    assert told({"type": "integer"}, {"\0file": True}) == ['/body: must be an integer, not {"\\u0000file": true}']
    assert told({"type": "string", "format": "binary"}, {"\0file": True}) != []


def test_nullable() -> None:
    assert told({"type": "string", "nullable": True}, None) == []
    assert told({"type": "string", "nullable": True, "enum": ["a"]}, None) == []
    assert told({"type": "string", "nullable": True}, 5) == ["/body: must be a string or null, not 5"]
    assert told({"type": "string", "nullable": False}, None) != []
    assert told({"nullable": True, "allOf": [{"type": "string"}]}, None) != []  # 3.0.3: only beside a type
    old = compile_schema(document(version=2), {"type": "string", "x-nullable": True}, direction="request")
    assert old.is_valid(None)


def test_references_hide_their_siblings_and_only_the_reachable_comes_along() -> None:
    schemas = {
        "A": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/B", "type": "integer"}}},
        "B": {"type": "string"},
        "C": {"type": "object"},
    }
    compiled = validator({"$ref": "#/components/schemas/A", "required": ["x"]}, schemas)
    assert compiled.is_valid({"b": "text"})
    assert not compiled.is_valid({"b": 1})
    lowered = lower({"$ref": "#/components/schemas/A"}, document(schemas).resolve, direction="request")
    assert len(lowered["definitions"]) == 2


def test_recursive_schemas() -> None:
    schemas = {
        "Node": {
            "type": "object",
            "required": ["value"],
            "properties": {
                "value": {"type": "integer"},
                "next": {"$ref": "#/components/schemas/Node"},
                "children": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Node"}},
            },
        },
        "Base": {"oneOf": [{"$ref": "#/components/schemas/Derived"}]},  # the usual discriminator, endless on paper
        "Derived": {"allOf": [{"$ref": "#/components/schemas/Base"}, {"type": "object", "required": ["kind"]}]},
    }
    node = {"$ref": "#/components/schemas/Node"}
    assert told(node, {"value": 1, "next": {"value": 2, "children": {"a": {"value": 3}}}}, schemas) == []
    assert told(node, {"value": 1, "next": {"value": 2, "children": {"a": {"value": "x"}}}}, schemas) == [
        '/body/next/children/a/value: must be an integer, not "x"'
    ]
    assert validator({"$ref": "#/components/schemas/Base"}, schemas).is_valid({"kind": "x"})


def test_schemas_as_deep_as_a_document_may_be() -> None:
    schema: dict[str, Any] = {"type": "integer", "format": "int32"}
    value: Any = 5
    for _ in range(57):
        schema, value = {"type": "object", "properties": {"a": schema}, "nullable": True}, {"a": value}
    deep = validator({"$ref": "#/components/schemas/Deep"}, {"Deep": schema})
    assert deep.is_valid(value)
    assert validator(schema).is_valid(value)


def test_long_chains_of_references() -> None:
    size = 1500
    schemas: dict[str, Any] = {
        f"S{n}": {"properties": {"next": {"$ref": f"#/components/schemas/S{n + 1}"}}} for n in range(size)
    }
    schemas[f"S{size}"] = {"type": "integer"}
    assert validator({"$ref": "#/components/schemas/S0"}, schemas).is_valid({"next": {"next": {}}})


USER = {
    "type": "object",
    "required": ["id", "name", "password"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": {"type": "string"},
        "password": {"type": "string", "writeOnly": True},
    },
}


def test_read_only_is_not_demanded_in_a_request() -> None:
    assert told(USER, {"name": "n", "password": "p"}) == []
    assert told(USER, {"name": "n", "password": "p", "id": 1}) == []
    assert told(USER, {"name": "n", "password": "p", "id": "x"}) == ['/body/id: must be an integer, not "x"']
    assert told(USER, {}) == ["/body/name: is required", "/body/password: is required"]


def test_write_only_is_not_demanded_in_a_response_and_may_not_appear() -> None:
    assert told(USER, {"name": "n", "id": 1}, direction="response") == []
    assert told(USER, {"name": "n"}, direction="response") == ["/body/id: is required"]
    assert told(USER, {"name": "n", "id": 1, "password": "p"}, direction="response") == [
        "/body/password: is write-only and must not be in a response"
    ]


def test_read_only_through_references_and_all_of() -> None:
    schemas = {
        "Id": {"type": "integer", "readOnly": True},
        "Base": {"type": "object", "properties": {"id": {"$ref": "#/components/schemas/Id"}}},
        "Strict": {"type": "object", "required": ["id", "name"]},
        "Loop": {"allOf": [{"$ref": "#/components/schemas/Loop"}]},
    }
    parts = [{"$ref": f"#/components/schemas/{name}"} for name in ("Base", "Strict", "Loop")]
    assert told({"allOf": parts}, {"name": "n"}, schemas) == []
    assert told({"allOf": parts}, {}, schemas) == ["/body/name: is required"]
    assert told({"$ref": "#/components/schemas/Strict"}, {"name": "n"}, schemas) == ["/body/id: is required"]


def test_write_only_of_2_0() -> None:
    schema = {"type": "object", "properties": {"p": {"type": "string", "x-writeOnly": True}}}
    compiled = compile_schema(document(version=2), schema, direction="response")
    assert compiled.is_valid({})
    assert not compiled.is_valid({"p": "x"})


def test_2_0_files_take_anything_and_items_may_be_a_list() -> None:
    assert compile_schema(document(version=2), {"type": "file"}, direction="response").is_valid(b"x")
    pair = {"type": "array", "items": [{"type": "integer"}, {"type": "string"}]}
    compiled = compile_schema(document(version=2), pair, direction="request")
    assert compiled.is_valid([1, "a"])
    assert not compiled.is_valid(["a", 1])


CAT = {
    "type": "object",
    "required": ["kind", "lives"],
    "properties": {"kind": {"enum": ["cat"]}, "lives": {"type": "integer"}},
}
DOG = {
    "type": "object",
    "required": ["kind", "bark"],
    "properties": {"kind": {"enum": ["dog"]}, "bark": {"type": "boolean"}},
}


@pytest.mark.parametrize("choice", ["oneOf", "anyOf"])
@pytest.mark.parametrize(
    ("alternatives", "value", "messages"),
    [
        ([CAT, DOG], {"kind": "dog", "bark": 5}, ["/body/bark: must be true or false, not 5"]),
        ([CAT, DOG], {"kind": "cow"}, ['/body/kind: must be "cat" or "dog", not "cow"']),
        ([CAT, DOG], 5, ["/body: must be an object, not 5"]),
        ([{"type": "string"}, {"type": "integer"}], [], ["/body: must be a string or an integer, not []"]),
        ([{"type": "string"}, {"type": "array", "items": {"type": "string"}}], [1],
         ["/body/0: must be a string, not 1"]),
        ([{"type": "string", "maxLength": 1}, {"type": "string", "format": "date"}], "ab",
         ['/body: fits no alternative: must have at most 1 character, not 2: "ab" | '
          'must be a date such as 2024-01-31, not "ab"']),
        ([{"required": ["a"]}, {"required": ["b", "c"]}], {"b": 1},
         ["/body: fits no alternative: a is required | c is required"]),
    ],
)  # fmt: skip
def test_choices_are_dug_into(choice: str, alternatives: list[Any], value: Any, messages: list[str]) -> None:
    assert told({choice: alternatives}, value) == messages


def test_too_many_alternatives_fit() -> None:
    assert told({"oneOf": [{"type": "integer"}, {"minimum": 1}]}, 5) == [
        "/body: must fit exactly one alternative and fits several, not 5"
    ]


def test_the_discriminator_has_no_say() -> None:
    schema = {"oneOf": [CAT, DOG], "discriminator": {"propertyName": "kind"}}
    assert told(schema, {"kind": "dog", "bark": True}) == []


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^\d+$", "12", "١٢"),  # ECMA-262: ASCII digits
        (r"^\p{L}+$", "é", "1"),
        (r"(?<!a)b", "cb", "ab"),
        (r"^(a)\1$", "aa", "ab"),
        (r"^a+\Z", "aa", "aab"),  # the rest only Python understands
        (r"^(?P<x>a)(?P=x)$", "aa", "ab"),
        (r"(?i)^abc$", "ABC", "x"),
        (r"^a{,2}$", "aa", "aaa"),
    ],
)
def test_patterns(pattern: str, good: str, bad: str) -> None:
    schema = {"type": "string", "pattern": pattern}
    assert told(schema, good) == []
    assert told(schema, bad) == [f'/body: must match the pattern {pattern}, not "{bad}"']
    assert told({"pattern": pattern}, 5) == []


def test_what_was_found_is_shortened() -> None:
    (long,) = told({"type": "integer"}, "x" * 1000)
    assert len(long) < 120
    assert long.endswith("...")
    (deep,) = told({"type": "string"}, {"a": [{"b": list(range(10**5))}] * 3})
    assert len(deep) < 120
    (huge,) = told({"type": "string"}, 10**5000)
    assert huge == "/body: must be a string, not an integer of 16610 bits"
    assert told({"type": "string"}, UUID(int=0)) == ["/body: must be a string, not UUID"]


def test_a_thousand_violations_are_enough() -> None:
    assert len(told({"type": "array", "items": {"type": "string"}}, [5] * 5000)) == 1000


def test_nothing_is_compiled_before_it_is_needed() -> None:
    broken = compile_schema(document(), {"$ref": "#/components/schemas/None"}, direction="request")
    with pytest.raises(LookupError):
        broken.is_valid(1)


SCALARS: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "string", "minLength": 1, "maxLength": 3, "description": "short"},
    {"type": "string", "nullable": True, "maxLength": 3},
    {"type": "string", "format": "date"},
    {"type": "string", "enum": ["a", "ab"]},
    {"type": "integer"},
    {"type": "integer", "minimum": 0, "maximum": 1000, "default": 1},
    {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
    {"type": "integer", "format": "int32", "multipleOf": 7},
    {"minimum": 3},
]
VALUES: list[Any] = [
    *("", "a", "ab", "abcd", "äöü", "\ud800", "😀😀😀😀", "2024-05-01", b"a", None, True, False, [], {}),
    *(0, 1, 7, 1000, 1001, -1, 2**31, 2**53, 2**53 + 1, 2**70, 1.0, 1.5, math.nan, math.inf),
]


@pytest.mark.parametrize("schema", SCALARS)
def test_the_short_way_for_scalars_says_what_the_long_way_says(schema: dict[str, Any]) -> None:
    compiled, fresh = validator(schema), validator({"allOf": [schema]})  # what is in allOf takes the long way
    compiled.is_valid("compiled now")
    for value in VALUES:
        assert compiled.is_valid(value) is fresh.is_valid(value), (schema, value)


def test_what_is_plain_json_is_validated_as_it_is() -> None:
    compiled = validator({"type": "object", "properties": {"n": {"type": "integer"}}})
    for value, fits in (({"n": 1}, True), ({"n": "x"}, False)):
        assert plain_json(value) is not None
        assert compiled.decide(value) is compiled.is_valid(value) is fits
    for value in ({"n": math.nan}, {"n": 2**70}, {"n": b"x"}, {"n": datetime.now(UTC)}, {1: 1}, {"\ud800": 1}):
        assert plain_json(value) is None
    assert plain_json({"a": [None, 1.5]}) == b'{"a":[null,1.5]}'
