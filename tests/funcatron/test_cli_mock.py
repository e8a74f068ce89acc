from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from funcatron.app import Funcatron
from funcatron.cli.mock import MockMode, mock_handlers
from funcatron.cli.sample import sample
from funcatron.errors import SpecError
from funcatron.settings import Settings
from funcatron.spec.document import load

THING = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer", "minimum": 7}}}


def document(responses: dict[str, Any], **more: Any) -> dict[str, Any]:
    operation = {"operationId": "mocked_module.show", "responses": responses}
    info = {"title": "Test", "version": "1"}
    return {"openapi": "3.0.3", "info": info, "paths": {"/": {"get": operation}}, **more}


def answer(content: dict[str, Any], mode: MockMode = "all") -> tuple[int, Any, dict[str, str]]:
    app = Funcatron(content, handlers=mock_handlers([load(content)], mode), settings=Settings())
    result = asyncio.run(app.invoke("mocked_module.show"))
    return result.status, result.value, dict(result.headers)


def json_of(media: dict[str, Any]) -> dict[str, Any]:
    return {"description": "fine", "content": {"application/json": media}}


def test_the_example_is_the_answer() -> None:
    assert answer(document({"201": json_of({"schema": THING, "example": {"id": 9}})}))[:2] == (201, {"id": 9})


def test_the_first_of_named_examples() -> None:
    examples = {"one": {"value": {"id": 8}}, "two": {"value": {"id": 9}}}
    assert answer(document({"200": json_of({"examples": examples})}))[1] == {"id": 8}


def test_a_value_of_the_schema() -> None:
    assert answer(document({"200": json_of({"schema": THING})}))[1] == {"id": 7}


def test_references_are_followed() -> None:
    components = {
        "schemas": {"Thing": THING},
        "responses": {"Fine": json_of({"schema": {"$ref": "#/components/schemas/Thing"}})},
    }
    assert answer(document({"200": {"$ref": "#/components/responses/Fine"}}, components=components))[1] == {"id": 7}


def test_headers_and_no_body() -> None:
    response = {"description": "gone", "headers": {"X-Count": {"schema": {"type": "integer", "example": 3}}}}
    assert answer(document({"204": response})) == (204, None, {"X-Count": "3"})


def test_openapi_2() -> None:
    response = {"description": "fine", "schema": THING, "examples": {"application/json": {"id": 9}}}
    content = {
        "swagger": "2.0",
        "info": {"title": "Test", "version": "1"},
        "produces": ["application/json"],
        "paths": {"/": {"get": {"operationId": "mocked_module.show", "responses": {"200": response}}}},
    }
    assert answer(content)[1] == {"id": 9}


def test_missing_leaves_handlers_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mocked_module.py").write_text("def show(): return {'id': 100}\n")
    monkeypatch.syspath_prepend(tmp_path)
    content = document({"200": json_of({"schema": THING})})
    try:
        assert answer(content, "missing")[1] == {"id": 100}
        assert answer(content, "all")[1] == {"id": 7}
    finally:
        sys.modules.pop("mocked_module", None)


def test_missing_mocks_what_is_not_there() -> None:
    assert answer(document({"200": json_of({"schema": THING})}), "missing")[1] == {"id": 7}


def test_missing_tells_of_handlers_that_are_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mocked_module.py").write_text("def show( return\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SpecError, match=r"mocked_module\.show cannot be imported: SyntaxError"):
        answer(document({"200": json_of({"schema": THING})}), "missing")


def test_missing_mocks_a_function_that_its_module_does_not_have_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mocked_module.py").write_text("def other(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert answer(document({"200": json_of({"schema": THING})}), "missing")[1] == {"id": 7}
    finally:
        sys.modules.pop("mocked_module", None)


@pytest.mark.parametrize("schema", [{}, {"not": {"type": "string"}}, {"description": "anything"}])
def test_a_schema_that_takes_anything_is_answered_with_something(schema: dict[str, Any]) -> None:
    assert answer(document({"200": json_of({"schema": schema})}))[:2] == (200, {})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"items": {"const": 1}}, [1]),
        ({"minimum": 3}, 3),
        ({"format": "date"}, "2026-01-31"),
        ({"required": ["a"], "additionalProperties": {"type": "string"}}, {"a": "string"}),
        ({}, None),
        ({"type": "string"}, "string"),
        ({"type": "string", "minLength": 8}, "stringxx"),
        ({"type": "string", "maxLength": 3}, "str"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "string", "enum": ["b", "a"]}, "b"),
        ({"type": ["null", "boolean"]}, True),
        ({"const": 4}, 4),
        ({"type": "integer", "default": 3}, 3),
        ({"type": "integer", "minimum": 7, "multipleOf": 5}, 10),
        ({"type": "integer", "minimum": 5, "exclusiveMinimum": True, "multipleOf": 5}, 10),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "exclusiveMinimum": 0}, 1),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "number", "maximum": -3, "exclusiveMaximum": True}, -3.5),
        ({"type": "number"}, 0),
        ({"type": "number", "minimum": 0.2, "maximum": 0.4}, 0.2),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [0, 0]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, []),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        ({"oneOf": [{"type": "string", "enum": ["x"]}, {"type": "integer"}]}, "x"),
        ({"properties": {"a": {"const": 1}, "b": {"const": 2, "writeOnly": True}}}, {"a": 1}),
    ],
)
def test_sample(schema: dict[str, Any], value: Any) -> None:
    assert sample(load(document({"200": {"description": "x"}})), schema) == value


def test_sample_of_a_schema_that_holds_itself() -> None:
    node = {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"enum": [1]}, "next": {"$ref": "#/components/schemas/Node"}},
    }
    content = document({"200": {"description": "x"}}, components={"schemas": {"Node": node}})
    assert sample(load(content), {"$ref": "#/components/schemas/Node"})["next"]["id"] == 1


def test_a_mock_answers_in_the_words_of_the_document_whatever_types_it_names() -> None:
    named = {**THING, "x-funcatron-schema": "nowhere.ThingSchema"}
    assert answer(document({"200": json_of({"schema": named, "example": {"id": 9}})}))[1] == {"id": 9}
