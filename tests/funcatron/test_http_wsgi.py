from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any

import pytest

from funcatron.http.wsgi import FromWSGI

pytestmark = pytest.mark.anyio

Environ = dict[str, Any]
Message = MutableMapping[str, Any]
PATIENCE = 30.0


def scope(query: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/",
        "raw_path": b"/",
        "query_string": query,
        "headers": list(headers),
        "server": ("test", 80),
    }


class Client:
    """A client that sends no body, and goes away when it is told to."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.messages: list[Message] = []
        self.told = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.messages.append(message)
        self.told.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


def saying(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ.get('HTTP_COOKIE')} {environ['QUERY_STRING']}".encode()]


async def test_what_wsgi_cannot_carry_is_put_in_a_form_that_it_can() -> None:
    client = Client()
    app = FromWSGI(saying, threads=1, waiting=0)
    await app(scope(b"a=\xff&b=%20c", [(b"cookie", b"a=1"), (b"cookie", b"b=2")]), client.receive, client.send)
    assert client.body == b"a=1; b=2 a=%FF&b=%20c"


class Endless:
    """An application whose answer goes on until it is closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b"more"
        finally:
            self.closed.set()


async def test_a_stream_ends_when_its_client_goes_away() -> None:
    endless = Endless()
    client = Client()
    serving = asyncio.create_task(FromWSGI(endless, threads=1, waiting=0)(scope(), client.receive, client.send))
    await client.told.wait()
    client.gone.set()
    await asyncio.wait_for(serving, PATIENCE)
    assert await asyncio.to_thread(endless.closed.wait, PATIENCE)


async def test_a_server_that_lets_go_of_a_request_gets_its_thread_back() -> None:
    endless = Endless()
    client = Client()
    app = FromWSGI(endless, threads=1, waiting=0)
    serving = asyncio.create_task(app(scope(), client.receive, client.send))
    await client.told.wait()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert await asyncio.to_thread(endless.closed.wait, PATIENCE)


async def test_more_requests_than_there_is_room_for_are_told_so() -> None:
    entered, released = threading.Event(), threading.Event()

    def slow(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        entered.set()
        assert released.wait(PATIENCE)
        return saying(environ, start_response)

    app = FromWSGI(slow, threads=1, waiting=1)
    clients = [Client() for _ in range(3)]
    serving = [asyncio.create_task(app(scope(), client.receive, client.send)) for client in clients]
    await asyncio.wait({serving[2]})
    assert clients[2].messages[0]["status"] == 503
    assert dict(clients[2].messages[0]["headers"])[b"retry-after"] == b"1"
    released.set()
    await asyncio.gather(*serving)
    assert [client.messages[0]["status"] for client in clients] == [200, 200, 503]


async def test_what_an_application_raises_before_its_answer_is_the_servers_to_tell() -> None:
    def failing(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise LookupError("lost")

    client = Client()
    with pytest.raises(LookupError, match="lost"):
        await FromWSGI(failing, threads=1, waiting=0)(scope(), client.receive, client.send)
