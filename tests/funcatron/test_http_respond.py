from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from funcatron.errors import Problem
from funcatron.http.respond import plain_start, problem_result, send_result
from funcatron.invocation import Result

pytestmark = pytest.mark.anyio

SCOPE = {"method": "GET", "path": "/x"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def sent(result: Result, method: str = "GET") -> tuple[int, dict[bytes, bytes], list[dict[str, Any]]]:
    """Return status, headers and body messages; checks that the messages are what ASGI allows."""
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()  # the client stays

    await send_result(result, {"method": method, "path": "/x"}, receive, send)
    start, *bodies = messages
    assert start["type"] == "http.response.start"
    assert all(body["type"] == "http.response.body" for body in bodies)
    assert [body.get("more_body", False) for body in bodies] == [True] * (len(bodies) - 1) + [False]
    return start["status"], dict(start["headers"]), bodies


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_a_result_is_sent_whole() -> None:
    status, headers, (body,) = await sent(
        Result(status=201, headers={"X-A": "1", "Content-Length": "99"}, body=b"{}", content_type="application/json")
    )
    assert status == 201
    assert headers == {b"x-a": b"1", b"content-type": b"application/json", b"content-length": b"2"}
    assert body["body"] == b"{}"


@pytest.mark.parametrize("length", [0, 1, 1023, 1024, 100_000])
async def test_a_plain_answer_begins_as_any_other(length: int) -> None:
    result = Result(status=201, body=b"x" * length, content_type="application/json")
    status, headers, _ = await sent(result)
    start = plain_start(result)
    assert start == {"type": "http.response.start", "status": status, "headers": list(headers.items())}


async def test_a_header_may_be_sent_several_times() -> None:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    result = Result(status=204, headers={"Set-Cookie": ["a=1", "b=2"], "X-A": "1", "X-None": []})
    await send_result(result, {"method": "GET", "path": "/x"}, asyncio.Event().wait, send)  # type: ignore[arg-type]
    assert messages[0]["headers"] == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-a", b"1")]


async def test_head_has_the_headers_and_no_body() -> None:
    _, headers, (body,) = await sent(Result(body=b"hello", content_type="text/plain"), "HEAD")
    assert headers == {b"content-type": b"text/plain", b"content-length": b"5"}
    assert body["body"] == b""


@pytest.mark.parametrize("status", [204, 304])
async def test_some_statuses_have_no_content(status: int) -> None:
    _, headers, (body,) = await sent(
        Result(status=status, headers={"ETag": '"1"'}, body=b"x", content_type="text/plain")
    )
    assert headers == {b"etag": b'"1"'}
    assert body["body"] == b""


async def test_a_stream_is_sent_as_it_comes() -> None:
    _, headers, bodies = await sent(Result(body=stream(b"a", b"", b"b"), content_type="text/event-stream"))
    assert headers == {b"content-type": b"text/event-stream"}
    assert [body["body"] for body in bodies] == [b"a", b"b", b""]


@pytest.mark.parametrize(("status", "method"), [(200, "HEAD"), (204, "GET")])
async def test_a_stream_that_nobody_reads_is_closed(status: int, method: str) -> None:
    closed = []

    class Source:
        def __aiter__(self) -> Source:
            raise AssertionError("is not read")

        async def aclose(self) -> None:
            closed.append(True)

    _, _, (body,) = await sent(Result(status=status, body=Source()), method)
    assert (body["body"], closed) == (b"", [True])


async def test_a_stream_that_breaks_is_not_ended_as_if_it_were_whole(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise ValueError("in the middle")

    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    await send_result(Result(body=broken()), SCOPE, asyncio.Event().wait, send)  # type: ignore[arg-type]
    assert [message.get("body") for message in messages[1:]] == [b"a"]
    assert messages[-1]["more_body"]
    assert "in the middle" in caplog.text


async def test_a_stream_ends_when_the_client_goes_away() -> None:
    ended = []
    left = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick"
                left.set()
                await asyncio.sleep(0.001)
        finally:
            ended.append(True)

    async def receive() -> Any:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None: ...

    await asyncio.wait_for(send_result(Result(body=endless()), SCOPE, receive, send), 10)
    assert ended == [True]


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"X-A": "a\r\nSet-Cookie: b=1"}, "X-A"),
        ({"X-A": "a\nb"}, "X-A"),
        ({"X-A": "\0"}, "X-A"),
        ({"X A": "1"}, "'X A'"),
        ({"": "1"}, "''"),
        ({"X-Ü": "1"}, "'X-Ü'"),
    ],
)
async def test_a_header_that_http_cannot_carry_is_a_500(
    headers: dict[str, str], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "funcatron.http"):
        status, answered, (body,) = await sent(Result(headers=headers, body=b"secret"))
    assert status == 500
    assert answered[b"content-type"] == b"application/problem+json"
    assert b"secret" not in body["body"]
    assert named in caplog.text


@pytest.mark.parametrize(("value", "encoded"), [("ü", b"\xfc"), ("☃", "☃".encode()), (" a\tb ", b"a\tb"), ("", b"")])
async def test_header_values_are_latin_1_or_utf_8(value: str, encoded: bytes) -> None:
    _, headers, _ = await sent(Result(headers={"X-A": value}))
    assert headers[b"x-a"] == encoded


async def test_a_problem_is_problem_json() -> None:
    result = problem_result(Problem(409, detail="no", headers={"X-A": "1"}, extra=[1]))
    status, headers, (body,) = await sent(result)
    assert (status, headers[b"content-type"], headers[b"x-a"]) == (409, b"application/problem+json", b"1")
    assert body["body"] == b'{"extra":[1],"type":"about:blank","title":"Conflict","status":409,"detail":"no"}'
