"""Schemas of OpenAPI 3.1: JSON Schema 2020-12, references by name and place, directions, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from funcatron.errors import SpecError
from funcatron.schemas import SchemaValidator, compile_schema
from funcatron.spec.document import Document, load
from funcatron.spec.json_schema import Direction


def document(**schemas: Any) -> Document:
    return load({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "components": {"schemas": schemas}})


def validator(direction: Direction = "request", **schemas: Any) -> SchemaValidator:
    """The validator of the first schema."""
    name = next(iter(schemas))
    return compile_schema(document(**schemas), {"$ref": f"#/components/schemas/{name}"}, direction=direction)


def told(schema: Any, value: Any) -> list[str]:
    checked = validator(A=schema)
    found = checked.violations(value)
    assert checked.is_valid(value) is not bool(found)
    return [f"{violation.pointer} {violation.message}" for violation in found]


@pytest.mark.parametrize(
    ("schema", "value", "messages"),
    [
        ({"type": ["string", "null"]}, None, []),
        ({"type": ["string", "null"]}, 1, [" must be a string or null, not 1"]),
        ({"const": {"a": 1}}, {"a": 1.0}, []),
        ({"const": "cat"}, "dog", [' must be "cat", not "dog"']),
        ({"exclusiveMinimum": 3}, 3, [" must be greater than 3, not 3"]),
        ({"exclusiveMaximum": 3}, 3, [" must be less than 3, not 3"]),
        ({"prefixItems": [{"type": "integer"}], "items": False}, [1], []),
        ({"prefixItems": [{"type": "integer"}], "items": False}, [1, 2], ["/1 must be absent, not 2"]),
        ({"prefixItems": [True], "unevaluatedItems": False}, [1, 2], [" must have no further items, not [1, 2]"]),
        (
            {"contains": {"type": "string"}, "minContains": 2},
            ["a", 1],
            [" must contain at least 2 of the items that are asked for"],
        ),
        ({"contains": {"type": "string"}}, [], [" must contain at least 1 of the items that are asked for"]),
        (
            {"contains": {"type": "string"}, "maxContains": 1},
            ["a", "b"],
            [" must contain 1 to 1 of the items that are asked for"],
        ),
        (
            {"propertyNames": {"maxLength": 2}},
            {"abc": 1},
            ["/abc must not have this name: names must have at most 2 characters"],
        ),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, ["/b is required"]),
        ({"dependentSchemas": {"a": {"required": ["c"]}}}, {"a": 1}, ["/c is required"]),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1}, ["/b is required"]),
        ({"if": {"required": ["a"]}, "else": {"required": ["b"]}}, {}, ["/b is required"]),
        ({"properties": {"a": False}}, {"a": 1}, ["/a must be absent, not 1"]),
        ({"patternProperties": {"^x-": {"type": "integer"}}}, {"x-a": "1"}, ['/x-a must be an integer, not "1"']),
        (
            {"allOf": [{"properties": {"name": {}}}], "unevaluatedProperties": False},
            {"name": 1, "nmae": 2},
            ["/nmae is not a known property"],
        ),
        ({"format": "uuid"}, "1", [' must be a UUID such as 123e4567-e89b-12d3-a456-426614174000, not "1"']),
        ({"format": "time"}, "noon", [' must be a time with its zone, such as 12:00:00Z, not "noon"']),
        ({"type": "integer", "format": "int32"}, 2**31, [" must be at most 2147483647, not 2147483648"]),
        ({"type": "string", "format": "made-up"}, "x", []),
        ({"contentEncoding": "base64", "contentMediaType": "application/json"}, "no base64", []),
        ({"pattern": "(?P<year>[0-9]{4})"}, "year", [' must match the pattern (?P<year>[0-9]{4}), not "year"']),
        (False, 1, [" must be absent, not 1"]),
        (True, 1, []),
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, {"type": "object"}, []),
    ],
)
def test_a_keyword(schema: Any, value: Any, messages: list[str]) -> None:
    assert told(schema, value) == messages


def test_what_stands_beside_a_reference_counts() -> None:
    checked = validator(A={"$ref": "#/components/schemas/B", "minLength": 3}, B={"type": "string", "maxLength": 5})
    assert [checked.is_valid(text) for text in ("ab", "abc", "abcdef", 1)] == [False, True, False, False]


def test_a_description_beside_a_reference_leaves_it_a_reference() -> None:
    content = document(A={"$ref": "#/components/schemas/B", "description": "hello"}, B={"type": "string"}).content
    assert content["components"]["schemas"]["A"] == {"$ref": "#/components/schemas/B", "description": "hello"}


def test_a_read_only_property_is_not_demanded_and_a_write_only_one_not_shown() -> None:
    schema = {
        "required": ["id", "secret", "name"],
        "properties": {
            "id": {"type": "integer", "readOnly": True},
            "secret": {"$ref": "#/components/schemas/Secret"},
            "name": {"type": "string"},
        },
    }
    secret = {"type": "string", "writeOnly": True}
    request, response = (validator(way, A=schema, Secret=secret) for way in ("request", "response"))
    assert request.is_valid({"name": "n", "secret": "s"})
    assert not request.is_valid({"name": "n"})
    assert response.is_valid({"name": "n", "id": 1})
    assert [one.pointer for one in response.violations({"name": "n", "id": 1, "secret": "s"})] == ["/secret"]


def test_a_property_is_waived_through_allof_and_through_the_reference_of_a_base() -> None:
    base = {"type": "object", "properties": {"id": {"readOnly": True}}, "required": ["id"]}
    checked = validator(A={"allOf": [{"$ref": "#/components/schemas/Base"}], "required": ["id"]}, Base=base)
    assert checked.is_valid({})


def test_a_recursive_schema() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#/components/schemas/Node"}},
        "unevaluatedProperties": False,
    }
    checked = validator(Node=node)
    assert checked.is_valid({"next": {"next": {}}})
    assert [one.pointer for one in checked.violations({"next": {"next": {"nxt": 1}}})] == ["/next/next/nxt"]


def test_schemas_by_name() -> None:
    """``$id`` and ``$anchor`` (2020-12 core, 8.2): nothing is fetched for a name that is known."""
    checked = validator(
        A={"properties": {"address": {"$ref": "https://example.test/address"}, "zip": {"$ref": "#zip"}}},
        Address={"$id": "https://example.test/address", "properties": {"city": {"$ref": "#/$defs/City"}},
                 "$defs": {"City": {"type": "string"}}},
        Zip={"$anchor": "zip", "pattern": "^[0-9]+$"},
    )  # fmt: skip
    assert checked.is_valid({"address": {"city": "Rome"}, "zip": "00100"})
    assert [one.pointer for one in checked.violations({"address": {"city": 1}, "zip": "x"})] == [
        "/address/city",
        "/zip",
    ]


LIST = {
    "$id": "https://example.test/list",
    "type": "array",
    "items": {"$dynamicRef": "#item"},
    "$defs": {"any": {"$dynamicAnchor": "item"}},
}
STRINGS = {
    "$id": "https://example.test/strings",
    "$ref": "list",
    "$defs": {"item": {"$dynamicAnchor": "item", "type": "string"}},
}


def test_a_generic_schema_is_filled_in_by_who_refers_to_it() -> None:
    assert validator(List=LIST, Strings=STRINGS).is_valid([1, "a"])
    strings = validator(Strings=STRINGS, List=LIST)
    assert strings.is_valid(["a"])
    assert [one.pointer for one in strings.violations([1, "a"])] == ["/0"]


def test_a_dynamic_reference_by_place_is_a_plain_one() -> None:
    checked = validator(A={"items": {"$dynamicRef": "#/components/schemas/B"}}, B={"type": "string"})
    assert not checked.is_valid([1])


def test_names_of_other_files(tmp_path: Path) -> None:
    (tmp_path / "shared.json").write_text(json.dumps({"$defs": {"Name": {"$anchor": "name", "minLength": 2}}}))
    (tmp_path / "list.json").write_text(json.dumps(LIST))
    (tmp_path / "strings.json").write_text(json.dumps({**STRINGS, "$id": "strings.json", "$ref": "list.json"}))
    file = tmp_path / "a.json"
    schemas = {"Name": {"$ref": "shared.json#name"}, "Strings": {"$ref": "strings.json"}}
    file.write_text(
        json.dumps({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "components": {"schemas": schemas}})
    )
    loaded = load(file)
    name, strings = (
        compile_schema(loaded, {"$ref": f"#/components/schemas/{one}"}, direction="request") for one in schemas
    )
    assert [name.is_valid(text) for text in ("a", "ab")] == [False, True]
    assert [strings.is_valid(items) for items in ([1], ["a"])] == [False, True]


@pytest.mark.parametrize(
    ("schema", "messages"),
    [
        ({"exclusiveMinimum": True}, ["/exclusiveMinimum: must be a number, not true"]),
        ({"$ref": "#nowhere"}, ["/$ref: '#nowhere' names no schema"]),
        ({"$ref": "#/components/schemas/Nowhere"}, ["/$ref: '#/components/schemas/Nowhere' leads to nothing"]),
        ({"$ref": "#/components/schemas/A"}, ["/$ref: '#/components/schemas/A' leads to itself"]),
        ({"pattern": "("}, ["/pattern: '(' is not a regular expression"]),
        ({"properties": {"a": 1}}, ["/properties/a: must be true or false or an object, not 1"]),
    ],
)
def test_a_mistake_is_told_with_its_place(schema: Any, messages: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        document(A=schema)
    prefix = "<dict> #/components/schemas/A"
    assert [str(mistake) for mistake in caught.value.mistakes] == [prefix + message for message in messages]


def test_a_default_of_a_schema_binds_nobody_and_that_of_a_parameter_does() -> None:
    document(A={"type": "integer", "default": "none"})
    parameter = {"name": "a", "in": "query", "schema": {"type": "integer", "default": "none"}}
    operation = {"operationId": "o", "parameters": [parameter], "responses": {"200": {"description": "ok"}}}
    with pytest.raises(SpecError, match="the default does not fit: must be an integer"):
        load({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/": {"get": operation}}})


def test_a_file_stands_where_the_schema_says_so() -> None:
    checked = validator(
        A={"properties": {"image": {"type": "string", "contentMediaType": "image/png"}, "name": {"type": "string"}}}
    )
    assert checked.is_valid({"image": b"\x89PNG", "name": "a"})
    assert [one.pointer for one in checked.violations({"image": b"", "name": b"\xff"})] == ["/name"]
