"""WSGI applications (PEP 3333) as ASGI ones: a2wsgi, and what a server needs beyond it.

A stream ends when its client goes away, threads are bounded, and what WSGI cannot carry is put in a form that it can.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote_from_bytes

from a2wsgi import WSGIMiddleware
from starlette.types import Message, Receive, Scope, Send

from funcatron.errors import Problem
from funcatron.http.respond import problem_result, send_result
from funcatron.http.threads import DaemonThreads

__all__ = ["FromWSGI"]

CLIENT = "funcatron.client"
SCOPE = "asgi.scope"
"""Where a2wsgi leaves the ASGI scope in the environ."""
_QUERY = "".join(chr(code) for code in range(0x21, 0x7F))


class FromWSGI:
    """Serves a WSGI application in ``threads`` threads; with ``waiting`` more requests than those, 503 is answered."""

    def __init__(self, app: Callable[..., Iterable[bytes]], *, threads: int, waiting: int) -> None:
        self._app = app
        run: Any = self._run  # its types and starlette's are two names for the same
        served: Any = WSGIMiddleware(run, workers=threads)
        served.executor = DaemonThreads(threads, "funcatron-wsgi")  # its threads wait for the loop without end
        self._served = served
        self._most = threads + waiting
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI): HTTP; a WebSocket is closed, a lifespan passes."""
        if scope["type"] != "http":
            await self._served(scope, receive, send)
            return
        if self._requests >= self._most:
            busy = Problem(503, detail=f"{self._requests} requests are being served", headers={"Retry-After": "1"})
            await send_result(problem_result(busy), scope, receive, send)
            return
        client = _Client(scope, receive)
        self._requests += 1
        serving = asyncio.ensure_future(self._served(_carried(scope, client), client.receive, client.sending(send)))
        serving.add_done_callback(self._served_one)
        watching = asyncio.create_task(client.watch())
        try:
            await asyncio.shield(serving)  # a thread cannot be cancelled: it is told that nobody listens
        finally:
            client.gone = True
            watching.cancel()

    def _served_one(self, serving: asyncio.Future[None]) -> None:
        self._requests -= 1
        if not serving.cancelled():
            serving.exception()  # whoever waits for it has it too; where nobody does, it is no news

    def _run(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["wsgi.errors"] = sys.stderr
        return _Chunks(self._app(environ, start_response), environ[SCOPE][CLIENT])


class _Client:
    """Who sent a request: heard until it is all there, then watched."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._heard = asyncio.Event()
        if not {b"content-length", b"transfer-encoding"} & {name for name, _ in scope["headers"]}:
            self._heard.set()  # there is nothing to come
            self._first: Message | None = {"type": "http.request", "body": b"", "more_body": False}
        else:
            self._first = None
        self.gone = False

    async def receive(self) -> Message:
        if self._first is not None:
            return self._first
        message = await self._receive()
        if not message.get("more_body", False):
            self._heard.set()
        return message

    async def watch(self) -> None:
        """Find out when the client goes away; while a body is being read, the application does."""
        await self._heard.wait()
        while True:
            if (await self._receive())["type"] == "http.disconnect":
                break
            await asyncio.sleep(0)  # a server that has nothing to say may say so at once, again and again
        self.gone = True

    def sending(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if not self.gone:
                await send(message)

        return sending


class _Chunks(Iterator[bytes]):
    """An answer for as long as there is somebody to read it."""

    def __init__(self, chunks: Iterable[bytes], client: _Client) -> None:
        self._source = chunks
        self._chunks = iter(chunks)
        self._client = client

    def __next__(self) -> bytes:
        if self._client.gone:
            raise StopIteration
        return next(self._chunks)

    def close(self) -> None:
        """Close the application's iterable (PEP 3333)."""
        if (close := getattr(self._source, "close", None)) is not None:
            close()


def _carried(scope: Scope, client: _Client) -> Scope:
    """Return a scope that becomes an environ: one Cookie header (RFC 9113, section 8.2.3), a query in ASCII."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
    cookies = [value for name, value in scope["headers"] if name == b"cookie"]
    if cookies:
        headers.append((b"cookie", b"; ".join(cookies)))
    query: bytes = scope["query_string"]
    if not query.isascii():
        query = quote_from_bytes(query, safe=_QUERY).encode()
    return {**scope, "headers": headers, "query_string": query, CLIENT: client}
