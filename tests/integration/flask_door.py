"""A pytest plugin for other people's tests of Flask applications: every test client's requests go through our door.

``python -m pytest -p tests.integration.flask_door`` in the folder of their tests. Nothing of theirs is changed: the
class of test clients is ours, and it asks the application's Funcatron (``from_flask``), not the application.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from a2wsgi import ASGIMiddleware
from flask import Flask
from flask.testing import FlaskClient

from funcatron import Funcatron
from funcatron.invocation import Invocation, Result
from funcatron.ports import CallNext
from funcatron.settings import load_settings
from funcatron.store.memory import MemoryStore
from funcatron.testing.doors import InlineDispatcher
from funcatron_flask import from_flask

CALLS: Counter[str] = Counter()
LOOP = asyncio.new_event_loop()
DOOR = "tests.flask_door"
OWN = ("werkzeug.", "flask.")
"""What a test client leaves in the environ for the application in its own process, and no door can carry."""


async def counting(call_next: CallNext, invocation: Invocation) -> Result:
    CALLS[invocation.function] += 1
    return await call_next(invocation)


class Through:
    """One application behind our door, as WSGI."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._views = app.wsgi_app
        self._left: dict[str, Any] = {}
        self._raised: BaseException | None = None
        self._door: Any = None
        app.wsgi_app = self._with_what_was_left  # type: ignore[method-assign]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self._door is None:
            made: Any = self._make()
            self._door = ASGIMiddleware(made, loop=LOOP)
        self._left = {name: value for name, value in environ.items() if name.startswith(OWN)}
        self._raised = None
        environ = {**environ, "PATH_INFO": "/" + environ["PATH_INFO"].removeprefix("/")}  # HTTP has no other paths
        chunks = list(self._door(environ, start_response))
        if self._raised is not None:  # as a test client has it
            raise self._raised
        return chunks

    def _make(self) -> Funcatron:
        store = MemoryStore()
        settings = load_settings({"control_token": "t" * 32}, environ={})
        dispatcher = InlineDispatcher(store)
        return from_flask(self._app, settings=settings, store=store, dispatcher=dispatcher, middleware=[counting])

    def _with_what_was_left(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ |= self._left
        try:
            return self._views(environ, start_response)
        except Exception as error:
            self._raised = error
            raise


class DoorClient(FlaskClient):
    """A test client whose requests come by our door."""

    def run_wsgi_app(self, environ: Any, buffered: bool = False) -> Any:
        app = self.application
        if DOOR not in app.extensions:
            app.extensions[DOOR] = Through(app)
        self.application = app.extensions[DOOR]
        try:
            return super().run_wsgi_app(environ, buffered)
        finally:
            self.application = app


def pytest_configure() -> None:
    Flask.test_client_class = DoorClient
    threading.Thread(target=LOOP.run_forever, daemon=True).start()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"through the door: {CALLS.total()} calls of {len(CALLS)} functions")


def pytest_unconfigure() -> None:
    with contextlib.suppress(RuntimeError):
        LOOP.call_soon_threadsafe(LOOP.stop)
