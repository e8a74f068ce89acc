"""Documents are made known to connexion's middlewares when a request first comes that far: what has a plan never does.

Each of them makes all operations of each document its own. That is done in a thread, for whom nobody else waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from connexion.middleware import SpecMiddleware
from connexion.spec import Specification
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["registered_later"]

Made = Callable[[ASGIApp], SpecMiddleware]


def registered_later(middleware: Made) -> Made:
    """Return what makes the same middleware, which will know its documents at its first request."""
    return partial(_RegisteredLater, middleware=middleware)


class _RegisteredLater(SpecMiddleware):  # type: ignore[misc]
    def __init__(self, app: ASGIApp, *, middleware: Made) -> None:
        self._middleware = middleware(app)
        self._waiting: list[tuple[Specification, dict[str, Any]]] = []
        self._registering = threading.Lock()

    def add_api(self, specification: Specification, **settings: Any) -> None:
        """Keep a document for later; connexion calls this when its stack is built."""
        self._waiting.append((specification, settings))

    def _register(self) -> None:
        with self._registering:
            while self._waiting:
                specification, settings = self._waiting[0]
                self._middleware.add_api(specification, **settings)
                del self._waiting[0]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass on whatever else the server says."""
        if self._waiting and scope["type"] == "http":
            await asyncio.to_thread(self._register)
        await self._middleware(scope, receive, send)
