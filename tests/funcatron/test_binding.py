"""Arguments at call time: checked, by whatever name, from whichever door."""

from __future__ import annotations

import functools
import keyword
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcatron.binding import argument_name, find_media, is_json
from funcatron.errors import InvalidInput, Violation
from funcatron.event import CloudEvent
from funcatron.registry import Function
from tests.funcatron.functions import json_body, make, named, parameter

INTEGER = {"type": "integer"}
ORDER = {"type": "object", "properties": {"n": INTEGER}, "required": ["n"]}


def everything(**given: Any) -> Any:
    return given


def called(function: Function, arguments: dict[str, Any], **given: Any) -> dict[str, Any]:
    """Return what the handler would be called with."""
    offered = {"context": "context", "event": None, "extras": {}, "services": {}} | given
    return function.binder.call(arguments, **offered)


def refused(function: Function, arguments: dict[str, Any], **given: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as invalid:
        function.binder.check(arguments, **given)
    return [(violation.pointer, violation.message) for violation in invalid.value.violations]


# Names


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("itemId", "item_id"),
        ("X-Count", "x_count"),
        ("HTTPServerURL", "http_server_url"),
        ("filter[name]", "filter_name"),
        ("ids[]", "ids"),
        ("$top", "top"),
        ("a.b-c d", "a_b_c_d"),
        ("class", "class_"),
        ("Class", "class_"),
        ("None", "none"),
        ("2fa", "_2fa"),
        ("_id", "id"),
        ("größe", "größe"),
        ("---", "argument"),
        ("already_snake", "already_snake"),
        ("v2Beta", "v2_beta"),
    ],
)
def test_how_a_parameter_is_called_in_python(name: str, argument: str) -> None:
    assert argument_name(name) == argument


@given(st.text("abcXYZ019_-[]. $", min_size=1))
def test_every_name_is_an_identifier(name: str) -> None:
    argument = argument_name(name)
    assert argument.isidentifier()
    assert not keyword.iskeyword(argument)


def test_names_that_would_be_the_same_get_their_location() -> None:
    function = make(
        everything,
        parameters=[
            parameter("id", "path"),
            parameter("id", "query"),
            parameter("ID", "query"),
            parameter("_id", "query"),
            parameter("Id", "header"),
            parameter("id", "cookie"),
            parameter("body", "query"),
        ],
        requestBody=json_body(ORDER),
    )
    assert dict(function.binder.arguments) == {
        ("path", "id"): "id",
        ("query", "id"): "id_query",
        ("query", "ID"): "id_query_query",
        ("query", "_id"): "id_query_query_query",
        ("header", "Id"): "id_header",
        ("cookie", "id"): "id_cookie",
        ("query", "body"): "body_query",
    }
    assert function.binder.body_argument == "body"


def test_headers_that_openapi_ignores_are_no_arguments() -> None:
    function = make(
        everything, parameters=[parameter(n, "header") for n in ("Accept", "content-type", "Authorization")]
    )
    assert dict(function.binder.arguments) == {}


# Checking


def test_defaults_are_filled_in_and_every_call_has_its_own() -> None:
    function = make(
        everything,
        parameters=[
            parameter("limit", schema={"type": "integer", "default": 10}),
            parameter("tags", schema={"type": "array", "items": {"type": "string"}, "default": ["a"]}),
            parameter("absent"),
        ],
    )
    first, second = function.binder.check({}), function.binder.check({})
    assert first == {"limit": 10, "tags": ["a"]}
    assert first["tags"] is not second["tags"]


def test_a_default_may_stand_behind_a_reference() -> None:
    function = make(
        everything,
        parameters=[parameter("limit", schema={"$ref": "#/components/schemas/Limit"})],
        more={
            "components": {
                "schemas": {
                    "Limit": {"$ref": "#/components/schemas/Number"},
                    "Number": {"type": "integer", "default": 7},
                }
            }
        },
    )
    assert function.binder.check({}) == {"limit": 7}


