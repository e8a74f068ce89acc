"""Documents are made known to connexion's middlewares when a request first comes that far: what has a plan never does.

Each of them makes all operations of each document its own, which takes longer than everything else at a start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from connexion.middleware import SpecMiddleware
from connexion.spec import Specification
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["register_all", "registered_later"]

Made = Callable[[ASGIApp], SpecMiddleware]


def registered_later(middleware: Made) -> Made:
    """Return what makes the same middleware, which will know its documents at its first request."""
    return partial(_RegisteredLater, middleware=middleware)


def register_all(stack: Iterable[ASGIApp]) -> None:
    """Have all middlewares of connexion's stack know their documents now; any thread may, while requests are served."""
    for middleware in stack:
        if isinstance(middleware, _RegisteredLater):
            middleware.register()


class _RegisteredLater(SpecMiddleware):  # type: ignore[misc]
    def __init__(self, app: ASGIApp, *, middleware: Made) -> None:
        self._middleware = middleware(app)
        self._waiting: list[tuple[Specification, dict[str, Any]]] = []
        self._registering = threading.Lock()

    def add_api(self, specification: Specification, **settings: Any) -> None:
        """Keep a document for later; connexion calls this when its stack is built."""
        self._waiting.append((specification, settings))

    def register(self) -> None:
        """Give the middleware the documents that it does not know yet."""
        with self._registering:
            while self._waiting:
                specification, settings = self._waiting[0]
                self._middleware.add_api(specification, **settings)
                del self._waiting[0]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass on whatever else the server says."""
        if self._waiting and scope["type"] == "http":
            self.register()
        await self._middleware(scope, receive, send)
