"""Functions inside a Flask application: an extension in front of its WSGI application.

The Flask application stays the outer one, run by whatever runs it; requests for functions, the control API and the
documents go to a Funcatron on an event loop of its own, all others to the application's views.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from a2wsgi import ASGIMiddleware
from flask import Flask

from funcatron.app import CONTROL, Funcatron
from funcatron.errors import FuncatronError
from funcatron.http.documents import document_routes, root_routes
from funcatron.http.routing import allowed_methods
from funcatron.importing import import_handler
from funcatron.registry import Handlers
from funcatron.types import Handler
from funcatron_flask.adaptation import Mounted, Source
from funcatron_flask.contexts import SERVICE, Contexts
from funcatron_flask.routes import routes_of, shape

__all__ = ["FuncatronFlask"]

ENDING = 2.0
"""Seconds that answers which nobody reads have to end in when the process does."""

F = TypeVar("F", bound=Callable[..., Any])
StartResponse = Callable[..., Any]


class FuncatronFlask:
    """A Flask extension: ``FuncatronFlask(app, "openapi.yaml")``, or ``init_app(app)`` later.

    ``specs`` and ``options`` are Funcatron's. Handlers and their services run in the application's context:
    ``current_app``, ``g`` and extensions work in them, on workers too. ``funcatron`` is the Funcatron, there after
    ``init_app``; the command line takes the Flask application (``funcatron worker module:app``).
    """

    funcatron: Funcatron

    def __init__(
        self, app: Flask | None = None, *specs: Source, handlers: Handlers | None = None, **options: Any
    ) -> None:
        self._specs = specs
        self._handlers = handlers
        self._options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Put the functions in front of an application's views.

        Raises SpecError with the documents' mistakes, FuncatronError where a function would hide a view.
        """
        mounts = {"/": Mounted(app, app.wsgi_app), **self._options.get("mounts", {})}
        options = {**self._options, "mounts": mounts}
        made = Funcatron(*self._specs, handlers=lambda _: _not_looked_at, **options)
        self._contexts = Contexts(app)
        made.handlers = _in_context(self._contexts, made, self._handlers)
        made.service(SERVICE)(self._contexts.of_call)
        if hidden := _collisions(app, made):
            raise FuncatronError(f"functions would hide views of {app.name}: {'; '.join(hidden)}")
        self.funcatron = made
        app.extensions["funcatron"] = self
        app.wsgi_app = _Front(made, Mounted(app, app.wsgi_app))  # type: ignore[method-assign]

    def service(self, name: str) -> Callable[[F], F]:
        """Register the decorated factory as a service for handlers (Funcatron.service).

        A function is opened and closed in the application's context, which is then the handler's, too.
        """

        def register(factory: F) -> F:
            self.funcatron.service(name)(self._contexts.service(factory))
            return factory

        return register


class _Front:
    """The WSGI application that the server sees."""

    def __init__(self, funcatron: Funcatron, views: Mounted) -> None:
        self._funcatron = funcatron
        self._views = views
        self._loops: dict[int, _Loop] = {}
        self._lock = threading.Lock()
        documents = funcatron.documents
        self._pages = {path for document in documents for path, _ in document_routes(document)}
        self._pages |= {path for path, _ in root_routes(documents)}
        self._shown = tuple({"/ui", *(f"{document.base_path}/ui" for document in documents)})

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        if self._is_ours(environ["REQUEST_METHOD"], path):
            return _Answer(self._funcatron, self._loop, environ, start_response)
        return self._views(environ, start_response)

    def _is_ours(self, method: str, path: str) -> bool:
        if path == CONTROL or path.startswith(CONTROL + "/"):
            return True
        methods = self._methods(path)
        if method in methods or (method == "HEAD" and "GET" in methods):
            return True
        shown = self._funcatron.settings.swagger_ui and any(
            path == ui or path.startswith(ui + "/") for ui in self._shown
        )
        return bool(methods or shown or path in self._pages) and not self._views.claims(method, path)

    @functools.cached_property
    def _methods(self) -> Callable[[str], Any]:
        return allowed_methods(self._funcatron.registry.functions)

    @property
    def _loop(self) -> _Loop:
        """The event loop of this process: servers fork after they have imported the application."""
        with self._lock:
            if (loop := self._loops.get(os.getpid())) is None:
                loop = _Loop()
                self._loops = {os.getpid(): loop}
            return loop