def test_every_violation_is_named_at_once() -> None:
    function = make(
        everything,
        parameters=[
            parameter("itemId", "path", INTEGER),
            parameter("a/b~c", "query", INTEGER),
            parameter("X-Count", "header", INTEGER, required=True),
            parameter("sid", "cookie", {"type": "string", "minLength": 3}),
        ],
        requestBody=json_body(ORDER, required=True),
    )
    found = refused(function, {"item_id": "x", "a_b_c": "y", "sid": "z", "body": {"n": 1.5}})
    assert [pointer for pointer, _ in found] == [
        "/path/itemId", "/query/a~1b~0c", "/header/X-Count", "/cookie/sid", "/body/n",
    ]  # fmt: skip
    assert found[2] == ("/header/X-Count", "is required")
    assert refused(function, {"item_id": 1, "x_count": 1}) == [("/body", "is required")]


def test_null_is_a_value() -> None:
    nullable = make(everything, parameters=[parameter("q", schema={"type": "string", "nullable": True})])
    assert nullable.binder.check({"q": None}) == {"q": None}
    plain = make(everything, parameters=[parameter("q")])
    assert [pointer for pointer, _ in refused(plain, {"q": None})] == ["/query/q"]


@pytest.mark.parametrize(
    "value", [float("nan"), "\ud800", b"bytes", object(), {1: 2}, {"n": float("inf")}, [[]] * 3], ids=named
)
def test_what_json_cannot_carry_is_a_violation_and_no_error(value: Any) -> None:
    function = make(everything, requestBody=json_body(ORDER))
    assert all(pointer.startswith("/body") for pointer, _ in refused(function, {"body": value}))


def test_integers_of_any_size_are_integers() -> None:
    function = make(everything, parameters=[parameter("n", schema=INTEGER)], requestBody=json_body(ORDER))
    given_ = {"n": 2**70, "body": {"n": -(2**70)}}
    assert function.binder.check(given_) == given_


def test_the_media_type_chooses_the_schema() -> None:
    function = make(
        everything,
        requestBody={
            "content": {
                "text/plain": {"schema": {"type": "string", "maxLength": 3}},
                "application/json": {"schema": ORDER},
                "application/*+json": {"schema": {"type": "array"}},
                "image/*": {"schema": {"type": "string", "format": "binary"}},
                "application/xml": {},
            }
        },
    )
    check = function.binder.check
    assert check({"body": {"n": 1}}) == {"body": {"n": 1}}
    assert check({"body": {"n": 1}}, media_type="Application/JSON; charset=utf-8") == {"body": {"n": 1}}
    assert check({"body": []}, media_type="application/patch+json") == {"body": []}
    assert check({"body": "abc"}, media_type="text/plain;charset=utf-8") == {"body": "abc"}
    assert check({"body": b"\x89PNG"}, media_type="image/png") == {"body": b"\x89PNG"}
    assert check({"body": object}, media_type="application/xml") == {"body": object}
    assert check({"body": object}, media_type="unknown/x") == {"body": object}
    assert refused(function, {"body": "abcd"}, media_type="text/plain")[0][0] == "/body"
    assert refused(function, {"body": {"n": 1}}, media_type="application/patch+json")[0][0] == "/body"


def test_clients_cannot_fill_the_memory_with_media_types() -> None:
    function = make(everything, requestBody=json_body(ORDER))
    for number in range(500):
        function.binder.check({"body": {"n": 1}}, media_type=f"application/json; x={number}")
    assert len(function.binder._bodies) <= 64


def test_bytes_that_are_text_are_judged_as_text() -> None:
    function = make(everything, requestBody={"content": {"text/plain": {"schema": {"type": "string", "maxLength": 3}}}})
    assert function.binder.check({"body": b"abc"}, media_type="text/plain") == {"body": b"abc"}
    assert [pointer for pointer, _ in refused(function, {"body": b"abcd"}, media_type="text/plain")] == ["/body"]
    assert [pointer for pointer, _ in refused(function, {"body": b"\xff"}, media_type="text/plain")] == ["/body"]


# Calls by name


@pytest.fixture(scope="module")
def shop() -> Function:
    return make(
        everything,
        parameters=[
            parameter("itemId", "path", INTEGER),
            parameter("filter[name]"),
            parameter("X-Count", "header", INTEGER),
            parameter("class"),
        ],
        requestBody=json_body(ORDER) | {"x-body-name": "theOrder"},
    )


