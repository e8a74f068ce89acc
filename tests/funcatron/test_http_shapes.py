from __future__ import annotations

from typing import Any

import pytest

from funcatron.http.shapes import Shape, shape_of
from funcatron.spec.document import Document, load

SPEC: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "shapes", "version": "1"},
    "paths": {},
    "components": {
        "schemas": {
            "Count": {"type": "integer", "minimum": 0},
            "Alias": {"$ref": "#/components/schemas/Count"},
            "Tree": {
                "type": "object",
                "properties": {"size": {"type": "number"}, "child": {"$ref": "#/components/schemas/Tree"}},
            },
        }
    },
}


@pytest.fixture(scope="module")
def document() -> Document:
    return load(SPEC)


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer"}, "12", 12),
        ({"type": "integer"}, "-12", -12),
        ({"type": "integer"}, "+12", 12),
        ({"type": "integer"}, "007", 7),
        ({"type": "integer"}, "18446744073709551617", 18446744073709551617),
        ({"type": "integer"}, "1.0", "1.0"),
        ({"type": "integer"}, " 1", " 1"),
        ({"type": "integer"}, "1_000", "1_000"),
        ({"type": "integer"}, "٣", "٣"),
        ({"type": "integer"}, "9" * 5000, "9" * 5000),
        ({"type": "integer"}, "", ""),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "number"}, "1e3", 1000.0),
        ({"type": "number"}, ".5", 0.5),
        ({"type": "number"}, "9007199254740993", 9007199254740993),
        ({"type": "number"}, "NaN", "NaN"),
        ({"type": "number"}, "inf", "inf"),
        ({"type": "number"}, "1e999", "1e999"),
        ({"type": "number"}, ".", "."),
        ({"type": "boolean"}, "true", True),
        ({"type": "boolean"}, "False", False),
        ({"type": "boolean"}, "1", "1"),
        ({"type": "string"}, "12", "12"),
        ({"type": "string", "nullable": True}, "null", None),
        ({"type": "integer", "nullable": True}, "null", None),
        ({"type": "integer", "x-nullable": True}, "null", None),
        ({"type": "string"}, "null", "null"),
        ({}, "12", "12"),
        ({"enum": [1, 2]}, "2", 2),
        ({"$ref": "#/components/schemas/Alias"}, "3", 3),
        ({"allOf": [{"$ref": "#/components/schemas/Count"}, {"maximum": 9}]}, "3", 3),
        ({"allOf": [{"type": "number"}, {"type": "integer"}]}, "3", 3),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "3", 3),
        ({"oneOf": [{"type": "boolean"}, {"type": "integer"}]}, "true", True),
        ({"type": ["integer", "null"]}, "null", None),
        ({"type": "string", "oneOf": [{"minLength": 1}, {"maxLength": 0}]}, "1", "1"),
    ],
)
def test_text_becomes_what_the_schema_means(document: Document, schema: dict[str, Any], text: str, value: Any) -> None:
    cast = shape_of(document, schema).cast(text)
    assert cast == value
    assert type(cast) is type(value)


def test_kinds_are_inferred_from_what_a_schema_speaks_of(document: Document) -> None:
    assert shape_of(document, {"properties": {"a": {}}}).is_object
    assert shape_of(document, {"items": {}}).is_array
    assert not shape_of(document, {}).is_object
    assert shape_of(document, None) == Shape()


def test_members_of_combined_schemas_are_joined(document: Document) -> None:
    shape = shape_of(
        document,
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}},
                {"properties": {"b": {"type": "boolean"}}},
            ]
        },
    )
    assert shape.cast_members({"a": "1", "b": "true", "c": "1"}) == {"a": 1, "b": True, "c": "1"}


def test_additional_members_are_cast_by_their_schema(document: Document) -> None:
    shape = shape_of(document, {"type": "object", "additionalProperties": {"type": "integer"}})
    assert shape.cast_members({"a": "1"}) == {"a": 1}


def test_a_recursive_schema_has_a_shape(document: Document) -> None:
    shape = shape_of(document, {"$ref": "#/components/schemas/Tree"})
    assert shape.member("child").member("child").member("size").cast("1.5") == 1.5


@pytest.mark.parametrize("schema", [{"type": "file"}, {"type": "string", "format": "binary"}])
def test_files_are_known(document: Document, schema: dict[str, Any]) -> None:
    assert shape_of(document, schema).file
