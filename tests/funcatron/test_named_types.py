"""Types that a document names (``x-funcatron-schema``) or a handler's annotations, from the body to the answer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TypedDict

import marshmallow
import msgspec
import pytest
from marshmallow import Schema, fields, validate

from funcatron.errors import InvalidInput, SpecError
from funcatron.registry import build_registry
from funcatron.replies import InvalidReply
from funcatron.spec.document import load
from funcatron.testing import application, assert_same_on_every_door
from tests.funcatron.functions import complaints, document, json_body, make

HERE = __name__


@dataclass
class Order:
    item: str
    count: int = 1
    due: date | None = None

    @property
    def price(self) -> int:
        return 3 * self.count


class OrderSchema(Schema):
    item = fields.String(required=True)
    count = fields.Integer(strict=True, validate=validate.Range(min=1))
    due = fields.Date(data_key="dueOn")
    price = fields.Integer(dump_only=True)
    secret = fields.String(load_only=True)

    @marshmallow.post_load
    def make(self, data: dict[str, Any], **_: Any) -> Order:
        data.pop("secret", None)
        return Order(**data)


many_orders = OrderSchema(many=True)


class OtherSchema(Schema):
    item = fields.String(required=True)


class Point(TypedDict):
    x: int


FIVE = 5
ORDER = {
    "type": "object",
    "required": ["item"],
    "additionalProperties": False,
    "properties": {
        "item": {"type": "string"},
        "count": {"type": "integer", "minimum": 1},
        "dueOn": {"type": "string", "format": "date"},
        "price": {"type": "integer", "readOnly": True},
        "secret": {"type": "string", "writeOnly": True},
    },
}
NAMED = {**ORDER, "x-funcatron-schema": f"{HERE}.OrderSchema"}
STRING = {"type": "string"}
REF = {"$ref": "#/components/schemas/Order"}


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])


def described(order: dict[str, Any], *, body: Any = REF, answer: Any = REF, status: str = "200") -> dict[str, Any]:
    """Return the members of an operation whose body and answer are an Order."""
    content = {"description": "ok"} if answer is None else {"description": "ok", **json_content(answer)}
    return {
        "requestBody": json_body(body, required=True),
        "responses": {status: content},
        "more": {"components": {"schemas": {"Order": order}}},
        "extension": {"triggers": [{"queue": {"name": "orders"}}], "retry": {"attempts": 1}},
    }


def json_content(schema: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def by_document(body) -> Any:  # type: ignore[no-untyped-def]
    assert isinstance(body, Order)
    return body


def by_document_and_its_type(body: Order) -> Order:
    assert isinstance(body, Order)
    return body


def by_annotation(body: Annotated[Order, OrderSchema]) -> Annotated[Order, OrderSchema]:
    assert isinstance(body, Order)
    return body


def by_class(body: OrderSchema) -> OrderSchema:
    assert isinstance(body, Order)
    return body  # type: ignore[unreachable]


def with_status(body: Annotated[Order, OrderSchema]) -> tuple[Annotated[Order, OrderSchema], int, dict[str, str]]:
    return body, 200, {"X-A": "1"}


async def by_async(body: Annotated[Order, OrderSchema]) -> Annotated[Order, OrderSchema] | None:
    return body


def a_dict(body: Annotated[Order, OrderSchema]) -> Annotated[dict[str, Any], OrderSchema]:
    return {"item": body.item, "count": body.count, "due": body.due, "price": body.price, "secret": "of the shop"}


def as_plain_dict(body: dict) -> dict:  # type: ignore[type-arg]
    return {"item": body["item"], "count": 2, "dueOn": body["dueOn"], "price": 6}


class OrderDict(TypedDict, total=False):
    item: str
    count: int
    dueOn: str
    secret: str


def as_typed_dict(body: OrderDict) -> dict[str, Any]:
    return {"item": body["item"], "count": 2, "dueOn": body["dueOn"], "price": 6}


@dataclass
class Plain:
    item: str
    count: int = 1
    dueOn: date | None = None
    price: int = 6


class OrderStruct(msgspec.Struct):
    item: str
    due_on: date = msgspec.field(name="dueOn", default=date(2000, 1, 1))
    count: int = 1
    price: int = 6


def as_dataclass(body: Plain) -> Plain:
    assert isinstance(body.dueOn, date)
    return body


def as_struct(body: OrderStruct) -> OrderStruct:
    assert isinstance(body.due_on, date)
    return body


BODY = {"item": "tea", "count": 2, "dueOn": "2026-01-31"}
ANSWER = {"item": "tea", "count": 2, "dueOn": "2026-01-31", "price": 6}
TYPED = [by_annotation, by_class, with_status, by_async, a_dict, as_plain_dict, as_typed_dict, as_dataclass, as_struct]


@pytest.mark.parametrize(
    ("handler", "order"),
    [*((handler, ORDER) for handler in TYPED), (by_document, NAMED), (by_document_and_its_type, NAMED)],
)
def test_a_body_becomes_its_type_and_the_answer_is_dumped_on_every_door(
    handler: Callable[..., Any], order: dict[str, Any]
) -> None:
    spec = document(**described(order))
    outcome = assert_same_on_every_door(spec, "f", {"body": BODY}, handlers={"f": handler})
    assert (outcome.status, outcome.body) == (200, ANSWER)


class RenamingSchema(Schema):
    item = fields.String(required=True)

    @marshmallow.pre_load
    def rename(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        data["item"] = data.pop("name")
        return data


def renamed(body: Annotated[dict[str, Any], RenamingSchema]) -> dict[str, Any]:
    return {"name": body["item"]}


def test_a_hook_sees_the_body_as_it_came_on_every_door() -> None:
    order = {"type": "object", "required": ["name"], "properties": {"name": STRING}, "additionalProperties": False}
    outcome = assert_same_on_every_door(
        document(**described(order)), "f", {"body": {"name": "tea"}}, handlers={"f": renamed}
    )
    assert (outcome.status, outcome.body) == (200, {"name": "tea"})


def unlucky(body: dict[str, Any]) -> None:
    OtherSchema().load(body)


def in_own_words(body: Annotated[Order, OrderSchema]) -> None:
    raise marshmallow.ValidationError("is sold out", "item")


def of_another_service(body: Annotated[Order, OrderSchema]) -> None:
    OtherSchema().load({"odd": 1})


def test_what_a_schema_refuses_is_refused_on_every_door() -> None:
    wide = described({"type": "object"}, answer=None)
    for handler, found in (
        (by_annotation, [("/body/count", "Must be greater than or equal to 1."), ("/body/odd", "Unknown field.")]),
        (unlucky, [("/body/count", "Unknown field."), ("/body/odd", "Unknown field.")]),
    ):
        body = {"item": "tea", "count": 0, "odd": 1}
        outcome = assert_same_on_every_door(document(**wide), "f", {"body": body}, handlers={"f": handler})
        assert (outcome.status, outcome.body["title"]) == (400, "Invalid input")
        assert sorted((error["pointer"], error["message"]) for error in outcome.body["errors"]) == found


def test_a_handler_may_refuse_in_the_words_of_marshmallow() -> None:
    spec = document(**described(ORDER, answer=None))
    outcome = assert_same_on_every_door(spec, "f", {"body": BODY}, handlers={"f": in_own_words})
    assert outcome.status == 400
    assert outcome.body["errors"] == [{"pointer": "/body/item", "message": "is sold out"}]


def test_what_is_wrong_with_other_data_is_no_fault_of_the_caller() -> None:
    spec = document(**described(ORDER, answer=None))
    outcome = assert_same_on_every_door(spec, "f", {"body": BODY}, handlers={"f": of_another_service})
    assert outcome.status == 500
    assert "errors" not in outcome.body


def a_list(body: list[Annotated[Order, OrderSchema]]) -> list[Annotated[Order, OrderSchema]]:
    assert all(isinstance(order, Order) for order in body)
    return body


def a_made_schema(body: Annotated[list[Order], many_orders]) -> Annotated[list[Order], many_orders]:
    assert all(isinstance(order, Order) for order in body)
    return body


def named_list(body: Any) -> Any:
    assert all(isinstance(order, Order) for order in body)
    return body


@pytest.mark.parametrize(("handler", "order"), [(a_list, ORDER), (a_made_schema, ORDER), (named_list, NAMED)])
def test_lists(handler: Callable[..., Any], order: dict[str, Any]) -> None:
    orders = {"type": "array", "items": REF}
    function = make(handler, **described(order, body=orders, answer=orders))
    arguments = function.binder.from_call({"body": [BODY, {"item": "rum", "dueOn": "2026-02-01"}]})
    returned = function.handler(**function.binder.call(arguments, context=None, event=None, extras={}, services={}))
    rum = {"item": "rum", "count": 1, "dueOn": "2026-02-01", "price": 3}
    assert function.replies.encode(returned).value == [ANSWER, rum]


def test_of_a_list_every_place_is_told() -> None:
    function = make(a_list, **described({"type": "object"}, body={"type": "array", "items": REF}, answer=None))
    with pytest.raises(InvalidInput) as invalid:
        function.binder.from_call({"body": [BODY, {"odd": 1}]})
    assert sorted(violation.pointer for violation in invalid.value.violations) == ["/body/1/item", "/body/1/odd"]


def nothing(body: Any) -> Any: ...


def test_a_name_holds_for_its_status_and_media_type() -> None:
    content = {"application/json": {"schema": NAMED}, "application/vnd.plain+json": {"schema": ORDER}}
    operation = described(ORDER)
    operation["responses"] = {
        "200": {"description": "ok", "content": content},
        "4XX": {"description": "no", **json_content(ORDER)},
        "default": {"description": "?", **json_content(NAMED)},
    }
    replies = make(nothing, **operation).replies
    order = Order("tea", due=date(2026, 1, 31))
    told = {"item": "tea", "count": 1, "dueOn": "2026-01-31", "price": 3}
    assert replies.encode((order, 200, {"Content-Type": "application/json"})).value == told
    assert replies.encode((order, 500)).value == told
    assert replies.encode(({"item": "x"}, 404)).value == {"item": "x"}
    with pytest.raises(InvalidReply, match="does not fit"):
        replies.encode((order, 200, {"Content-Type": "application/vnd.plain+json"}))


@pytest.mark.parametrize("answer", [None, "text", b"bytes", iter([b"a"])])
def test_what_is_no_object_is_not_dumped(answer: Any) -> None:
    replies = make(nothing, **described(NAMED), validate=False).replies
    if isinstance(answer, str | bytes):
        assert replies.encode(answer).value == answer
    else:
        assert replies.encode(answer).body is not None


def test_what_a_schema_cannot_dump_is_an_invalid_reply() -> None:
    with pytest.raises(InvalidReply, match=r"OrderSchema cannot dump a dict: .*isoformat"):
        make(nothing, **described(NAMED)).replies.encode({"item": "tea", "due": "soon"})


def test_a_middleware_sees_what_was_dumped_and_it_is_not_dumped_again() -> None:
    async def louder(call_next: Any, invocation: Any) -> Any:
        result = await call_next(invocation)
        return msgspec.structs.replace(result, value={**result.value, "item": result.value["item"].upper()}, body=b"")

    app = application(document(**described(NAMED)), handlers={"f": by_document}, middleware=[louder])
    assert asyncio.run(app.invoke("f", {"body": BODY})).value == {**ANSWER, "item": "TEA"}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (f"{HERE}.Nope", f"{HERE}.Nope cannot be imported: {HERE} has no 'Nope'"),
        (
            f"{HERE}.FIVE",
            f"{HERE}.FIVE is no marshmallow Schema, dataclass, TypedDict or msgspec Struct",
        ),
        (7, "must be the name of a marshmallow Schema: package.module.OrderSchema"),
    ],
)
def test_a_name_that_names_nothing_is_a_mistake_at_its_place(target: Any, said: str) -> None:
    spec = document(**described({**ORDER, "x-funcatron-schema": target}))
    with pytest.raises(SpecError) as wrong:
        build_registry([load(spec)], handlers={"f": nothing})
    assert [(one.pointer, one.message) for one in wrong.value.mistakes] == [
        ("/components/schemas/Order/x-funcatron-schema", said)
    ]


def with_other(body: Annotated[Any, OtherSchema]) -> Annotated[Any, OtherSchema]: ...


def test_an_annotation_and_a_name_that_contradict_each_other() -> None:
    assert complaints(with_other, **described(NAMED)) == [
        "the handler's argument 'body' is annotated with OtherSchema, and the document names OrderSchema",
    ]
    operation = described(NAMED, body=ORDER)
    del operation["requestBody"]
    assert "the handler returns OtherSchema, and the document names OrderSchema" in complaints(
        with_other, **{**operation, "requestBody": json_body({"type": "object"})}
    )


def test_a_body_of_two_types() -> None:
    other = {"type": "object", "x-funcatron-schema": f"{HERE}.OtherSchema"}
    content = {"application/json": {"schema": REF}, "application/vnd.other+json": {"schema": other}}
    operation = {**described(NAMED), "requestBody": {"content": content}}
    assert complaints(nothing, **operation) == ["the body can have one type, and has OrderSchema and OtherSchema"]


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/components/schemas/Order"},
        {"allOf": [{"$ref": "#/components/schemas/Order"}], "description": "mine"},
        {"$ref": "#/components/schemas/Alias"},
    ],
)
def test_a_name_is_found_through_references(schema: dict[str, Any]) -> None:
    operation = described(NAMED, body=schema)
    operation["more"]["components"]["schemas"]["Alias"] = {"$ref": "#/components/schemas/Order"}
    loader = make(nothing, **operation).binder.loader
    assert loader is not None
    assert isinstance(loader.typed.schema, OrderSchema)


def test_a_name_beside_a_reference() -> None:
    beside = {"$ref": "#/components/schemas/Order", "x-funcatron-schema": f"{HERE}.OrderSchema"}
    loader = make(nothing, **described(ORDER, body=beside)).binder.loader
    assert loader is not None
    assert isinstance(loader.typed.schema, OrderSchema)


def test_schemas_that_hold_themselves_have_no_name() -> None:
    tree = {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}
    assert make(nothing, **described(tree)).binder.loader is None


def test_differences_are_mistakes_with_their_place(tmp_path: Path) -> None:
    wrong = {**NAMED, "properties": {**ORDER["properties"], "count": {"type": "string"}}}  # type: ignore[dict-item]
    path = tmp_path / "openapi.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document(**described(wrong)))))
    with pytest.raises(SpecError) as found:
        build_registry([load(path)], handlers={"f": nothing})
    (mistake,) = found.value.mistakes
    assert mistake.pointer == "/components/schemas/Order/properties/count"
    assert mistake.message == "OrderSchema.count is an integer, in the document a string"
    assert mistake.line is not None
    assert '"count"' in path.read_text().splitlines()[mistake.line - 1]


def everything(**arguments: Any) -> Any:
    assert isinstance(arguments["body"], Order)
    return arguments["body"]


def test_a_handler_that_takes_everything_is_given_the_named_type() -> None:
    outcome = assert_same_on_every_door(document(**described(NAMED)), "f", {"body": BODY}, handlers={"f": everything})
    assert (outcome.status, outcome.body) == (200, ANSWER)


def test_a_name_in_openapi_3_1() -> None:
    beside = {"$ref": "#/components/schemas/Order", "x-funcatron-schema": f"{HERE}.OrderSchema"}
    operation = described(ORDER, body=beside, answer=beside)
    operation["more"]["openapi"] = "3.1.0"
    outcome = assert_same_on_every_door(document(**operation), "f", {"body": BODY}, handlers={"f": by_document})
    assert (outcome.status, outcome.body) == (200, ANSWER)


def test_a_name_in_openapi_2() -> None:
    own = {key: value for key, value in ORDER["properties"].items() if key != "secret"}  # type: ignore[attr-defined]
    secret = {"type": "string", "x-writeOnly": True}
    named = {**NAMED, "properties": {**own, "secret": secret}}
    operation: dict[str, Any] = {
        "parameters": [{"name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Order"}}],
        "responses": {"200": {"description": "ok", "schema": {"$ref": "#/definitions/Order"}}},
        "more": {"swagger": "2.0", "definitions": {"Order": named}},
        "extension": {"triggers": [{"queue": {"name": "orders"}}], "retry": {"attempts": 1}},
    }
    outcome = assert_same_on_every_door(document(**operation), "f", {"body": BODY}, handlers={"f": by_document})
    assert (outcome.status, outcome.body) == (200, ANSWER)
    del operation["more"]["definitions"]["Order"]["properties"]["count"]
    assert complaints(by_document, **operation) == [
        "OrderSchema.count is in answers, and the document neither has it nor allows additional properties"
    ]


class NeedsSomething(Schema):
    def __init__(self, something: Any) -> None:
        super().__init__()


class Lost(Schema):
    item = fields.Nested("NowhereSchema")


def of_needy(body: NeedsSomething) -> NeedsSomething: ...
def of_lost(body: Lost) -> None: ...


def test_schemas_that_cannot_be_made_are_mistakes() -> None:
    missing = "missing 1 required positional argument: 'something'"
    fails = f"NeedsSomething() fails: TypeError: NeedsSomething.__init__() {missing}"
    assert complaints(of_needy, **described({"type": "object"})) == [
        f"the annotation of the handler's argument 'body' cannot be used: {fails}",
        f"the annotation of what the handler returns cannot be used: {fails}",
    ]
    needy = {"type": "object", "x-funcatron-schema": f"{HERE}.NeedsSomething"}
    assert complaints(nothing, **described(needy)) == [fails]
    item = {"type": "object", "properties": {"item": {"type": "object", "properties": {"a": {}}}}}
    (said,) = complaints(of_lost, **described(item, answer=None))
    assert said.startswith("the Schema of Lost.item cannot be found: RegistryError: ")