class _Loop:
    """An event loop in a thread, and the answers that are made on it: nothing else may hold one that nobody reads."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.answers: set[asyncio.Task[Any]] = set()
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name="funcatron", daemon=True)
        self._thread.start()
        atexit.register(self._end)

    def _run(self) -> None:
        self.loop.run_forever()
        unread = list(self.answers)
        for task in unread:
            task.cancel()
        if unread:
            self.loop.run_until_complete(asyncio.wait(unread, timeout=ENDING / 2))
        self.loop.close()

    def _end(self) -> None:
        if self._process == os.getpid():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(ENDING)


class _Gone(OSError):
    """The client is gone: what is sent to it ends here (ASGI 3.0, ``send`` of a closed connection)."""


class _BrokenOff(RuntimeError):
    """An answer ended before its end: a server that hears of it closes the connection."""


class _Call:
    """One call of a Funcatron, as ASGI. ``gone``: nobody waits for the rest of its answer."""

    def __init__(self, app: Any, loop: _Loop) -> None:
        self._app = app
        self._loop = loop
        self._task: asyncio.Task[Any] | None = None
        self._whole = False
        self.gone = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if self.gone:
                raise _Gone
            await send(message)
            self._whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        self._task = task = asyncio.current_task()
        assert task is not None
        self._loop.answers.add(task)
        try:
            await self._app(scope, receive, sending)
        finally:
            self._loop.answers.discard(task)
        if not self._whole and not self.gone:
            raise _BrokenOff("the answer ended before its end")

    def give_up(self) -> None:
        """End it, from any thread, without waiting for that."""
        self.gone = True
        if self._task is not None and not self._task.done():
            with suppress(RuntimeError):  # the loop has ended
                self._loop.loop.call_soon_threadsafe(self._task.cancel)


class _Answer(Iterator[bytes]):
    """One answer of a Funcatron, as WSGI; given up, it ends the stream that it is made of."""

    def __init__(self, app: Any, loop: _Loop, environ: Any, start_response: StartResponse) -> None:
        self._call = _Call(app, loop)
        self._chunks: Iterator[bytes] = iter(ASGIMiddleware(self._call, loop=loop.loop)(environ, start_response))

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        """Let the rest go (PEP 3333): what is being sent already is waited for."""
        self._call.gone = True
        with suppress(_Gone):
            for _ in self._chunks:
                pass

    def __del__(self) -> None:
        """As ``close``, for who has not called that (test clients), and without waiting: this may be any thread."""
        self._call.give_up()


def _in_context(contexts: Contexts, funcatron: Funcatron, given: Handlers | None) -> Callable[[str], Handler | None]:
    operations = {operation.name: operation for document in funcatron.documents for operation in document.operations}

    def handler(name: str) -> Handler | None:
        found = None if given is None else (given(name) if callable(given) else given.get(name))
        operation = operations.get(name)
        if found is None and operation is not None and operation.target is not None:
            found = import_handler(operation.target, operation.document.folder)
        return contexts.handler(found) if callable(found) else found

    return handler


def _collisions(app: Flask, funcatron: Funcatron) -> list[str]:
    views = {(route.method, shape(route.template)): route for route in routes_of(app)}
    found = []
    for document in funcatron.documents:
        for operation in document.operations:
            view = views.get((operation.method.upper(), shape(operation.route))) if operation.route else None
            if view is not None:
                found.append(f"{view} is {operation.name} and the view {view.endpoint}")
    return found


def _not_looked_at(**arguments: Any) -> None:
    """Stand in for handlers until the documents are read."""
