"""Answers to errors that connexion's own error handlers word: by these handlers, without the way to them.

connexion's stack calls them in a thread, below its other middlewares. They look at the error alone, so where they are
what would be called, they are called here. Handlers of the application's own are called where they always were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from connexion.lifecycle import ConnexionResponse
from connexion.middleware.exceptions import ExceptionMiddleware
from connexion.middleware.server_error import ServerErrorMiddleware
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.http.plan.detour import Raising, detour
from funcatron.http.plan.response import Answer

__all__ = ["ErrorHandler", "error_handler", "fail", "refuse"]

ErrorHandler: TypeAlias = Callable[[Any, HTTPException], ConnexionResponse]
"""One of connexion's own handlers; it does not look at the request, which is its first argument."""

_OWN = (ExceptionMiddleware.problem_handler, ExceptionMiddleware.http_exception.__wrapped__)


def error_handler(stack: ASGIApp, error: HTTPException) -> ErrorHandler | None:
    """Return connexion's own handler that answers this error in a stack, None if another may."""
    middleware: Any = stack
    while type(middleware) is ServerErrorMiddleware:
        middleware = middleware.app
    if type(middleware) is not ExceptionMiddleware or error.status_code in middleware._status_handlers:  # noqa: SLF001
        return None
    handlers = middleware._exception_handlers  # noqa: SLF001
    for kind in type(error).__mro__:
        if kind in handlers:
            own: ErrorHandler | None = getattr(handlers[kind], "__wrapped__", None)
            return own if own in _OWN else None
    return None


async def fail(error: Exception, stack: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer an error as the stack does; ``scope`` is what error handlers see."""
    handler = error_handler(stack, error) if isinstance(error, HTTPException) else None
    if handler is None or not isinstance(error, HTTPException):
        await detour(stack, Raising(error), scope, receive, send)
    else:
        await refuse(error, handler, stack, scope, receive, send)


async def refuse(
    error: HTTPException, handler: ErrorHandler, stack: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer an error by connexion's own handler, which logs it, too; ``scope`` as above."""
    try:
        start, body = _answer(handler(None, error))
    except (AttributeError, TypeError, ValueError):  # what the application says in an error is no text, or no JSON
        await detour(stack, Raising(error), scope, receive, send)
        return
    await send(start)
    await send(body)


def _answer(said: ConnexionResponse) -> Answer:
    """Return what starlette makes of this response."""
    content = said.body.encode()
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in said.headers.items()]
    if (
        not any(name == b"content-length" for name, _ in headers)
        and said.status_code >= 200
        and said.status_code not in (204, 304)
    ):
        headers.append((b"content-length", b"%d" % len(content)))
    return (
        {"type": "http.response.start", "status": said.status_code, "headers": headers},
        {"type": "http.response.body", "body": content},
    )
