"""A way into the middle of connexion's stack, for what a plan cannot finish itself.

Errors must be answered by connexion's error handlers, and responses that are long or unusual must be sent below them.
A plan stands in front of the stack, so it sends an ASGI application along in the scope; ``DetourMiddleware``, which
stands right below the handling of exceptions, runs it in the place of everything below.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["KEY", "DetourMiddleware", "Raising", "detour"]

KEY = "funcatron.detour"
"""The scope's key."""


class DetourMiddleware:
    """Runs what a scope carries; everything else passes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await scope.get(KEY, self.app)(scope, receive, send)


class Raising:
    """An ASGI application that raises an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raise it."""
        raise self._error


async def detour(stack: ASGIApp, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run ``app`` in the middle of the stack."""
    await stack({**scope, KEY: app}, receive, send)