@pytest.mark.parametrize(
    "members",
    [
        {"item_id": 1, "filter_name": "a", "x_count": 2, "class_": "c", "body": {"n": 1}},
        {"itemId": 1, "filter[name]": "a", "X-Count": 2, "class": "c", "the_order": {"n": 1}},
    ],
)
def test_members_are_named_as_in_the_document_or_in_python(shop: Function, members: dict[str, Any]) -> None:
    assert shop.binder.from_call(members) == {
        "item_id": 1, "filter_name": "a", "x_count": 2, "class_": "c", "the_order": {"n": 1},
    }  # fmt: skip


def test_members_that_name_nothing_are_refused_with_all_else(shop: Function) -> None:
    with pytest.raises(InvalidInput) as invalid:
        shop.binder.from_call({"a/b": 1, "itemId": "x", "item_id": 2, "body": {}})
    pointers = [violation.pointer for violation in invalid.value.violations]
    assert pointers == ["/a~1b", "/item_id", "/path/itemId", "/body/n"]
    known = "class_, filter_name, item_id, the_order, x_count"
    assert invalid.value.violations[0].message == f"is not an argument of this function; known are: {known}"
    assert "given twice" in invalid.value.violations[1].message
    with pytest.raises(InvalidInput, match="known are: none"):
        make(everything, method="get").binder.from_call({"x": 1})


# Events


def event(data: Any = None, **more: Any) -> CloudEvent:
    return CloudEvent(id="e-1", source="/s", type="t", data=data, **more)


def test_an_events_data_plays_the_part_of_the_request(shop: Function) -> None:
    data = {"itemId": 5, "X-Count": 7, "n": 1, "other": 2}
    assert shop.binder.from_event(event(data)) == {"item_id": 5, "x_count": 7, "the_order": data}


def test_the_mapping_of_a_trigger_comes_first(shop: Function) -> None:
    mapping = {
        "itemId": "$event#/data/order/id",
        "class": "$event#/subject",
        "filter_name": "fixed",
        "X-Count": "$event#/data/absent",
        "body": "$event#/data/order",
        "nothing": 1,
    }
    given_ = event({"order": {"id": 9, "n": 2}, "itemId": "ignored", "x_count": 3}, subject="s-1")
    assert shop.binder.from_event(given_, mapping) == {
        "item_id": 9, "class_": "s-1", "filter_name": "fixed", "x_count": 3, "the_order": {"id": 9, "n": 2},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("$event#/id", "e-1"),
        ("$event#/source", "/s"),
        ("$event#/data/list/1", "b"),
        ("$event#/data/a~1b", "slash"),
        ("$event#/extra", "x"),
        ("$event", "$event"),
        ("plain", "plain"),
    ],
)
def test_what_a_mapping_may_point_at(pointer: str, value: str) -> None:
    function = make(everything, parameters=[parameter("q")])
    given_ = event({"list": ["a", "b"], "a/b": "slash"}, extensions={"extra": "x"})
    assert function.binder.map_event(given_, {"q": pointer})["q"] == value


@pytest.mark.parametrize("pointer", ["$event#/data/list/2", "$event#/data/list/²", "$event#/data/list/-1", "$event#/x"])
def test_what_points_nowhere_fills_nothing(pointer: str) -> None:
    function = make(everything, parameters=[parameter("q")])
    assert function.binder.map_event(event({"list": ["a", "b"]}), {"q": pointer}) == {}


def test_events_are_validated_as_requests_are(shop: Function) -> None:
    with pytest.raises(InvalidInput) as invalid:
        shop.binder.from_event(event({"itemId": "x"}))
    assert [violation.pointer for violation in invalid.value.violations] == ["/path/itemId", "/body/n"]
    with pytest.raises(InvalidInput) as invalid:
        shop.binder.from_event(event(None))
    assert invalid.value.violations == (Violation("/path/itemId", "is required"),)


