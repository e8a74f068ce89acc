"""Asking an application twice: as Flask alone serves it, and through our door."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx
from flask import Flask
from werkzeug.test import create_environ, run_wsgi_app

from funcatron import Funcatron
from funcatron.settings import load_settings
from funcatron.store.memory import MemoryStore
from funcatron.testing.doors import InlineDispatcher
from funcatron_flask import from_flask

__all__ = ["Asked", "adapted", "asking", "told"]

BASE = "http://testserver"


def adapted(app: Flask, *specs: Any, settings: dict[str, Any] | None = None, **options: Any) -> Funcatron:
    """Return the Funcatron of an application, its store in memory and its worker in this process."""
    store = MemoryStore()
    made = load_settings({"swagger_ui": True, **(settings or {})}, environ={})
    return from_flask(app, *specs, settings=made, store=store, dispatcher=InlineDispatcher(store), **options)


@asynccontextmanager
async def asking(served: Funcatron | Flask) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of a Funcatron, or of a Flask application as it stands alone; it keeps cookies."""
    if isinstance(served, Flask):
        transport: httpx.AsyncBaseTransport = _Alone(served)
    else:
        transport = httpx.ASGITransport(served, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client
    if isinstance(served, Funcatron):
        await served.stop()


class _Alone(httpx.AsyncBaseTransport):
    """A Flask application below the plainest of WSGI servers (httpx's own does not decode paths as PEP 3333 asks)."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        environ = create_environ(base_url=BASE, method=request.method, input_stream=io.BytesIO(await request.aread()))
        path, _, query = request.url.raw_path.decode("latin-1").partition("?")
        environ |= {"PATH_INFO": unquote_to_bytes(path).decode("latin-1"), "QUERY_STRING": query}
        for name, value in request.headers.multi_items():
            key = name.upper().replace("-", "_")
            if key in ("CONTENT_TYPE", "CONTENT_LENGTH", "HOST"):
                environ[key if key != "HOST" else "HTTP_HOST"] = value
            else:
                environ[f"HTTP_{key}"] = ",".join(filter(None, [environ.get(f"HTTP_{key}"), value]))
        chunks, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        content = httpx.ByteStream(b"".join(chunks))
        return httpx.Response(int(status.partition(" ")[0]), headers=list(headers), stream=content)


Asked = tuple[int, list[tuple[str, str]], bytes]


def told(answer: httpx.Response) -> Asked:
    """Return all that an answer says, but when: headers in order of their names, those of one name as they came."""
    hidden = {"date", "last-modified", "expires"}
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in hidden]
    return answer.status_code, sorted(headers, key=lambda pair: pair[0]), answer.content
