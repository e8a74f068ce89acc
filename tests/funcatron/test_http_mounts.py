from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from funcatron import Funcatron
from funcatron.errors import FuncatronError
from funcatron.testing import application
from tests.funcatron.functions import document

pytestmark = pytest.mark.anyio

Environ = dict[str, Any]


def hello(name: str = "you") -> dict[str, str]:
    return {"hello": name}


def site(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Say where a WSGI application believes that it is."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-One", "1"), ("X-One", "2")])
    query, method = environ["QUERY_STRING"], environ["REQUEST_METHOD"]
    return [f"site {method} {environ['SCRIPT_NAME']!r} {environ['PATH_INFO']!r} {query}".encode()]


async def show(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"api {request.scope['root_path']} {request.url.path} {request.app.state.begun}")


def api(*, ends: list[str] | None = None, fails: bool = False) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if fails:
            raise RuntimeError("no database")
        app.state.begun = "begun"
        yield
        (ends if ends is not None else []).append("ended")

    return Starlette(routes=[Route("/{rest:path}", show)], lifespan=lifespan)


def mounted(**mounts: Any) -> Funcatron:
    app = application(document(method="get", operationId="hello"), handlers={"hello": hello})
    app.mounts = {"/" + path.replace("_", "/"): served for path, served in mounts.items()}
    return app


async def lifespan(app: Funcatron, told: list[MutableMapping[str, Any]], serve: Callable[[], Any]) -> None:
    """Run an application's lifespan around ``serve``; what it says goes into ``told``."""
    asked: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    started = asyncio.Event()

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(message)
        started.set()

    running = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, asked.get, send))  # type: ignore[arg-type]
    await asked.put({"type": "lifespan.startup"})
    await started.wait()
    if told[0]["type"] == "lifespan.startup.complete":
        await serve()
        await asked.put({"type": "lifespan.shutdown"})
    await asyncio.gather(running, return_exceptions=True)


async def test_what_is_no_function_is_the_mounted_applications() -> None:
    ends: list[str] = []
    app = mounted(**{"": site, "api": api(ends=ends), "api_inner": site})
    transport = httpx.ASGITransport(app)
    told: list[MutableMapping[str, Any]] = []

    async def serve() -> None:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

            async def text(method: str, path: str) -> str:
                return (await client.request(method, path)).text

            assert (await client.get("/f")).json() == {"hello": "you"}
            assert (await client.get("/_funcatron/health/live")).status_code == 200
            assert (await client.get("/_funcatron/nothing")).status_code == 404
            assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.")
            assert "swagger" in (await text("GET", "/ui/")).lower()
            assert await text("POST", "/f") == "site POST '' '/f' "
            assert await text("GET", "/") == "site GET '' '/' "
            assert await text("GET", "/some/where?a=%20b") == "site GET '' '/some/where' a=%20b"
            assert await text("GET", "/a%2Fb") == "site GET '' '/a/b' "
            assert await text("GET", "/api/things") == "api /api /api/things begun"
            assert await text("GET", "/apian") == "site GET '' '/apian' "
            assert await text("GET", "/api/inner/x") == "site GET '/api/inner' '/x' "
            answer = await client.get("/some")
            assert answer.headers.get_list("x-one") == ["1", "2"]

    await lifespan(app, told, serve)
    assert [message["type"] for message in told] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert ends == ["ended"]


async def test_below_a_root_path_too() -> None:
    app = mounted(**{"": site, "api": site})
    transport = httpx.ASGITransport(app, root_path="/behind")
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/behind/f")).json() == {"hello": "you"}
        assert (await client.get("/behind/some")).text == "site GET '/behind' '/some' "
        assert (await client.get("/behind/api/x")).text == "site GET '/behind/api' '/x' "
    await app.stop()


async def test_an_application_that_does_not_start_keeps_the_server_from_starting() -> None:
    told: list[MutableMapping[str, Any]] = []
    await lifespan(mounted(api=api(fails=True)), told, lambda: None)
    assert told[0]["type"] == "lifespan.startup.failed"
    assert "the application at /api does not start" in told[0]["message"]
    assert "no database" in told[0]["message"]


async def test_what_claims_a_page_has_it() -> None:
    class Claiming:
        def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            return site(environ, start_response)

        def claims(self, method: str, path: str) -> bool:
            return (method, path) == ("GET", "/openapi.json")

    app = mounted(**{"": Claiming()})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/openapi.json")).text.startswith("site GET")
        assert (await client.get("/openapi.yaml")).text.startswith("openapi:")
    await app.stop()


@pytest.mark.parametrize(
    ("mounts", "said"),
    [
        ({"_funcatron": site}, "nothing can be mounted at /_funcatron: the control API is there"),
        ({"/a": site, "/a/": site}, "two applications are mounted at /a"),
        ({"a": site}, "a path that begins with /, not at 'a'"),
        ({"/a": "site"}, "'site' is neither a WSGI nor an ASGI application"),
        ({"/a": hello}, "takes neither 2 nor 3 arguments"),
    ],
)
async def test_what_cannot_be_mounted_is_said(mounts: dict[str, Any], said: str) -> None:
    app = mounted()
    app.mounts = {("/" + path if path == "_funcatron" else path): served for path, served in mounts.items()}
    with pytest.raises(FuncatronError) as raised:
        await app({"type": "http"}, None, None)  # type: ignore[arg-type]
    assert said in str(raised.value)
