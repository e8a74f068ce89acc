"""The HTTP door as an ASGI server sees it: it starts, finds the function of each request, and stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette._utils import get_route_path
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.http.refusals import Unserved, refuse_unserved
from funcatron.http.security import SETTINGS
from funcatron.http.stack import build_stack
from funcatron.http.stream import Replay
from funcatron.http.texts import ENCODED, PERCENT

if TYPE_CHECKING:
    from funcatron.app import Funcatron
    from funcatron.http.plan.apis import Planned
    from funcatron.http.plan.route import Routes

__all__ = ["build_door"]


def build_door(funcatron: Funcatron) -> ASGIApp:
    """Return the ASGI application that serves a Funcatron's documents and its control API.

    Raises SpecError where handlers are wrong.
    """
    return Door(funcatron).__call__  # a method is called in fewer steps than an object


class Door:
    """Starts and stops with the server's lifespan, or starts at the first request where the server has none.

    A request for a function goes to its plan, a webhook's to its endpoint, one for nothing at all is refused. All
    others go to connexion's stack, and all but webhooks' do where that is not as the plans know it.
    """

    def __init__(self, funcatron: Funcatron) -> None:
        self._funcatron = funcatron
        self._settings = funcatron.settings
        self._stack = build_stack(funcatron, self._lifespan)
        self._mounts = self._stack.mounts
        self._routes: Routes[Planned] | None = None
        self._unserved: Unserved | None = None
        self._started = False
        self._starting = asyncio.Lock()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one connection (ASGI)."""
        if self._routes is not None and scope["type"] == "http" and not scope.get("root_path"):
            if PERCENT in (scope.get("raw_path") or b""):
                scope = {**_with_slashes(scope), ENCODED: True}
            scope[SETTINGS] = self._settings
            found = self._routes.find(scope["method"], scope["path"])
            if found is not None and (plan := found[0].plan or found[0].compiled()) is not None:
                return plan.serve(scope, receive, send, found[1], self._stack.app)
            if found is None:
                if self._mounts is not None and (mounted := self._mounts.find(scope)) is not None:
                    return mounted[0](mounted[1], receive, send)
                if (webhook := self._stack.webhooks.find(scope["method"], scope["path"])) is not None:
                    return webhook(scope, receive, send)
                if self._unserved is not None and scope["path"] in self._unserved:
                    return refuse_unserved(scope, send)
        return self._other(scope, receive, send)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        mounts = self._mounts if self._started and scope["type"] != "lifespan" else None
        if mounts is not None and (mounted := mounts.find(scope)) is not None:
            await mounted[0](mounted[1], receive, send)
        elif scope["type"] != "http":
            await self._stack.app(scope, receive, send)
        elif not self._started:
            await self._start()
            await self(scope, receive, send)
        elif (webhook := self._stack.webhooks.find(scope["method"], get_route_path(scope))) is not None:
            await webhook(scope, receive, send)
        else:
            extensions = dict(scope.get("extensions") or {})
            scope = {**_with_slashes(scope), "extensions": extensions, SETTINGS: self._settings}
            await self._stack.app(scope, Replay(receive), send)

    @asynccontextmanager
    async def _lifespan(self, _app: Any) -> AsyncIterator[None]:
        await self._start()
        try:
            async with self._mounts.running() if self._mounts is not None else nullcontext():
                yield
        finally:
            self._started, self._routes = False, None
            await self._funcatron.stop()

    async def _start(self) -> None:
        async with self._starting:
            if not self._started:
                await self._funcatron.start()
                self._routes, self._unserved = self._stack.routes() or (None, None)
                self._started = True


def _with_slashes(scope: Scope) -> Scope:
    """Return a scope whose path keeps an encoded slash, which is data and no separator."""
    raw_path: bytes = scope.get("raw_path") or b""
    if b"%2f" not in raw_path.lower():
        return scope
    kept = raw_path.decode("latin-1").replace("%2F", "%252F").replace("%2f", "%252F")
    return {**scope, "path": unquote(kept)}
