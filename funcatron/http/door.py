"""The HTTP door as an ASGI server sees it: it starts, prepares each request, and stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.http.registration import register_all
from funcatron.http.security import SETTINGS
from funcatron.http.stack import build_stack
from funcatron.http.stream import Replay

if TYPE_CHECKING:
    from funcatron.app import Funcatron

__all__ = ["build_door"]


def build_door(funcatron: Funcatron) -> ASGIApp:
    """Return the ASGI application that serves a Funcatron's documents and its control API.

    Raises SpecError where handlers are wrong.
    """
    return Door(funcatron)


class Door:
    """Starts and stops with the server's lifespan, or starts at the first request where the server has none."""

    def __init__(self, funcatron: Funcatron) -> None:
        self._funcatron = funcatron
        self._app = build_stack(funcatron, self._lifespan)
        self._started = False
        self._starting = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] == "http":
            if not self._started:
                await self._start()
            scope = _prepared(scope)
            scope[SETTINGS] = self._funcatron.settings
            receive = Replay(receive)
        await self._app(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _app: Any) -> AsyncIterator[None]:
        await self._start()
        registering = asyncio.to_thread(register_all, self._app.middleware.middleware_stack)
        rest = asyncio.create_task(registering)  # in the background: most requests do without
        try:
            yield
        finally:
            self._started = False
            await rest
            await self._funcatron.stop()

    async def _start(self) -> None:
        async with self._starting:
            if not self._started:
                await self._funcatron.start()
                self._started = True


def _prepared(scope: Scope) -> Scope:
    """Return a scope of our own; a path keeps an encoded slash, which is data and no separator."""
    scope = {**scope, "extensions": dict(scope.get("extensions") or {})}
    raw_path: bytes = scope.get("raw_path") or b""
    if b"%2f" in raw_path.lower():
        kept = raw_path.decode("latin-1").replace("%2F", "%252F").replace("%2f", "%252F")
        scope["path"] = unquote(kept)
    return scope
