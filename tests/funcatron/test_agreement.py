"""Whether types in Python and documents agree: every difference, and which of them are mistakes."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict

import marshmallow
import msgspec
import pytest
from marshmallow import EXCLUDE, INCLUDE, Schema, fields, validate

from funcatron.agreement import Difference, differences
from funcatron.annotations import Typed, typed_by
from funcatron.schemas import compile_schema
from funcatron.spec.document import load
from tests.funcatron.functions import document, json_body


def typed(found: Any) -> Typed:
    made = typed_by(found)
    assert made is not None
    return made


def compared(said: dict[str, Any], own: Any, *, answer: bool = False, version: str = "3.0.3") -> list[Difference]:
    """Return how a type differs from a schema, as the body's or as the answer's."""
    content = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}
    responses = {"200": {"description": "ok", **(content if answer else {})}}
    more = {"openapi": version, "components": {"schemas": {"Order": said}}}
    body = {} if answer else {"requestBody": content}
    operation = load(document(more=more, responses=responses, **body)).operations[0]
    return differences(operation, None if answer else typed(own), typed(own) if answer else None, {})


def told(found: list[Difference]) -> list[tuple[str, str, bool]]:
    return [(one.pointer.removeprefix("/components/schemas/Order"), one.message, one.certain) for one in found]


def with_a(field: Any, **schema: Any) -> type[Schema]:
    return Schema.from_dict({"a": field}, name="OrderSchema")


def one(said: dict[str, Any], field: Any, *, answer: bool = False, version: str = "3.0.3") -> list[tuple[str, bool]]:
    """Return the differences of the one field ``a``, without their places."""
    schema = {"type": "object", "properties": {"a": said}}
    found = compared(schema, with_a(field), answer=answer, version=version)
    assert all(difference.pointer == "/components/schemas/Order/properties/a" for difference in found)
    return [(difference.message.replace("OrderSchema.a", "a"), difference.certain) for difference in found]


STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}


class Colour(Enum):
    RED = "r"
    BLUE = "b"


class Own(fields.Integer):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        return super()._deserialize(str(value).strip("#"), attr, data, **more)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (STRING, fields.String()),
        (INTEGER, fields.Integer(strict=True)),
        (NUMBER, fields.Float()),
        (NUMBER, fields.Decimal()),
        (STRING, fields.Decimal()),
        ({"type": "boolean"}, fields.Boolean()),
        ({"type": "string", "format": "date-time"}, fields.DateTime()),
        ({"type": "string", "format": "uuid"}, fields.UUID()),
        ({"type": "string", "format": "password"}, fields.String()),
        ({"type": "integer", "format": "int32"}, fields.Integer()),
        ({"type": "string", "enum": ["RED", "BLUE"]}, fields.Enum(Colour)),
        ({"type": "string", "enum": ["b", "r"]}, fields.Enum(Colour, by_value=True)),
        ({"enum": ["b", "r"]}, fields.String(validate=validate.OneOf(["r", "b"]))),
        ({"type": "string", "nullable": True}, fields.String(allow_none=True)),
        ({"type": "string", "minLength": 1, "maxLength": 9}, fields.String(validate=validate.Length(1, 9))),
        ({"type": "string", "minLength": 0}, fields.String()),
        ({"type": "string", "pattern": "^[a-z]+$"}, fields.String(validate=validate.Regexp(r"[a-z]+$"))),
        ({"type": "integer", "minimum": 1}, fields.Integer(validate=validate.Range(min=1))),
        ({"type": "integer", "minimum": 1}, fields.Integer(validate=validate.Range(min=0, min_inclusive=False))),
        (
            {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            fields.Float(validate=validate.Range(min=0, min_inclusive=False)),
        ),
        ({"type": "array", "items": STRING}, fields.List(fields.String())),
        ({"type": "array", "minItems": 2}, fields.List(fields.String(), validate=validate.Length(min=2))),
        ({"type": "object"}, fields.Dict()),
        (STRING, Own()),
        (STRING, fields.Raw()),
        ({"oneOf": [STRING, INTEGER]}, fields.Boolean()),
        ({}, fields.Boolean()),
    ],
)
def test_what_agrees(said: dict[str, Any], field: Any) -> None:
    assert one(said, field) == []


BIG, BOUNDED = validate.Range(min=5), {"type": "integer", "minimum": 1}


@pytest.mark.parametrize(
    ("said", "field", "found"),
    [
        (STRING, fields.Integer(), ("a is an integer, in the document a string", True)),
        (NUMBER, fields.Integer(strict=True), ("a is an integer, in the document a number", True)),
        (NUMBER, fields.Integer(), ("a is an integer, in the document a number", False)),
        (INTEGER, fields.Float(), ("a is a number, in the document an integer", False)),
        ({"type": "object"}, fields.List(fields.String()), ("a is an array, in the document an object", True)),
        ({"type": "string", "nullable": True}, fields.String(), ("a refuses null, which the document allows", True)),
        (STRING, fields.String(allow_none=True), ("a may be null, and the document does not allow it", False)),
        (
            {"type": "string", "enum": ["x", "y"]},
            fields.String(validate=validate.OneOf(["x"])),
            ('a refuses "y", which the document allows', True),
        ),
        (
            {"type": "string", "enum": ["x"]},
            fields.String(validate=validate.OneOf(["x", "y"])),
            ('a may be "y", which the document does not allow', False),
        ),
        (STRING, fields.Enum(Colour), ('a is "RED" or "BLUE", and the document does not say so', True)),
        ({"type": "string", "enum": ["x"]}, fields.String(), ('a does not say that it is "x"', False)),
        (BOUNDED, fields.Integer(validate=BIG), ("a is at least 5, in the document it is at least 1", True)),
        (INTEGER, fields.Integer(validate=BIG), ("a is at least 5, in the document it has no such bound", True)),
        (BOUNDED, fields.Integer(), ("a has no such bound, in the document it is at least 1", False)),
        (
            {"type": "integer", "minimum": 9},
            fields.Integer(validate=BIG),
            ("a is at least 5, in the document it is at least 9", False),
        ),
        (
            {"type": "string", "maxLength": 9},
            fields.String(validate=validate.Length(max=5)),
            ("a is at most 5 characters long, in the document it is at most 9 characters long", True),
        ),
        (STRING, fields.String(validate=validate.Regexp("[a-z]")), (
            "a matches the pattern [a-z], and the document does not say so", True)),
        ({"type": "string", "pattern": "[0-9]"}, fields.String(validate=validate.Regexp("[a-z]")), (
            "a matches the pattern [a-z], in the document [0-9]", False)),
        ({"type": "string", "pattern": "[0-9]"}, fields.String(), (
            "a does not say that it matches the pattern [0-9]", False)),
        (STRING, fields.UUID(), ("a has the format uuid, and the document does not say so", True)),
        ({"type": "string", "format": "phone"}, fields.UUID(), (
            "a has the format uuid, and the document does not say so", False)),
        ({"type": "string", "format": "email"}, fields.UUID(), ("a has the format uuid, in the document email", True)),
        ({"type": "string", "format": "date"}, fields.DateTime(), (
            "a has the format date-time, in the document date", False)),
        ({"type": "string", "format": "uuid"}, fields.String(), (
            "a does not say that it has the format uuid", False)),
        (STRING, fields.String(required=True), ("a is required, and not in the document", True)),
        (STRING, fields.String(dump_only=True), ("a is dump_only, so that it is refused as unknown", True)),
    ],
)  # fmt: skip
def test_a_body_that_the_document_allows_and_the_schema_refuses_is_a_mistake(
    said: dict[str, Any], field: Any, found: tuple[str, bool]
) -> None:
    assert one(said, field) == [found]


@pytest.mark.parametrize(
    ("said", "field", "found"),
    [
        (STRING, fields.Integer(), ("a is an integer, in the document a string", True)),
        (INTEGER, fields.Float(), ("a is a number, in the document an integer", False)),
        (STRING, fields.Integer(as_string=True), None),
        (STRING, fields.Decimal(), ("a is a number, in the document a string", True)),
        (NUMBER, fields.TimeDelta(), None),
        (STRING, fields.DateTime(format="%Y"), None),
        (NUMBER, fields.DateTime(format="timestamp"), None),
        (STRING, fields.Constant(5), ("a is an integer, in the document a string", True)),
        (STRING, fields.String(allow_none=True), ("a may be null, and the document does not allow it", False)),
        ({"type": "string", "format": "date"}, fields.UUID(), ("a has the format uuid, in the document date", True)),
        (BOUNDED, fields.Integer(), ("a has no such bound, in the document it is at least 1", False)),
        (STRING, fields.String(load_only=True), ("a is load_only, so that it is in no answer", False)),
        (STRING, fields.String(required=True), None),
    ],
)
def test_an_answer_that_can_never_be_valid_is_a_mistake(
    said: dict[str, Any], field: Any, found: tuple[str, bool] | None
) -> None:
    assert one(said, field, answer=True) == ([] if found is None else [found])


class LineSchema(Schema):
    sku = fields.String(required=True)
    count = fields.Integer(load_default=1)


class OrderSchema(Schema):
    id = fields.Integer(dump_only=True)
    lines = fields.List(fields.Nested(LineSchema), data_key="orderLines")
    password = fields.String(load_only=True)
    parent = fields.Nested(lambda: OrderSchema())


ORDER = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "orderLines": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["sku"],
                "properties": {"sku": {"type": "string"}, "count": {"type": "integer"}},
            },
        },
        "password": {"type": "string", "writeOnly": True},
        "parent": {"description": "The one before", "allOf": [{"$ref": "#/components/schemas/Order"}]},
    },
}


@pytest.mark.parametrize("answer", [False, True])
def test_a_schema_that_holds_others_and_itself(answer: bool) -> None:
    assert compared(ORDER, OrderSchema, answer=answer) == []
    listed = {"type": "array", "items": ORDER["properties"]["orderLines"]["items"]}  # type: ignore[index]
    assert compared(listed, LineSchema(many=True), answer=answer) == []


def test_the_place_of_a_difference_is_where_the_document_says_it() -> None:
    changed = msgspec.json.decode(
        msgspec.json.encode(ORDER).replace(b'"count":{"type":"integer"}', b'"count":{"type":"string"},"odd":{}')
    )
    at = "/properties/orderLines/items/properties"
    assert told(compared(changed, OrderSchema)) == [
        (f"{at}/count", "OrderSchema.orderLines.count is an integer, in the document a string", True),
        (f"{at}/odd", "OrderSchema.orderLines.odd does not exist; it is refused as unknown", True),
    ]


def test_read_only_and_write_only() -> None:
    said = {"type": "object", "properties": {"id": {"type": "integer"}, "password": {"type": "string"}}}
    plain = Schema.from_dict({"id": fields.Integer(), "password": fields.String()}, name="S")
    hidden = {
        "type": "object",
        "properties": {"id": {"type": "integer", "readOnly": True}, "password": {"type": "string", "writeOnly": True}},
    }
    assert told(compared(hidden, plain)) == [
        ("/properties/id", "is read-only in the document, and S.id takes it", False)
    ]
    assert told(compared(hidden, plain, answer=True)) == [
        ("/properties/password", "is write-only in the document, and S.password puts it into answers", True)
    ]
    demanding = Schema.from_dict({"id": fields.Integer(required=True), "password": fields.String()}, name="S")
    assert told(compared(hidden, demanding)) == [
        ("/properties/id", "is read-only in the document, and S.id requires it", True)
    ]
    only = Schema.from_dict({"id": fields.Integer(dump_only=True), "password": fields.String(load_only=True)}, name="S")
    assert told(compared({**said, "required": ["password"]}, only, answer=True)) == [
        ("/properties/password", "S.password is load_only, so that it is in no answer, where it is required", True)
    ]


@pytest.mark.parametrize(
    ("unknown", "additional", "found"),
    [
        ("raise", None, [("/properties/b", "S.b does not exist; it is refused as unknown", True)]),
        (
            "raise",
            True,
            [
                ("", "S refuses unknown fields, and the document allows additional properties", True),
                ("/properties/b", "S.b does not exist; it is refused as unknown", True),
            ],
        ),
        (EXCLUDE, True, [("/properties/b", "S.b does not exist; it is dropped", False)]),
        (INCLUDE, True, []),
        (INCLUDE, False, []),
    ],
)
def test_unknown_fields(unknown: str, additional: bool | None, found: list[Any]) -> None:
    said: dict[str, Any] = {"type": "object", "properties": {"a": STRING, "b": STRING}}
    if additional is not None:
        said["additionalProperties"] = additional
    schema = Schema.from_dict({"a": fields.String()}, name="S")(unknown=unknown)
    found = [(pointer, message.replace("S", type(schema).__name__), certain) for pointer, message, certain in found]
    assert told(compared(said, schema)) == found


def test_fields_that_the_document_does_not_have() -> None:
    schema = Schema.from_dict({"a": fields.String(required=True), "b": fields.String()}, name="S")
    said = {"type": "object", "properties": {}, "additionalProperties": False}
    assert told(compared(said, schema)) == [
        ("", "S.a is required, and the document does not have it", True),
        ("", "S.b is not in the document", False),
    ]
    in_answers = "is in answers, and the document neither has it nor allows additional properties"
    assert told(compared(said, schema, answer=True)) == [("", f"S.{name} {in_answers}", True) for name in "ab"]
    assert told(compared({"type": "object"}, schema)) == [
        ("", "the document describes no properties; S has a, b", False)
    ]


def test_a_partial_schema_demands_nothing() -> None:
    said = {"type": "object", "properties": {"a": STRING, "b": STRING}}
    schema = Schema.from_dict({"a": fields.String(required=True), "b": fields.String(required=True)})
    assert compared(said, schema(partial=True)) == []
    assert [one.message.split(".")[1] for one in compared(said, schema(partial=("a",)))] == [
        "b is required, and not in the document"
    ]


class Hooked(Schema):
    a = fields.Integer(required=True)

    @marshmallow.pre_load
    def read(self, data: Any, **_: Any) -> Any:
        return {"a": len(data["a"])}


def test_behind_a_hook_nothing_is_certain() -> None:
    said = {"type": "object", "properties": {"a": STRING}}
    assert {one.certain for one in compared(said, Hooked)} == {False}
    assert [one.certain for one in compared(said, Hooked, answer=True)] == [True]


@dataclass
class Line:
    sku: str
    count: int = 1


@dataclass
class Order:
    lines: list[Line]
    note: str | None = None
    state: Literal["new", "old"] = "new"


class Point(TypedDict):
    x: int


class Fast(msgspec.Struct, forbid_unknown_fields=True):
    x: Annotated[int, msgspec.Meta(ge=1)]


LINES = {"type": "object", "required": ["sku"], "properties": {"sku": STRING, "count": INTEGER}}


def test_plain_types_agree() -> None:
    said: dict[str, Any] = {
        "type": "object",
        "required": ["lines"],
        "properties": {
            "lines": {"type": "array", "items": LINES},
            "note": {"type": ["string", "null"]},
            "state": {"enum": ["new", "old"]},
        },
    }
    assert compared(said, Order, version="3.1.0") == []
    assert compared(said, Order, version="3.1.0", answer=True) == []
    assert compared({"type": "array", "items": said}, list[Order], version="3.1.0") == []


def test_plain_types_that_differ() -> None:
    said = {"type": "object", "properties": {"x": STRING, "y": STRING}}
    kinds = "x is an integer, in the document a string"
    assert told(compared(said, Point)) == [
        ("/properties/x", "Point.x is required, and not in the document", True),
        ("/properties/x", f"Point.{kinds}", True),
        ("/properties/y", "Point.y does not exist; it is dropped", False),
    ]
    assert told(compared(said, Fast))[1:] == [
        ("/properties/x", f"Fast.{kinds}", True),
        ("/properties/y", "Fast.y does not exist; it is refused as unknown", True),
    ]
    assert {one.message.partition(".")[0] for one in compared({"type": "array", "items": said}, list[Point])} == {
        "Point"
    }
    assert {one.message.partition(".")[0] for one in compared(said, Point | None)} == {"Point"}
    number = {"type": "object", "required": ["x"], "properties": {"x": INTEGER}}
    bound = "Fast.x is at least 1, in the document it has no such bound"
    assert told(compared(number, Fast)) == [("/properties/x", bound, True)]


def test_what_a_handler_says_that_it_returns_binds_nobody() -> None:
    said = {"type": "object", "required": ["y"], "properties": {"x": STRING}}
    assert told(compared(said, Point, answer=True)) == [
        ("/properties/x", "Point.x is an integer, in the document a string", False)
    ]


def test_openapi_2() -> None:
    parameter = {"name": "order", "in": "body", "schema": {"$ref": "#/definitions/Order"}}
    schema = {"type": "object", "properties": {"n": {"type": "string", "x-nullable": True}}}
    responses = {"200": {"description": "ok", "schema": {"$ref": "#/definitions/Order"}}}
    more = {"swagger": "2.0", "definitions": {"Order": schema}}
    operation = load(document(more=more, parameters=[parameter], responses=responses)).operations[0]
    own = typed(Schema.from_dict({"n": fields.Integer()}, name="S"))
    found = differences(operation, own, own, {})
    assert {one.pointer for one in found} == {"/definitions/Order/properties/n"}
    assert [(one.message, one.certain) for one in found] == [
        ("S.n is an integer, in the document a string", True),
        ("S.n refuses null, which the document allows", True),
        ("S.n does not say that it is null", False),
    ]


# The rule itself: a body that the document allows and the Schema refuses is there if and only if a mistake is told.


def random_field(draw: random.Random) -> tuple[dict[str, Any], fields.Field]:
    """Return what a document says of a value and a field for it, which often differ a little."""
    kind = draw.choice(["string", "integer", "boolean", "enum", "array", "object"])
    said: dict[str, Any] = {"type": {"enum": "string"}.get(kind, kind)}
    same = draw.random() < 0.7
    low, high = draw.choice([None, 1, 2]), draw.choice([None, 3, 4])
    own_low, own_high = (low, high) if same else (draw.choice([None, 1, 2]), draw.choice([None, 3, 4]))
    checks: list[Any] = []
    field: fields.Field
    if kind in ("string", "array", "object"):
        unit = {"string": "Length", "array": "Items", "object": "Properties"}[kind]
        said |= {key + unit: bound for key, bound in (("min", low), ("max", high)) if bound and kind != "object"}
        checks = [validate.Length(own_low, own_high)] if (own_low or own_high) and kind != "object" else []
    elif kind == "integer":
        said |= {key: bound for key, bound in (("minimum", low), ("maximum", high)) if bound}
        checks = [validate.Range(own_low, own_high)] if own_low or own_high else []
    null, own_null = draw.random() < 0.3, draw.random() < 0.3
    more: dict[str, Any] = {"validate": checks, "allow_none": own_null}
    if kind == "enum":
        said["enum"] = draw.sample("abc", 2)
        field = fields.String(
            validate=validate.OneOf(said["enum"] if same else draw.sample("abc", 2)), allow_none=own_null
        )
    elif kind == "array":
        said["items"], inner = random_field(draw)
        field = fields.List(inner, **more)
    elif kind == "object":
        nested, schema = random_object(draw)
        said, field = nested, fields.Nested(schema, allow_none=own_null)
    else:
        kinds: dict[str, Callable[..., fields.Field]] = {
            "string": fields.String, "integer": fields.Integer, "boolean": fields.Boolean
        }  # fmt: skip
        other = kind if draw.random() < 0.9 else draw.choice(list(kinds))
        field = kinds[other](**(more if other == kind else {"allow_none": own_null}))
    if null:
        said["nullable"] = True
        if "enum" in said:
            said["enum"].append(None)
    return said, field


def random_object(draw: random.Random) -> tuple[dict[str, Any], type[Schema]]:
    said: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False, "required": []}
    own: dict[str, Any] = {}
    for name in draw.sample("xyz", draw.choice([1, 2])):
        described, field = random_field(draw)
        said["required"] += [name] if draw.random() < 0.5 else []
        field.required = name in said["required"] if draw.random() < 0.8 else draw.random() < 0.5
        if draw.random() < 0.95:
            said["properties"][name] = described
        if draw.random() < 0.95:
            own[name] = field
    said["required"] = [name for name in said["required"] if name in said["properties"]]
    if not said["required"]:
        del said["required"]
    unknown = draw.choice(["raise", EXCLUDE])
    return said, type("S", (Schema,), {**own, "Meta": type("Meta", (), {"unknown": unknown})})


def split(said: Any, draw: random.Random) -> Any:
    """Return the same schema, some of its objects as an ``allOf`` of two or three."""
    if not isinstance(said, dict):
        return said
    said = {key: value if key == "enum" else split(value, draw) for key, value in said.items()}
    if said.get("type") != "object" or "nullable" in said or "properties" not in said or draw.random() < 0.7:
        return said
    properties = list(said["properties"].items())
    parts: list[dict[str, Any]] = [{"type": "object", "properties": dict(properties[:1])}]
    rest = {"type": "object", "properties": dict(properties[1:])}
    own = draw.choice([{}, rest])
    if "required" in said:
        alone: dict[str, Any] = {}
        parts.append(alone)
        draw.choice([own, parts[0], alone])["required"] = said["required"]
    return {**own, "allOf": parts if own is rest else [*parts, rest]}


def bodies(said: dict[str, Any]) -> Iterator[Any]:
    """Yield values at the edges of what a document allows."""
    if said.get("nullable"):
        yield None
    if "enum" in said:
        yield from (value for value in said["enum"] if value is not None)
    elif said["type"] == "string":
        least = said.get("minLength", 0)
        yield from ("q" * length for length in {least, said.get("maxLength", least + 9)})
    elif said["type"] == "integer":
        least, most = said.get("minimum", -9), said.get("maximum", 99)
        yield from {least, most}
    elif said["type"] == "boolean":
        yield from (True, False)
    elif said["type"] == "array":
        inner = list(bodies(said["items"]))
        least = said.get("minItems", 0)
        for length in {least, said.get("maxItems", least + 9)}:
            yield from ([item] * length for item in inner) if length else [[]]
    else:
        required, properties = said.get("required", ()), said["properties"]
        usual = {name: next(bodies(inner)) for name, inner in properties.items()}
        yield {name: usual[name] for name in required}
        for name, inner in properties.items():
            for value in bodies(inner):
                yield {**{key: usual[key] for key in required}, name: value}


def refused(schema: Schema, body: Any) -> bool:
    try:
        schema.load(body)
    except marshmallow.ValidationError:
        return True
    return False


@pytest.mark.parametrize("seed", range(int(os.environ.get("AGREEMENT_SEEDS", "250"))))
def test_a_mistake_is_told_if_and_only_if_there_is_a_body_that_shows_it(seed: int) -> None:
    draw = random.Random(seed)
    said, schema = random_object(draw)
    written = split(said, draw)
    operation = load(document(requestBody=json_body(written))).operations[0]
    validator = compile_schema(operation.document, written, direction="request")
    given = list(bodies(said))
    assert all(validator.is_valid(body) for body in given), "the test's own bodies are valid"
    found = differences(operation, typed(schema), None, {})
    shown = [body for body in given if refused(schema(), body)]
    assert any(one.certain for one in found) == bool(shown), (written, found, shown)


def test_an_object_in_several_parts() -> None:
    part = {"type": "object", "properties": {"b": {"type": "string"}}}
    said = {"allOf": [part, {"required": ["a"]}], "properties": {"a": INTEGER}}
    schema = Schema.from_dict({"a": fields.String(required=True), "b": fields.Integer(required=True)}, name="S")
    assert told(compared(said, schema)) == [
        ("/allOf/0/properties/b", "S.b is required, and not in the document", True),
        ("/allOf/0/properties/b", "S.b is an integer, in the document a string", True),
        ("/properties/a", "S.a is a string, in the document an integer", True),
    ]
    unclear = {"allOf": [part, {"oneOf": [part, {"type": "object"}]}]}
    assert compared(unclear, schema) == []
    twice = {"allOf": [part, {**part, "properties": {"b": INTEGER}}]}
    assert [one.message for one in compared(twice, Schema.from_dict({"b": fields.Boolean()}))] == []


def usual(field: Any) -> Any:
    """Return an object that a field dumps."""
    if isinstance(field, fields.List):
        return [usual(field.inner)] * 3
    if isinstance(field, fields.Nested):
        return {name: usual(inner) for name, inner in field.schema.fields.items()}
    choices = [validator.choices for validator in field.validators if isinstance(validator, validate.OneOf)]
    return choices[0][0] if choices else {fields.String: "qqq", fields.Integer: 3, fields.Boolean: True}[type(field)]


@pytest.mark.parametrize("seed", range(int(os.environ.get("AGREEMENT_SEEDS", "100"))))
def test_an_answer_with_a_mistake_is_never_valid(seed: int) -> None:
    draw = random.Random(seed)
    said, schema = random_object(draw)
    content = {"application/json": {"schema": split(said, draw)}}
    operation = load(document(responses={"200": {"description": "ok", "content": content}})).operations[0]
    validator = compile_schema(operation.document, content["application/json"]["schema"], direction="response")
    dumped = schema().dump({name: usual(field) for name, field in schema().fields.items()})
    found = differences(operation, None, typed(schema), {})
    assert not (any(one.certain for one in found) and validator.is_valid(dumped)), (content, found, dumped)
