"""What most requests are: read in one pass, with the same arguments as with care, or not at all."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest
from marshmallow import Schema, fields
from starlette.types import Message, Scope

from funcatron.errors import InvalidInput
from funcatron.http.accept import NO_BODY, Acceptance, Media
from funcatron.http.request import RequestDecoder, header_map
from funcatron.http.stream import Replay
from funcatron.http.texts import ENCODED
from funcatron.registry import Function, build_registry
from funcatron.settings import Limits
from funcatron.spec.document import load
from tests.funcatron.functions import json_body, make, parameter

LIMIT = 1000
INTEGER = {"type": "integer", "minimum": 0, "maximum": 10**17}


class Named(Schema):
    name = fields.String(required=True)


async def everything(**arguments: Any) -> None: ...


async def loaded(body: Annotated[dict[str, Any], Named()]) -> None: ...


PARAMETERS = [
    parameter("item-id", "path", {"type": "string", "minLength": 2, "maxLength": 8}),
    parameter("n", "path", INTEGER),
    parameter("limit", "query", {**INTEGER, "default": 20}),
    parameter("ratio", "query", {"type": "number"}),
    parameter("flag", "query", {"type": "boolean"}),
    parameter("kind", "query", {"type": "string", "enum": ["a", "b c", "ü"]}),
]
LISTS = [
    parameter("ids", "query", {"type": "array", "items": {"type": "integer"}}, required=True),
    parameter("filter", "query", {"type": "object"}, style="deepObject", explode=True),
    parameter("X-Count", "header", INTEGER),
    parameter("sid", "cookie", {"type": "string", "default": "none"}),
]
BODY = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "maxLength": 5}, "size": {"type": "number", "nullable": True}},
}


def scope(path: str, query: str = "", headers: dict[str, str] | None = None, **more: Any) -> Scope:
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return {
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": raw,
    } | more


def accepted(function: Function, request: Scope, texts: dict[str, str], content: bytes | None = None) -> Any:
    """Return what is accepted or refused, which must be what it is with care; None where care is needed."""
    decoder = RequestDecoder(function, Limits(LIMIT, LIMIT))
    assert Acceptance.suits(function, decoder)
    acceptance = Acceptance(function, decoder, LIMIT)
    assert acceptance.wants_body is (content is not None)
    message = None if content is None else {"type": "http.request", "body": content, "more_body": False}
    media = acceptance.media(dict(request["headers"]).get(b"content-type"))
    try:
        found: Any = None if media is None else acceptance.read({**request}, texts, media, message)
    except InvalidInput as invalid:
        found = invalid.violations
    if found is not None:
        assert asyncio.run(with_care(function, decoder, {**request, "path_params": texts}, message)) == found
    return found


async def with_care(function: Function, decoder: RequestDecoder, request: Scope, message: Message | None) -> Any:
    async def receive() -> Message:
        raise AssertionError("there is no more")

    decoded = await decoder.decode(request, Replay(receive, message), header_map(request))
    assert not decoded.violations
    try:
        return function.binder.check(decoded.arguments, media_type=decoded.media_type)
    except InvalidInput as invalid:
        return invalid.violations


@pytest.mark.parametrize(
    ("texts", "query", "expected"),
    [
        (("ab", "7"), "", {"item_id": "ab", "n": 7, "limit": 20}),
        (("ab", "007"), "limit=3&limit=5", {"item_id": "ab", "n": 7, "limit": 5}),
        (("ab", "7"), "ratio=1.5&flag=true&kind=a", {"ratio": 1.5, "flag": True, "kind": "a"}),
        (("ab", "7"), "kind=b+c&&x=1", {"kind": "b c"}),
        (("ab", "7"), "kind=b%20c&%6bind=a", {"kind": "a"}),
        (("ab", "7"), "kind=a&%6bind=b+c&kind=%C3%BC", {"kind": "ü"}),
        (("ab", "+7"), "limit=10000000000000000", {"n": 7, "limit": 10**16}),
    ],
)
def test_texts(texts: tuple[str, str], query: str, expected: dict[str, Any]) -> None:
    function = make(everything, method="get", parameters=PARAMETERS)
    found = accepted(function, scope("/f/" + "/".join(texts), query), dict(zip(("item_id", "n"), texts, strict=True)))
    assert found | expected == found


@pytest.mark.parametrize(
    ("texts", "query", "wrong"),
    [
        (("a", "7"), "", ["/path/item-id"]),
        (("ab", "x"), "", ["/path/n"]),
        (("a", "-1"), "kind=c&limit=-1", ["/path/item-id", "/path/n", "/query/limit", "/query/kind"]),
        (("ab", "7"), "limit=", ["/query/limit"]),
        (("ab", "7"), "limit=1_0", ["/query/limit"]),
        (("ab", "7"), "limit=1e3", ["/query/limit"]),
        (("ab", "\u0667"), "", ["/path/n"]),
    ],
)
def test_what_is_not_valid_is_said_as_with_care(texts: tuple[str, str], query: str, wrong: list[str]) -> None:
    function = make(everything, method="get", parameters=PARAMETERS)
    request = scope("/f/" + "/".join(texts), query, raw_path=None)
    found = accepted(function, request, dict(zip(("item_id", "n"), texts, strict=True)))
    assert [violation.pointer for violation in found] == wrong


@pytest.mark.parametrize(
    ("texts", "query", "more"),
    [
        (("ab", "7"), "kind=%FF", {}),
        (("a,b", "7"), "", {"raw_path": b"/f/a%2Cb/7", ENCODED: True}),
    ],
)
def test_what_cannot_be_decoded_is_read_with_care(texts: tuple[str, str], query: str, more: dict[str, Any]) -> None:
    function = make(everything, method="get", parameters=PARAMETERS)
    request = scope("/f/" + "/".join(texts), query, **more)
    assert accepted(function, request, dict(zip(("item_id", "n"), texts, strict=True))) is None


def test_other_kinds_of_parameters() -> None:
    function = make(everything, method="get", parameters=LISTS)
    found = accepted(function, scope("/f", "ids=1&ids=2&filter[a]=b", {"X-Count": "3", "Cookie": "sid=x"}), {})
    assert found == {"ids": [1, 2], "filter": {"a": "b"}, "x_count": 3, "sid": "x"}
    assert accepted(function, scope("/f", "ids=1"), {}) == {"ids": [1], "sid": "none"}
    for query, headers, wrong in (
        ("ids=x", {}, "/query/ids/0"),
        ("filter[a]=b", {}, "/query/ids"),
        ("ids=1", {"X-Count": "x"}, "/header/X-Count"),
    ):
        (violation,) = accepted(function, scope("/f", query, headers), {})
        assert violation.pointer == wrong


def test_path_params_are_what_handlers_may_ask_for() -> None:
    function = make(everything, method="get", parameters=PARAMETERS[:2])
    request = scope("/f/ab/7")
    assert Acceptance(function, RequestDecoder(function, Limits(LIMIT, LIMIT)), LIMIT).read(
        request, {"item_id": "ab", "n": "7"}, NO_BODY, None
    ) == {"item_id": "ab", "n": 7}
    assert request["path_params"] == {"item_id": "ab", "n": 7}


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("{a}.{b}", [parameter("a", "path"), parameter("b", "path")]),
        ("{a}", [parameter("a", "path", {"type": "array", "items": {"type": "string"}})]),
        ("{a}", [parameter("a", "path", style="matrix")]),
        ("{a}", [parameter("a", "path", {"type": "string", "format": "path"})]),
    ],
)
def test_paths_that_are_read_with_care(path: str, parameters: list[dict[str, Any]]) -> None:
    described = {"operationId": "f", "parameters": parameters, "responses": {"200": {"description": "ok"}}}
    document = load(
        {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {f"/{path}": {"get": described}}}
    )
    function = build_registry([document], handlers={"f": everything}, services=()).get("f")
    assert not Acceptance.suits(function, RequestDecoder(function, Limits(LIMIT, LIMIT)))


JSON = {"Content-Type": "application/json"}


def json_of(acceptance: Acceptance) -> Media:
    media = acceptance.media(b"application/json")
    assert media is not None
    return media


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b'{"name": "a", "size": 1e3}', JSON),
        (b'{"name": "\\u00fc", "size": null, "more": [123456789012345678901234567890]}', JSON),
        ('{"name": "ü"}'.encode(), {"Content-Type": "Application/JSON; charset=UTF-8"}),
        (b'{"name": "a"}', {}),
    ],
)
def test_json_bodies(content: bytes, headers: dict[str, str]) -> None:
    function = make(everything, requestBody=json_body(BODY, required=True))
    assert accepted(function, scope("/f", headers=headers), {}, content) is not None


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"", JSON),
        (b"{", JSON),
        (b'{"name": "\xff"}', JSON),
        (b'{"name": "\\ud800"}', JSON),
        (b'{"name": "a", "size": 1e999}', JSON),
        (b"\xef\xbb\xbf" + b'{"name": "a"}', JSON),
        (b"[" * 100_000, JSON),
        (b'{"name": "a"}'.ljust(LIMIT + 1), JSON),
        (b'{"name": "a"}', {"Content-Type": "application/json; charset=latin-1"}),
        (b'{"name": "a"}', {"Content-Type": "text/plain"}),
    ],
)
def test_bodies_that_are_read_with_care(content: bytes, headers: dict[str, str]) -> None:
    function = make(everything, requestBody=json_body(BODY, required=True))
    assert accepted(function, scope("/f", headers=headers), {}, content) is None


def test_bodies_that_come_in_pieces_are_read_with_care() -> None:
    function = make(everything, requestBody=json_body(BODY))
    acceptance = Acceptance(function, RequestDecoder(function, Limits(LIMIT, LIMIT)), LIMIT)
    for message in ({"type": "http.request", "body": b'{"name": "a"}', "more_body": True}, {"type": "http.disconnect"}):
        assert acceptance.read(scope("/f", headers=JSON), {}, json_of(acceptance), message) is None


def test_typed_bodies_are_loaded() -> None:
    function = make(loaded, requestBody=json_body({"type": "object"}, required=True))
    acceptance = Acceptance(function, RequestDecoder(function, Limits(LIMIT, LIMIT)), LIMIT)
    message = {"type": "http.request", "body": b'{"name": "a"}', "more_body": False}
    found: Any = acceptance.read(scope("/f", headers=JSON), {}, json_of(acceptance), message)
    assert (found, found.loaded) == ({"body": {"name": "a"}}, {"name": "a"})
    with pytest.raises(InvalidInput, match="/body/name"):
        acceptance.read(scope("/f", headers=JSON), {}, json_of(acceptance), {**message, "body": b"{}"})


def test_bodies_that_are_not_valid() -> None:
    function = make(everything, requestBody=json_body(BODY, required=True))
    found = accepted(function, scope("/f", headers=JSON), {}, b'{"name": "abcdef", "size": "large"}')
    assert sorted(violation.pointer for violation in found) == ["/body/name", "/body/size"]
