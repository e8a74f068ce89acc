"""Replies: every return form, what it becomes on the wire, and what is refused."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse

import funcatron.http  # noqa: F401 - imports connexion without its warnings
from funcatron.invocation import Result
from funcatron.replies import InvalidReply, Replies
from funcatron.replies.chunks import event_chunk
from funcatron.streams import Stream
from tests.funcatron.functions import make, named

connexion = sys.modules["connexion"]
ConnexionResponse = connexion.lifecycle.ConnexionResponse
pytestmark = pytest.mark.anyio

OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def replies(responses: dict[str, Any] | None = None, *, validate: bool = True) -> Replies:
    """Return the Replies of an operation with these responses, each given by its ``content`` alone."""
    described = {
        status: content if "description" in content else {"description": "ok", "content": content}
        for status, content in (responses or {}).items()
    }
    return make(lambda: None, validate=validate, responses=described or {"200": {"description": "ok"}}).replies


def seen(result: Result) -> tuple[int, Any, str | None, dict[str, str]]:
    return result.status, result.body, result.content_type, dict(result.headers)


def refusal(returned: Any, responses: dict[str, Any] | None = None) -> str:
    with pytest.raises(InvalidReply) as invalid:
        replies(responses).encode(returned)
    return str(invalid.value)


JSON = "application/json"


class Pair(NamedTuple):
    a: int
    b: int


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ({"a": 1}, (200, b'{"a":1}', JSON, {})),
        ([1, None], (200, b"[1,null]", JSON, {})),
        (0, (200, b"0", JSON, {})),
        (False, (200, b"false", JSON, {})),
        (None, (204, b"", None, {})),
        ((None,), (204, b"", None, {})),
        ((), (204, b"", None, {})),
        ((None, 200), (200, b"", None, {})),
        (({"a": 1},), (200, b'{"a":1}', JSON, {})),
        (({"a": 1}, 201), (201, b'{"a":1}', JSON, {})),
        (({"a": 1}, HTTPStatus.ACCEPTED), (202, b'{"a":1}', JSON, {})),
        (({"a": 1}, {"X-A": 1}), (200, b'{"a":1}', JSON, {"X-A": "1"})),
        (({"a": 1}, 201, {"X-A": "b"}), (201, b'{"a":1}', JSON, {"X-A": "b"})),
        (({"a": 1}, None, {"X-A": "b"}), (200, b'{"a":1}', JSON, {"X-A": "b"})),
        (({"a": 1}, 201, None), (201, b'{"a":1}', JSON, {})),
        ((0, {"Set-Cookie": ["a", "b"]}), (200, b"0", JSON, {"Set-Cookie": ["a", "b"]})),
        ((0, 201, [("Set-Cookie", "a"), ("Set-Cookie", "b")]), (201, b"0", JSON, {"Set-Cookie": ["a", "b"]})),
        ((0, [("content-type", "text/json+json")]), (200, b"0", "text/json+json", {"content-type": "text/json+json"})),
        (Result(value=0, headers={"Link": ["a", "b"]}), (200, b"0", JSON, {"Link": ["a", "b"]})),
        ((None, 404), (404, b"", None, {})),
        ("text", (200, b"text", "text/plain", {})),
        ("", (200, b"", "text/plain", {})),
        (b"\x00", (200, b"\x00", "application/octet-stream", {})),
        (bytearray(b"a"), (200, b"a", "application/octet-stream", {})),
        (("x,y", {"content-type": "text/csv"}), (200, b"x,y", "text/csv", {"content-type": "text/csv"})),
        (("a", 200, {"Content-Type": JSON}), (200, b'"a"', JSON, {"Content-Type": JSON})),
        (Pair(1, 2), (200, b"[1,2]", JSON, {})),
        (Result(value={"a": 1}, status=206, headers={"X": "1"}), (206, b'{"a":1}', JSON, {"X": "1"})),
        (Result(value="a", content_type="text/x"), (200, b"a", "text/x", {})),
        (Result(body=b"raw", content_type="image/png"), (200, b"raw", "image/png", {})),
        (Result(status=204), (204, b"", None, {})),
        (Result(value=0), (200, b"0", JSON, {})),
    ],
    ids=named,
)
def test_return_forms(returned: Any, expected: tuple[int, bytes, str | None, dict[str, str]]) -> None:
    assert seen(replies().encode(returned)) == expected


def test_a_result_may_say_when_to_try_again() -> None:
    assert replies().encode(Result(value={}, status=503, retry_after=7.0)).retry_after == 7.0


def with_cookies(response: Response) -> Response:
    for name, value in (("a", "1"), ("b", "2")):
        response.set_cookie(name, value, samesite=None)
    return response


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (connexion.NoContent, (204, b"", None, {})),
        ((connexion.NoContent, 201), (201, b"", None, {})),
        ((connexion.NoContent, 202, {"X-A": "1"}), (202, b"", None, {"X-A": "1"})),
        (
            ConnexionResponse(status_code=202, content_type=JSON, body='{"b": 2}', headers={"X-B": "2"}),
            (202, b'{"b": 2}', JSON, {"X-B": "2", "Content-Type": JSON}),
        ),
        (ConnexionResponse(status_code=204), (204, b"", None, {})),
        (ConnexionResponse(body={"a": 1}, mimetype=JSON), (200, b'{"a":1}', JSON, {})),
        (JSONResponse({"c": 3}, status_code=201), (201, b'{"c":3}', JSON, {"content-type": JSON})),
        (
            PlainTextResponse("ü", headers={"X-A": "1"}),
            (200, "ü".encode(), "text/plain; charset=utf-8", {"x-a": "1", "content-type": "text/plain; charset=utf-8"}),
        ),
        ((JSONResponse({}), 202, {"X-A": "1"}), (202, b"{}", JSON, {"content-type": JSON, "X-A": "1"})),
        (Response(status_code=204), (204, b"", None, {})),
        (with_cookies(Response(status_code=204)), (204, b"", None, {"set-cookie": ["a=1; Path=/", "b=2; Path=/"]})),
    ],
    ids=range(11),
)
def test_what_handlers_of_connexion_return(response: Any, expected: tuple[Any, ...]) -> None:
    assert seen(replies().encode(response)) == expected


async def test_a_streaming_response_stays_a_stream() -> None:
    result = replies().encode(StreamingResponse(iter(["a", "b"]), media_type="text/plain"))
    assert isinstance(result.body, Stream)
    assert await result.body.acollect() == b"ab"
    assert result.content_type == "text/plain; charset=utf-8"


async def test_a_file_is_sent_in_pieces(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(range(256)) * 1000)
    result = replies().encode(FileResponse(file, media_type="image/png"))
    chunks = [chunk async for chunk in result.body]
    assert b"".join(chunks) == file.read_bytes()
    assert len(chunks) > 1
    assert result.content_type == "image/png"
    with pytest.raises(FileNotFoundError):
        replies().encode(FileResponse(tmp_path / "absent"))


@pytest.mark.parametrize(
    "returned", [({}, 99), ({}, 100), ({}, 199), ({}, 600), ({}, "200"), ({}, True), ({}, 2.5), Result(status=1000)]
)
def test_what_is_no_status(returned: Any) -> None:
    assert "is not an HTTP status: return (value, status) with a number from 200 to 599" in refusal(returned)


@pytest.mark.parametrize("returned", [(1, 2, 3, 4), ({}, 200, "headers"), ({}, 200, 5), ({}, [1, 2])])
def test_what_is_no_form(returned: Any) -> None:
    assert refusal(returned) == "a tuple must be (value, status), (value, headers) or (value, status, headers)"


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ({"a": [object()]}, "the answer does not serialise: /a/0: object does not serialise as JSON"),
        ({"a": b"x"}, "the answer does not serialise: /a: bytes does not serialise as JSON"),
        (({1: 2}, {"Content-Type": "text/html"}), "a dict cannot be sent as text/html: return str or bytes"),
        (object(), "the answer does not serialise: the value: object does not serialise as JSON"),
        ("\ud800", "the answer does not serialise: 'utf-8' codec can't encode"),
    ],
)
def test_what_does_not_serialise(returned: Any, said: str) -> None:
    assert refusal(returned).startswith(said)


# The document


@pytest.mark.parametrize(
    ("content", "returned", "content_type", "body"),
    [
        ({"text/csv": {}}, "a,b", "text/csv", b"a,b"),
        ({"application/vnd.x+json": {}}, {"a": 1}, "application/vnd.x+json", b'{"a":1}'),
        ({"application/json": {}}, "text", JSON, b'"text"'),
        ({"application/json": {}, "text/plain": {}}, "text", "text/plain", b"text"),
        ({"application/json": {}, "text/plain": {}}, {}, JSON, b"{}"),
        ({"text/plain": {}, "application/x+json": {}}, {}, "application/x+json", b"{}"),
        ({"image/*": {}, "application/octet-stream": {}}, b"x", "application/octet-stream", b"x"),
        ({"*/*": {}}, "text", "text/plain", b"text"),
        ({"*/*": {}}, {}, JSON, b"{}"),
        ({"application/*": {}}, {}, JSON, b"{}"),
        ({"application/json; charset=utf-8": {}}, {}, "application/json; charset=utf-8", b"{}"),
        ({"image/png": {}, "text/html": {}}, ("x", {"Content-Type": "text/html"}), "text/html", b"x"),
        ({"image/png": {}, "text/html": {}}, None, None, b""),
    ],
)
def test_the_media_type_is_the_documents(
    content: dict[str, Any], returned: Any, content_type: Any, body: bytes
) -> None:
    result = replies({"2XX": content}).encode(returned)
    assert (result.content_type, result.body) == (content_type, body)


@pytest.mark.parametrize("returned", ["text", {}, b""])
def test_a_media_type_that_nobody_can_know_is_asked_for(returned: Any) -> None:
    said = refusal(returned, {"200": {"image/png": {}, "text/html": {}}})
    assert said.startswith("several media types are declared for 200 (image/png, text/html) and a ")
    assert said.endswith("return a Content-Type header")


RESPONSES = {
    "200": {"application/json": {"schema": OBJECT}},
    "4XX": {"application/json": {"schema": {"type": "array"}}},
    "default": {"application/json": {"schema": {"type": "string"}}},
}


@pytest.mark.parametrize("returned", [{"a": 1}, ([], 404), ("x", 201), ("x", 503), None, (None, 204), ("", 304)])
def test_what_the_document_promises_is_let_through(returned: Any) -> None:
    replies(RESPONSES).encode(returned)


@pytest.mark.parametrize(
    ("returned", "status", "pointer"),
    [
        ({}, 200, "/body/a"),
        ({"a": "x"}, 200, "/body/a"),
        ((None, 200), 200, "/body"),
        (b'{"a":', 200, "/body"),
        (b'{"a": "x"}', 200, "/body/a"),
        (({}, 404), 404, "/body"),
        (({}, 503), 503, "/body"),
        ({"a": float("nan")}, 200, "/body/a"),
        (Result(value={}), 200, "/body/a"),
        (JSONResponse({}), 200, "/body/a"),
    ],
    ids=named,
)
def test_what_it_does_not_promise_is_named(returned: Any, status: int, pointer: str) -> None:
    with pytest.raises(InvalidReply) as invalid:
        replies(RESPONSES).encode(returned)
    assert pointer in [violation.pointer for violation in invalid.value.violations]
    assert str(invalid.value).startswith(f"the answer does not fit the document's {status} response: /body")
    replies(RESPONSES, validate=False).encode(returned)


def test_bytes_are_no_json_because_the_schema_says_binary() -> None:
    described = {"200": {"application/json": {"schema": {"type": "string", "format": "binary"}}}}
    assert "is not JSON" in refusal(b"\x89PNG", described)
    assert "/body" in refusal(b"[]", described)


def test_only_five_violations_are_told_and_all_are_kept() -> None:
    with pytest.raises(InvalidReply) as invalid:
        replies({"200": {"application/json": {"schema": {"type": "array", "items": {"type": "string"}}}}}).encode(
            [1] * 9
        )
    assert len(invalid.value.violations) == 9
    assert str(invalid.value).count("/body/") == 5


@dataclass
class Reading:
    a: int
    when: datetime
    share: Decimal
    tags: frozenset[str]


def test_what_goes_over_the_wire_is_judged() -> None:
    def described(when: dict[str, Any]) -> dict[str, Any]:
        properties = {"when": when, "share": {"type": "number"}, "tags": {"type": "array"}}
        schema = {"allOf": [OBJECT, {"type": "object", "properties": properties}]}
        return {"200": {"application/json": {"schema": schema}}}

    reading = Reading(1, datetime(2024, 2, 29, tzinfo=UTC), Decimal("0.5"), frozenset("a"))
    result = replies(described({"type": "string", "format": "date-time"})).encode(reading)
    assert result.body == b'{"a":1,"when":"2024-02-29T00:00:00Z","share":0.5,"tags":["a"]}'
    assert "/body/when" in refusal(reading, described({"type": "integer"}))


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "number"},
        {"type": "number", "nullable": True},
        {"not": {"type": "number"}},
        {"not": {"type": "number", "nullable": True}},
        {"oneOf": [{"type": "number", "nullable": True}, {"type": "string", "nullable": True}]},
        {"anyOf": [{"type": "string"}, {"type": "integer", "nullable": True}]},
        {"enum": [None, 1]},
        {"minimum": 5},
    ],
    ids=str,
)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, None])
def test_what_is_no_number_is_judged_as_the_null_that_it_is_sent_as(
    schema: dict[str, Any], value: float | None
) -> None:
    described = {"200": {"description": "", "content": {"application/json": {"schema": {"items": schema}}}}}
    sent = value if value == 1.5 else None

    def fits(returned: Any) -> bool:
        try:
            return bool(replies(described).encode([returned]).body)
        except InvalidReply:
            return False

    assert fits(value) is fits(sent)


def test_write_only_members_are_not_asked_for_in_answers() -> None:
    schema = {
        "type": "object",
        "required": ["name", "password"],
        "properties": {"name": {"type": "string"}, "password": {"type": "string", "writeOnly": True}},
    }
    replies({"200": {"application/json": {"schema": schema}}}).encode({"name": "a"})


def test_required_headers_are_asked_for() -> None:
    described = {
        "200": {
            "description": "ok",
            "headers": {
                "X-Total": {"required": True, "schema": {"type": "integer"}},
                "X-More": {"schema": {"type": "string"}},
            },
        }
    }
    assert "/header/x-total: is required" in refusal({}, described)
    replies(described).encode(({}, {"x-total": 1}))


# Streams


def lines() -> Iterator[str]:
    yield "a\n"
    yield "b\n"


async def alines() -> AsyncIterator[Any]:
    yield b"a"
    yield {"b": 1}
    yield bytearray(b"c")


@pytest.mark.parametrize(
    ("returned", "content_type", "body"),
    [
        (lines, "application/octet-stream", b"a\nb\n"),
        (alines, "application/octet-stream", b'a{"b":1}\nc'),
        (lambda: (lines(), 201, {"Content-Type": "text/plain"}), "text/plain", b"a\nb\n"),
        (lambda: Result(body=lines(), content_type="text/x"), "text/x", b"a\nb\n"),
        (lambda: map(str, range(3)), "application/octet-stream", b"012"),
        (lambda: iter([]), "application/octet-stream", b""),
    ],
)
def test_iterators_are_streamed(returned: Any, content_type: str, body: bytes) -> None:
    async def use() -> None:
        result = replies().encode(returned())
        assert isinstance(result.body, Stream)
        assert result.value is None
        assert result.content_type == content_type
        assert await result.body.acollect() == body

    asyncio.run(use())


@pytest.mark.parametrize(
    ("item", "wire"),
    [
        ("text", "data: text\n\n"),
        ("", "data: \n\n"),
        ("two\nlines", "data: two\ndata: lines\n\n"),
        ("all\r\nthe\rends\n", "data: all\ndata: the\ndata: ends\ndata: \n\n"),
        ("one\u2028line", "data: one\u2028line\n\n"),
        ({"a": "\u2028"}, 'data: {"a":"\u2028"}\n\n'),
        ([1], "data: [1]\n\n"),
        (None, "data: null\n\n"),
        (b"bytes", "data: bytes\n\n"),
        ({"event": "ping"}, 'data: {"event":"ping"}\n\n'),
        ({"data": [1], "event": "t", "id": 7, "retry": 100}, "id: 7\nevent: t\nretry: 100\ndata: [1]\n\n"),
        ({"data": "", "id": "a\nevent: evil"}, "id: a event: evil\ndata: \n\n"),
        ({"data": datetime(2024, 2, 29, tzinfo=UTC)}, 'data: "2024-02-29T00:00:00Z"\n\n'),
    ],
)  # fmt: skip
def test_server_sent_events(item: Any, wire: str) -> None:
    assert event_chunk(item).decode() == wire


async def test_an_operation_that_answers_events_streams_events() -> None:
    result = replies({"200": {"text/event-stream": {}}}).encode(iter([{"data": 1}, "x"]))
    assert result.content_type == "text/event-stream"
    assert await result.body.acollect() == b"data: 1\n\ndata: x\n\n"


def test_connexion_is_not_imported_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "connexion.datastructures")
    assert "object does not serialise" in refusal(connexion.NoContent)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"X-A": "a\r\nSet-Cookie: b"}, "the header X-A has a line break or a control character in its value"),
        ({"X-A": "\0"}, "the header X-A has a line break or a control character in its value"),
        ({"X A": "b"}, "'X A' is not the name of a header"),
        ({"Set-Cookie": ["a", "b\n"]}, "the header Set-Cookie has a line break or a control character in its value"),
        ({"": "b"}, "'' is not the name of a header"),
    ],
)
def test_headers_that_http_cannot_carry_are_refused_on_every_door(headers: dict[str, str], said: str) -> None:
    assert refusal(({}, headers)) == refusal(({}, 200, headers)) == refusal(Result(value={}, headers=headers)) == said
    assert replies().encode(({}, {"X-A": "grüezi\tdu"})).status == 200
