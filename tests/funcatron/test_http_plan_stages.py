"""The stages of a plan, one by one."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

import msgspec
import pytest
from connexion.decorators.parameter import pythonic, sanitized
from connexion.jsonifier import Jsonifier
from connexion.operations import OpenAPIOperation
from connexion.resolver import Resolver
from starlette.types import Message

from funcatron.calls import ThreadCalls
from funcatron.http.plan.body import Content, Json, Raw, Taken
from funcatron.http.plan.contents import Contents
from funcatron.http.plan.declared import Declared
from funcatron.http.plan.handler import Handler, Names
from funcatron.http.plan.headers import header_parameters
from funcatron.http.plan.media import Bodiless, read_head
from funcatron.http.plan.path import path_parameters
from funcatron.http.plan.plan import Stage
from funcatron.http.plan.query import Query, parse, query_parameters
from funcatron.http.plan.refusal import Refused
from funcatron.http.plan.response import Responses
from funcatron.http.plan.route import Mount, Routes
from funcatron.http.plan.schema import REQUESTS, acceptor
from funcatron.http.plan.validation import JsonValidation
from funcatron.http.trie import Trie


def operation(*parameters: dict[str, Any], **more: Any) -> OpenAPIOperation:
    content = {"responses": {"200": {"content": {"application/json": {}}}}, "parameters": list(parameters), **more}
    return OpenAPIOperation("get", "/", {"operationId": "f", **content}, Resolver(lambda name: print))


def parameter(name: str, location: str, kind: str, more: dict[str, Any] | None = None, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": location, "schema": {"type": kind, **schema}, **(more or {})}


def query(*parameters: dict[str, Any], defaults: dict[str, Any] | None = None, strict: bool = False) -> Query:
    declared = Declared(operation(*parameters), sanitized)
    names = [p["name"] for p in parameters]
    return query_parameters(declared, wanted=names, defaults=defaults or {}, strict=strict, others=["key"])


def read(made: Query, text: bytes) -> dict[str, Any] | None:
    arguments: dict[str, Any] = {}
    try:
        return arguments if made.read({"query_string": text}, {}, arguments) else None
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"a=1&b=2&a=3", {"a": ["1", "3"], "b": ["2"]}),
        (b"a=%31&b=x+y", {"a": ["1"], "b": ["x y"]}),
        (b"&&a&=x&b==", {"a": [""], "": ["x"], "b": ["="]}),
        (b"a=\xe9", {"a": ["\xe9"]}),
    ],
)
def test_a_query_is_parsed_as_starlette_does(text: bytes, found: dict[str, list[str]]) -> None:
    assert parse(text) == found


def test_scalars_of_a_query() -> None:
    made = query(
        parameter("n", "query", "integer", maximum=9, exclusiveMaximum=True), parameter("t", "query", "string")
    )
    assert read(made, b"n=7&n=8&t=x") == {"n": 8, "t": "x"}
    assert read(made, b"n=9") is None
    assert read(made, b"n=x") is None
    assert read(made, b"") == {}


def test_null_and_what_is_required() -> None:
    made = query(
        parameter("n", "query", "integer", {"required": True}, nullable=True), parameter("b", "query", "boolean")
    )
    assert read(made, b"n=null&b=TRUE") == {"n": None, "b": True}
    assert read(made, b"") == {}
    assert read(query(parameter("n", "query", "integer", {"required": True})), b"m=1") is None


def test_strictly_unknown_names_are_connexions() -> None:
    made = query(parameter("n", "query", "integer"), strict=True)
    assert read(made, b"n=1&key=k") == {"n": 1}
    assert read(made, b"n=1&m=1") is None


@pytest.mark.parametrize(
    ("style", "explode", "text", "values"),
    [
        ("form", True, b"a=1,2&a=3", [1, 2, 3]),
        ("form", False, b"a=1,2&a=3", [3]),
        ("pipeDelimited", False, b"a=1|2", [1, 2]),
        ("spaceDelimited", False, b"a=1%202", [1, 2]),
    ],
)
def test_arrays_of_a_query(style: str, explode: bool, text: bytes, values: list[int]) -> None:
    shape = parameter("a", "query", "array", {"style": style, "explode": explode}, items={"type": "integer"})
    assert read(query(shape), text) == {"a": values}


def test_objects_of_a_query_are_laid_over_their_default() -> None:
    below = {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
    made = query(parameter("o", "query", "object", {"style": "deepObject"}, **below), defaults={"o": {"a": 1, "b": 2}})
    assert read(made, b"o[a]=5") == {"o": {"a": 5, "b": 2}}
    assert read(made, b"") == {"o": {"a": 1, "b": 2}}


def test_declarations_that_connexion_reads_otherwise_than_they_look_are_refused() -> None:
    untyped = {"name": "n", "in": "query", "schema": {}}
    for wrong in (
        [untyped],
        [parameter("n", "query", "integer"), parameter("n", "path", "string")],
        [parameter("n", "query", "integer"), parameter("n", "query", "string")],
    ):
        with pytest.raises(Refused):
            Declared(operation(*wrong), sanitized)
    assert Declared(operation(*[parameter("n", "query", "integer")] * 3), sanitized).of("query")
    assert Declared(operation(), pythonic).argument("userId") == "user_id"


def test_paths() -> None:
    shapes = [parameter("n", "path", "integer"), parameter("item-id", "path", "string", maxLength=2)]
    made = path_parameters(Declared(operation(*shapes), sanitized), ["n", "item_id"], {"n": "integer"})
    texts: dict[str, Any] = {"n": "+7", "item_id": "ab"}
    arguments: dict[str, Any] = {}
    assert made.read({}, texts, arguments)
    assert arguments == {"n": 7, "item_id": "ab"} == texts
    assert not made.read({}, {"n": "7", "item_id": "abc"}, {})
    with pytest.raises(Refused):
        path_parameters(Declared(operation(*shapes), sanitized), ["n"], {})


def test_headers_and_cookies_are_checked_as_texts() -> None:
    shapes = [parameter("X-N", "header", "string", {"required": True}), parameter("c", "cookie", "string", maxLength=1)]
    made = header_parameters(Declared(operation(*shapes), sanitized))
    assert judge(made, (b"x-n", b"1"), (b"cookie", b"c=1"))
    assert not judge(made, (b"cookie", b"c=1"))
    assert not judge(made, (b"x-n", b"1"), (b"cookie", b"c=12"))
    made = header_parameters(Declared(operation(parameter("n", "header", "integer")), sanitized))
    assert not judge(made, (b"n", b"1"))
    assert not header_parameters(Declared(operation(), sanitized))


def judge(stage: Stage, *headers: tuple[bytes, bytes]) -> bool:
    return stage.read({"headers": headers}, {}, {})


def test_what_the_headers_say_of_a_body() -> None:
    assert read_head([(b"content-type", b"a/b"), (b"content-length", b"3"), (b"content-length", b"4")]) == (b"a/b", 3)
    assert read_head([(b"content-length", b"+3")]) == (None, -1)
    json = (b"content-type", b"application/json")
    assert judge(Bodiless(json=False), (b"host", b"h"))
    assert judge(Bodiless(json=True), json)
    assert not judge(Bodiless(json=False), json)
    assert not judge(Bodiless(json=True), json, (b"content-length", b"2"))
    assert not judge(Bodiless(json=True), json, (b"transfer-encoding", b"chunked"))
    assert not judge(Bodiless(json=True), (b"content-type", b"multipart/form-data"))
    assert judge(Bodiless(json=False), (b"content-length", b"0"))
    assert not judge(Bodiless(json=True), (b"host", b"h"), (b"content-length", b"7"))
    assert not judge(Bodiless(json=True), (b"transfer-encoding", b"chunked"))


def fill(content: Content, data: bytes) -> dict[str, Any] | None:
    arguments: dict[str, Any] = {}
    try:
        return arguments if content.fill(data, {}, arguments) else None
    except (msgspec.DecodeError, RecursionError):
        return None


def json_body(schema: dict[str, Any], *, nullable: bool = False) -> Json:
    return Json(acceptor(schema, REQUESTS), nullable, "body", JsonValidation(schema, REQUESTS, nullable=nullable))


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"NaN", b"\xff", b'"\\ud800"', b"[" * 100_000, b"1e999"])
def test_bodies_that_json_may_read_otherwise_are_connexions(content: bytes) -> None:
    assert fill(json_body({}), content) is None


def test_bodies() -> None:
    made = json_body({"type": "integer"}, nullable=True)
    assert fill(made, b" 18446744073709551616 ") == {"body": 2**64}
    assert fill(made, b'"x"') is None
    assert fill(Raw("body"), b"x") == {"body": b"x"}
    assert fill(Raw(None), b"x") == {}
    assert fill(Raw("body"), b"") is None


def contents(*media_types: str) -> Contents:
    body = {"content": {media_type: {"schema": {"type": "object"}} for media_type in media_types}}
    made = operation(requestBody=body)
    return Contents(made, Names(frozenset(), every=True), sanitized, argument="body", strict=False)


def of(made: Contents, content_type: bytes, length: bytes = b"7") -> Content | None:
    return made.of([(b"content-type", content_type), (b"content-length", length)])


def test_media_types() -> None:
    made = contents("application/json", "multipart/form-data", "application/x-www-form-urlencoded", "text/plain", "a/*")
    for header in (b"application/json", b"application/json; charset=utf-8", b"multipart/form-data; boundary=b"):
        assert of(made, header) is not None
    for header in (
        b"application/json; charset=latin-1",
        b"Application/JSON",
        b"multipart/form-data; boundary=a/b",
        b"a/b",
    ):
        assert of(made, header) is None
    assert type(of(made, b"text/plain")) is Raw
    assert of(made, b"text/plain", b"0") is None
    assert of(made, b"text/plain", b"+7") is None
    for refused in ("*/*", "text/json"):
        with pytest.raises(Refused):
            contents(refused)


def test_a_body_is_given_again_to_who_reads_it_next() -> None:
    sent: list[Message] = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b"},
        {"type": "http.disconnect"},
    ]
    again = list(sent)

    async def receive() -> Message:
        return sent.pop(0)

    async def reading() -> None:
        taken = Taken(receive, await receive())
        assert (taken.content, taken.whole) == (b"a", False)
        await taken.read_on(None)
        assert (taken.content, taken.whole) == (b"ab", True)
        assert [await taken.receive() for _ in range(3)] == again
        sent[:] = again
        taken = Taken(receive, await receive())
        await taken.read_on(0)
        assert not taken.whole
        assert [await taken.receive() for _ in range(3)] == again

    asyncio.run(reading())


def test_handlers_get_what_they_name() -> None:
    async def handler(a: int, user: str) -> Any:
        return a, user

    made = Handler(handler)
    assert "a" in made.names
    assert "b" not in made.names
    arguments: dict[str, Any] = {"a": 1}
    made.complete(arguments, {"user": "ann", "token_info": {}})
    assert arguments == {"a": 1, "user": "ann"}
    assert not made.contextual


@pytest.mark.parametrize("calls", [ThreadCalls(1), None])
def test_handlers_that_are_not_async_run_in_a_thread_in_their_callers_context(calls: ThreadCalls | None) -> None:
    seen: ContextVar[str] = ContextVar("seen")

    def handler(a: int) -> Any:
        return a, seen.get(), threading.current_thread() is threading.main_thread()

    async def calling() -> Any:
        seen.set("here")
        return await Handler(handler, calls).call(a=1)

    assert asyncio.run(calling()) == (1, "here", False)


@pytest.mark.parametrize(
    ("returned", "status", "content"),
    [
        ({"a": 1}, 200, b'{"a":1}\n'),
        (([1, None], 201), 201, b"[1,null]\n"),
        ({"a": float("nan"), "b": None}, 200, b'{"a": NaN, "b": null}\n'),
        ({1: "a"}, 200, b'{"1": "a"}\n'),
        (("text",), 200, b'"text"\n'),
        ((5, HTTPStatus.ACCEPTED, {"X-A": "b"}), 202, b"5\n"),
    ],
)
def test_responses(returned: Any, status: int, content: bytes) -> None:
    answer = Responses(operation(), Jsonifier(), validate=False).answer(returned)
    assert answer is not None
    start, body = answer
    assert (start["status"], body["body"]) == (status, content)
    assert (b"content-length", b"%d" % len(content)) in start["headers"]


@pytest.mark.parametrize("returned", [None, b"bytes", ({}, 204), ({}, {"Content-Type": "b"}), (1, 2, 3), ({}, True)])
def test_unusual_responses_are_connexions(returned: Any) -> None:
    assert Responses(operation(), Jsonifier(), validate=False).answer(returned) is None


def test_responses_are_checked_by_their_status() -> None:
    content = {"content": {"application/json": {"schema": {"type": "array"}}}}
    made = Responses(operation(responses={"200": content, "404": {}}), Jsonifier(), validate=True)
    assert made.answer([]) is not None
    assert made.answer({}) is None
    assert made.answer(({}, 404)) is not None


def test_the_first_mount_that_fits_takes_all() -> None:
    deep, top = Trie[str](), Trie[str]()
    deep.add("GET", "/a", "deep")
    top.add("GET", "/v1/b", "top")
    top.add("GET", "/{p}", "any")
    routes = Routes([Mount("/v1", deep, ("/ui",)), Mount("", top, ("/openapi.json",))])
    assert routes.find("GET", "/v1/a") == ("deep", {})
    assert routes.find("GET", "/v1/b") is None
    assert routes.find("GET", "/v1") is None
    assert routes.find("GET", "/v1/ui/x") is None
    assert routes.find("GET", "/openapi.json") is None
    assert routes.find("GET", "/x") == ("any", {"p": "x"})
    assert routes.find("GET", "/v1/a") == ("deep", {})
    assert routes.find("POST", "/v1/a") is None


def test_a_page_of_the_swagger_ui_goes_before_routes_that_begin_as_it_does() -> None:
    trie = Trie[str]()
    for template in ("/ui/x", "/uikit", "/u", "/docs/ui/x", "/docs/y", "/pets", "/pets/{p}"):
        trie.add("GET", template, template)
    routes = Routes([Mount("", trie, ("/ui", "/docs/ui"))])
    found = [path for path in ("/ui/x", "/uikit", "/u", "/docs/ui/x", "/docs/y", "/pets") if routes.find("GET", path)]
    assert found == ["/u", "/docs/y", "/pets"]
    assert routes.find("GET", "/pets/ui") == ("/pets/{p}", {"p": "ui"})


def test_an_item_that_a_page_or_another_mount_may_cover_is_looked_for_with_care() -> None:
    trie, below = Trie[str](), Trie[str]()
    for template in ("/ui/{p}", "/docs/{p}", "/v1/{p}", "/v2/{p}"):
        trie.add("GET", template, template)
    below.add("GET", "/ui/{p}", "below")
    below.add("GET", "/pets/{p}", "deep")
    mounts = [Mount("/v1/pets", below, ()), Mount("/v1", below, ("/ui",)), Mount("", trie, ("/ui", "/docs/x"))]
    routes = Routes(mounts)
    paths = ["/ui/a", "/docs/a", "/docs/x", "/v1/ui/a", "/v1/pets/a", "/v1/pets/pets/a", "/v1/a", "/v1/pets", "/v2/a"]
    found = {path: routes.find("GET", path) for path in paths}
    assert {path: None if one is None else one[0] for path, one in found.items()} == {
        "/ui/a": None,
        "/docs/a": "/docs/{p}",
        "/docs/x": None,
        "/v1/ui/a": None,
        "/v1/pets/a": None,
        "/v1/pets/pets/a": "deep",
        "/v1/a": None,
        "/v1/pets": None,
        "/v2/a": "/v2/{p}",
    }


def test_found_texts_belong_to_who_found_them() -> None:
    trie = Trie[str]()
    trie.add("GET", "/{p}", "any")
    trie.add("GET", "/mine", "mine")
    routes = Routes([Mount("/v1", trie, ())])
    for _ in range(3):
        found = routes.find("GET", "/v1/mine")
        assert found == ("any", {"p": "mine"})
        found[1]["p"] = "changed"
