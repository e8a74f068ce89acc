"""Other applications beside the functions: any WSGI or ASGI application, mounted at a path.

Functions, the control API and documents come first; what is none of them goes to the application whose path is the
longest that fits. Source: ASGI 3.0 (``root_path``, lifespan), PEP 3333.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope

from funcatron.errors import FuncatronError

__all__ = ["Applications", "Mounts", "original"]


@dataclass(frozen=True, slots=True)
class _Mount:
    path: str
    app: ASGIApp
    claims: Callable[[str, str], bool] | None
    has_lifespan: bool


class Applications:
    """Applications as ASGI, each once; WSGI ones run in ``threads`` threads each, and ``waiting`` requests may wait."""

    def __init__(self, *, threads: int, waiting: int) -> None:
        self._threads = threads
        self._waiting = waiting
        self._served: dict[int, tuple[Any, ASGIApp]] = {}

    def of(self, app: Any) -> ASGIApp:
        """Return an application as ASGI; raises FuncatronError for what is none."""
        if id(app) not in self._served:
            self._served[id(app)] = app, (app if _is_asgi(app) else self._from_wsgi(app))
        return self._served[id(app)][1]

    def _from_wsgi(self, app: Any) -> ASGIApp:
        from funcatron.http.wsgi import FromWSGI  # few have one

        return FromWSGI(app, threads=self._threads, waiting=self._waiting)


class Mounts:
    """What is mounted, by path. An application may have a method ``claims(method, path)``: what it claims comes before
    documents and the Swagger UI, and what it does not claim of a function's path is refused (405). ``control`` is where
    the control API is, where nothing is mounted; ``methods`` are those that functions have at a path, ``has_page``
    tells where documents are.

    Raises FuncatronError for a path that cannot be mounted at, and for what is no application.
    """

    def __init__(
        self,
        applications: Mapping[str, Any],
        *,
        served: Applications,
        control: str,
        methods: Callable[[str], Collection[str]],
        has_page: Callable[[str], bool],
    ) -> None:
        self._control = control
        self._methods = methods
        self._has_page = has_page
        self._mounts = sorted(
            (_mount(path, app, served) for path, app in applications.items()), key=lambda m: -len(m.path)
        )
        paths = [mount.path for mount in self._mounts]
        for path in paths:
            if paths.count(path) > 1:
                raise FuncatronError(f"two applications are mounted at {path or '/'}")
            if _is_below(path, control):
                raise FuncatronError(f"nothing can be mounted at {path}: the control API is there")

    def find(self, scope: Scope) -> tuple[ASGIApp, Scope] | None:
        """Return the application that a request is for, and its scope; None where it is for the functions."""
        root: str = scope.get("root_path", "")
        path = original(scope)["path"].removeprefix(root)
        if _is_below(path, self._control):
            return None
        method = scope.get("method", "")
        methods = self._methods(scope["path"].removeprefix(root)) if method else ()
        if method in methods or (method == "HEAD" and "GET" in methods):
            return None
        mount = next((mount for mount in self._mounts if _is_below(path, mount.path)), None)
        if mount is None or (method and self._is_ours(mount, method, path, taken=bool(methods))):
            return None
        return mount.app, {**original(scope), "root_path": root + mount.path}

    def _is_ours(self, mount: _Mount, method: str, path: str, *, taken: bool) -> bool:
        """Whether the functions' side answers for a path, which is ``taken`` by functions of other methods or not."""
        if mount.claims is None:
            return self._has_page(path)
        return (taken or self._has_page(path)) and not mount.claims(method, path)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the lifespan of every ASGI application; raises FuncatronError where one does not start."""
        async with AsyncExitStack() as stack:
            for mount in self._mounts:
                if mount.has_lifespan:
                    await stack.enter_async_context(_lifespan(mount))
            yield


def original(scope: Scope) -> Scope:
    """Return a scope with its path as the server decoded it: ours keeps ``%2F`` in it."""
    raw_path: bytes = scope.get("raw_path") or b""
    return {**scope, "path": unquote(raw_path.decode("latin-1"))} if b"%2f" in raw_path.lower() else scope


def _mount(path: str, app: Any, served: Applications) -> _Mount:
    if path and not path.startswith("/"):
        raise FuncatronError(f"an application is mounted at a path that begins with /, not at {path!r}")
    return _Mount(path.rstrip("/"), served.of(app), getattr(app, "claims", None), _is_asgi(app))


def _is_asgi(app: Any) -> bool:
    """Whether this is called with scope, receive and send; a WSGI application has an environ and start_response."""
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None)):  # noqa: B004
        return True
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        raise FuncatronError(f"{app!r} is neither a WSGI nor an ASGI application") from None
    for count in (2, 3):
        with suppress(TypeError):
            signature.bind(*range(count))
            return count == 3
    raise FuncatronError(f"{app!r} is neither a WSGI nor an ASGI application: it takes neither 2 nor 3 arguments")


def _is_below(path: str, base: str) -> bool:
    return path == base or path.startswith(base + "/")


@asynccontextmanager
async def _lifespan(mount: _Mount) -> AsyncIterator[None]:
    """Run an application's lifespan; one that has none raises, as ASGI asks of it, and runs without."""
    told: asyncio.Queue[Message] = asyncio.Queue()
    said: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    running = asyncio.ensure_future(mount.app(scope, told.get, said.put))
    await told.put({"type": "lifespan.startup"})
    started = await _said(said, running)
    if started is not None and started["type"] == "lifespan.startup.failed":
        running.cancel()
        raise FuncatronError(f"the application at {mount.path or '/'} does not start: {started.get('message', '')}")
    try:
        yield
    finally:
        if started is not None and not running.done():
            await told.put({"type": "lifespan.shutdown"})
            await _said(said, running)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _said(said: asyncio.Queue[Message], running: asyncio.Future[Any]) -> Message | None:
    """Return what an application answers, None where it ended without an answer."""
    answer = asyncio.ensure_future(said.get())
    waiting: Iterable[asyncio.Future[Any]] = (answer, running)
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if answer.done():
        return answer.result()
    answer.cancel()
    return None