def test_data_that_is_no_object_is_the_body_alone() -> None:
    function = make(everything, parameters=[parameter("q")], requestBody=json_body({"type": "array"}))
    assert function.binder.from_event(event([1])) == {"body": [1]}


# Keyword arguments


def test_a_handler_gets_what_its_signature_names() -> None:
    def handler(item_id: int, event: Any, context: Any, db: Any, limit: int = 3) -> None: ...

    function = make(
        handler,
        services=["db"],
        parameters=[parameter("itemId", "path", INTEGER), parameter("limit", schema=INTEGER), parameter("q")],
        requestBody=json_body(ORDER),
    )
    arguments = function.binder.check({"item_id": 1, "q": "x", "body": {"n": 1}})
    assert called(function, arguments, event="event", services={"db": "session"}) == {
        "item_id": 1, "event": "event", "context": "context", "db": "session",
    }  # fmt: skip
    assert function.binder.wants_context


def test_a_handler_of_everything_gets_all_arguments() -> None:
    def handler(q: str, **rest: Any) -> None: ...

    function = make(
        handler,
        parameters=[parameter("q"), parameter("itemId", "path", INTEGER)],
        requestBody=json_body(ORDER),
    )
    arguments = function.binder.check({"item_id": 1, "q": "x", "body": {"n": 1}})
    extras = {"user": "me", "token_info": {}, "context_": 1}
    assert called(function, arguments, extras=extras) == {
        "q": "x", "item_id": 1, "body": {"n": 1}, "user": "me", "token_info": {},
    }  # fmt: skip


def test_what_a_call_leaves_out_is_none_unless_the_signature_says_otherwise() -> None:
    def handler(q: Any, user: Any, r: Any = "own", body: Any = "own") -> None: ...

    function = make(handler, parameters=[parameter("q"), parameter("r")], requestBody=json_body(ORDER))
    assert called(function, function.binder.check({})) == {"q": None, "user": None}
    given_ = function.binder.check({"q": "1", "r": "2", "body": {"n": 1}})
    assert called(function, given_, extras={"user": "me"}) == {"q": "1", "r": "2", "body": {"n": 1}, "user": "me"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [(ORDER, {}), ({"type": "array"}, None), ({"type": "object", "nullable": True}, None), ({}, None)],
)
def test_a_body_that_is_left_out_is_what_connexion_gives(schema: dict[str, Any], value: Any) -> None:
    def handler(body: Any) -> None: ...

    function = make(handler, requestBody=json_body(schema))
    first = called(function, function.binder.check({}))
    assert first == {"body": value}
    if value is not None:
        assert called(function, function.binder.check({}))["body"] is not first["body"]


def test_a_signature_may_use_any_spelling() -> None:
    def handler(itemId: int, filter_name: str, class_: str, the_order: Any) -> None: ...

    function = make(
        handler,
        parameters=[parameter("itemId", "path", INTEGER), parameter("filter[name]"), parameter("class")],
        requestBody=json_body(ORDER) | {"x-body-name": "theOrder"},
    )
    arguments = function.binder.check({"item_id": 1, "filter_name": "a", "class_": "c", "the_order": {"n": 1}})
    assert called(function, arguments) == {"itemId": 1, "filter_name": "a", "class_": "c", "the_order": {"n": 1}}


def test_files_of_a_form_are_handed_over_by_name() -> None:
    def handler(body: Any, photo: Any, pages: Any) -> None: ...

    binary = {"type": "string", "format": "binary"}
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "photo": binary, "pages": {"$ref": "#/components/schemas/Pages"}},
    }
    function = make(
        handler,
        requestBody={"content": {"multipart/form-data": {"schema": schema}}},
        more={
            "components": {
                "schemas": {"Pages": {"type": "array", "items": {"$ref": "#/components/schemas/Page"}}, "Page": binary}
            }
        },
    )
    arguments = function.binder.check({"body": {"title": "t", "photo": b"1"}})
    assert called(function, arguments) == {"body": {"title": "t"}, "photo": b"1", "pages": None}


# Called by place


def in_order(n: int, m: int) -> Any: ...


def the_other_way_round(m: int, n: int) -> Any: ...


def with_more(n: int, m: int, more: int = 7) -> Any: ...


