"""The application contexts of functions inside a Flask application: one for each call, its services and its handler."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import ContextVar, Token
from typing import Any

from flask import Flask, has_app_context
from flask.ctx import AppContext
from flask.globals import app_ctx

from funcatron.types import Handler

__all__ = ["SERVICE", "Contexts"]

SERVICE = "flask_context"
"""The service that opens a call's context. What needs it is opened in it, and closed before it."""
MARK = "funcatron_contexts"
"""The attribute of a context that a call's services have opened: its Contexts."""


class Contexts:
    """Makes the contexts of one application. A call without services gets its own when its handler is called."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    @contextlib.contextmanager
    def of_call(self) -> Iterator[AppContext]:
        """Open the context of a call: the factory of the service ``flask_context``."""
        context = self._app.app_context()
        setattr(context, MARK, self)
        context.push()
        token = _HERE.set(None)
        error: BaseException | None = None
        try:
            yield context
        except BaseException as raised:
            error = raised
            raise
        finally:
            if _is_of_here(token):
                context.pop(error)
            else:  # the end of a stream, in another task: there is nothing to pop in this one
                with _entered(context):
                    self._app.do_teardown_appcontext(error)

    def service(self, factory: Callable[..., Any]) -> Callable[..., Any]:
        """Return a service's factory whose functions are entered and left in the context of the call.

        Classes and objects are as they were: they are made for Python, and know no Flask.
        """
        if not inspect.isroutine(factory):
            return factory
        inside: Callable[..., Any] = _inside
        made: Callable[..., Any] = factory
        if inspect.isasyncgenfunction(factory):
            inside, made = _inside_async, contextlib.asynccontextmanager(factory)
        elif inspect.isgeneratorfunction(factory):
            made = contextlib.contextmanager(factory)

        @functools.wraps(factory)
        def opened(**needs: Any) -> Any:
            context: AppContext = needs.pop(SERVICE)
            return inside(functools.partial(made, **needs), context)

        needed = inspect.Parameter(SERVICE, inspect.Parameter.KEYWORD_ONLY)
        own = [one for one in inspect.signature(factory).parameters.values() if one.default is one.empty]
        named = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own if one.kind not in _VARIABLE]
        opened.__signature__ = inspect.Signature([*named, needed])  # type: ignore[attr-defined]
        return opened

    def handler(self, handler: Handler) -> Handler:
        """Return a handler that runs in the context of its call, where it runs: in its thread, on its loop."""
        if inspect.isasyncgenfunction(handler):
            return handler  # it has no context of its own that would outlive a chunk
        if inspect.iscoroutinefunction(handler):

            @functools.wraps(handler)
            async def on_loop(*args: Any, **kwargs: Any) -> Any:
                with self._current():
                    return await handler(*args, **kwargs)

            return on_loop
        if inspect.isgeneratorfunction(handler):

            @functools.wraps(handler)
            def streaming(*args: Any, **kwargs: Any) -> Iterator[Any]:
                with self._current():
                    yield from handler(*args, **kwargs)

            return streaming

        @functools.wraps(handler)
        def in_thread(*args: Any, **kwargs: Any) -> Any:
            with self._current():
                return handler(*args, **kwargs)

        return in_thread

    def _current(self) -> AbstractContextManager[Any]:
        """Return the context that a service of this call has opened, or one of its own."""
        if has_app_context() and getattr(app_ctx, MARK, None) is self:
            return contextlib.nullcontext()
        return self._app.app_context()


_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


_HERE: ContextVar[None] = ContextVar("funcatron_flask_here")
"""Set beside a push: its token can be used where the context may be popped, and nowhere else (PEP 567)."""


def _is_of_here(token: Token[None]) -> bool:
    try:
        _HERE.reset(token)
    except ValueError:
        return False
    return True


def _is_current(context: AppContext) -> bool:
    return has_app_context() and app_ctx == context  # a proxy is equal to what it stands for


def _entered(context: AppContext) -> AbstractContextManager[Any]:
    return contextlib.nullcontext() if _is_current(context) else context


@contextlib.contextmanager
def _inside(make: Callable[[], AbstractContextManager[Any]], context: AppContext) -> Iterator[Any]:
    """Enter and leave a service in ``context``, wherever each of them happens."""
    with contextlib.ExitStack() as stack:
        with _entered(context):
            value = stack.enter_context(make())
            leave = stack.pop_all().__exit__
        stack.push(lambda *error: _left(context, leave, *error))
        yield value


def _left(context: AppContext, leave: Callable[..., bool | None], *error: Any) -> bool:
    with _entered(context):
        return bool(leave(*error))


@contextlib.asynccontextmanager
async def _inside_async(
    make: Callable[[], AbstractAsyncContextManager[Any]], context: AppContext
) -> AsyncIterator[Any]:
    """The same for what is entered and left on the event loop."""
    async with contextlib.AsyncExitStack() as stack:
        with _entered(context):
            value = await stack.enter_async_context(make())
            leave = stack.pop_all().__aexit__

        async def left(*error: Any) -> bool:
            with _entered(context):
                return bool(await leave(*error))

        stack.push_async_exit(left)
        yield value