def by_name_alone(*, n: int, m: int) -> Any: ...


def with_context(n: int, m: int, context: Any) -> Any: ...


def n_alone(n: int) -> Any: ...


@functools.wraps(in_order)
def wrapped(*args: Any, **keywords: Any) -> Any: ...


@functools.wraps(in_order)
def turned(m: int, n: int) -> Any: ...


@pytest.mark.parametrize(
    ("handler", "places"),
    [
        (in_order, ("n", "m")),
        (the_other_way_round, ("m", "n")),
        (with_more, ("n", "m")),
        (by_name_alone, ()),
        (with_context, ()),
        (n_alone, ()),
        (wrapped, ()),
        (turned, ("m", "n")),
        (functools.partial(in_order), ()),
        (everything, ()),
    ],
)
def test_a_plain_function_is_called_by_place(handler: Any, places: tuple[str, ...]) -> None:
    function = make(handler, method="get", parameters=[parameter("n"), parameter("m")])
    assert function.binder.places(handler) == places


# Typed bodies


@dataclass
class Order:
    n: int
    note: str = ""


def test_a_typed_body_is_loaded_once_a_call() -> None:
    made: list[Order] = []

    @dataclass
    class Counted(Order):
        def __post_init__(self) -> None:
            made.append(self)

    def handler(body: Counted) -> None: ...

    handler.__annotations__["body"] = Counted
    function = make(handler, requestBody=json_body(ORDER))
    arguments = function.binder.check({"body": {"n": 1}})
    assert arguments == {"body": {"n": 1}}  # what goes on record is JSON
    assert called(function, arguments)["body"] is made[0]
    assert len(made) == 1
    again = called(function, arguments)["body"]
    assert again == made[0]
    assert again is not made[0]


def test_a_typed_body_of_plain_arguments_is_loaded_too() -> None:
    def handler(body: Order) -> None: ...

    function = make(handler, requestBody=json_body(ORDER))
    assert called(function, {"body": {"n": 1}}) == {"body": Order(1)}
    with pytest.raises(InvalidInput, match="/body/n"):
        called(function, {"body": {"n": "x"}})


def test_what_does_not_load_is_a_violation_when_it_is_checked() -> None:
    def handler(body: Order) -> None: ...

    function = make(handler, requestBody=json_body({"type": "object"}))
    assert refused(function, {"body": {"n": 1, "note": 5}}) == [("/body/note", "Expected `str`, got `int`")]


def test_no_body_and_null_are_none_for_a_typed_one_too() -> None:
    def handler(body: Order | None) -> None: ...

    function = make(handler, requestBody=json_body({**ORDER, "nullable": True}))
    assert called(function, function.binder.check({})) == {"body": None}
    assert called(function, function.binder.check({"body": None})) == {"body": None}


# Media types


@pytest.mark.parametrize(
    ("content", "media_type", "key"),
    [
        (["application/json", "text/plain"], None, "application/json"),
        (["text/plain", "application/vnd.x+json"], None, "application/vnd.x+json"),
        (["text/plain", "image/png"], None, "text/plain"),
        ([], None, None),
        (["Application/JSON; charset=utf-8"], "application/json", "Application/JSON; charset=utf-8"),
        (["*/*", "image/*", "image/png"], "image/png", "image/png"),
        (["*/*", "image/*"], "image/png; q=1", "image/*"),
        (["*/*", "application/*+json"], "application/a+json", "application/*+json"),
        (["*/*"], "a/b", "*/*"),
        (["text/plain"], "a/b", None),
    ],
)
def test_the_most_specific_description_wins(content: list[str], media_type: str | None, key: str | None) -> None:
    assert find_media(dict.fromkeys(content), media_type) == key


@pytest.mark.parametrize(
    ("media_type", "json"),
    [("application/json", True), ("APPLICATION/JSON ; charset=x", True), ("application/problem+json", True),
     ("*/*", True), ("application/*", True), ("application/jsonl", False), ("text/json", False), ("text/plain", False)],
)  # fmt: skip
def test_what_is_json(media_type: str, json: bool) -> None:
    assert is_json(media_type) is json
