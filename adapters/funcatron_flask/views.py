"""Views as handlers: a request in, the application's answer out, all hooks run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from flask import Flask
from starlette.types import Scope
from werkzeug.test import run_wsgi_app

from funcatron.headers import gathered
from funcatron.http.request import header_map
from funcatron.invocation import Context, Result
from funcatron.ports import REQUEST
from funcatron.signatures import bind
from funcatron.spec.operation import Operation
from funcatron_flask.requests import RequestMaker
from funcatron_flask.routes import Route

__all__ = ["CONTEXT", "FlaskView"]

CONTEXT = "funcatron.context"
"""Where a view finds the call's Context: ``request.environ["funcatron.context"]``."""


class FlaskView:
    """One view as a handler (funcatron.ports.View).

    ``application`` is served as it is over HTTP; ``app`` is the Flask application, ``asks_itself`` says whether the
    view needs credentials.
    """

    def __init__(
        self, app: Flask, route: Route, operation: Operation, *, application: Any, asks_itself: bool = False
    ) -> None:
        self.application = application
        self.asks_itself = asks_itself
        view = app.view_functions[route.rule.endpoint]
        view = getattr(view, "view_class", view)
        self.__module__ = view.__module__
        self.__qualname__ = getattr(view, "__qualname__", type(view).__qualname__)
        self._app = app
        self._route = route
        self._operation = operation

    def __call__(self, context: Context, context_: Mapping[str, Any] | None, **arguments: Any) -> Result:
        """Call the view in a request made from its arguments, and of the request that they came with, if any."""
        scope: Scope | None = (context_ or {}).get(REQUEST)
        headers = context.headers if scope is None else header_map(scope)
        environ = self._requests.environ(arguments, headers, context.event)
        if scope is not None:
            environ |= _server_of(scope)
        environ[CONTEXT] = context
        chunks, status, given = run_wsgi_app(self._app, environ, buffered=True)
        named = {name: value for name, value in gathered(list(given)).items() if name.lower() != "content-length"}
        content_type = next((str(value) for name, value in named.items() if name.lower() == "content-type"), None)
        return Result(
            status=int(status.partition(" ")[0]),
            headers={name: value for name, value in named.items() if name.lower() != "content-type"},
            body=b"".join(chunks),
            content_type=content_type,
        )

    @cached_property
    def _requests(self) -> RequestMaker:
        binder, mistakes = bind(self._operation, self, ())
        assert binder is not None, mistakes
        return RequestMaker(self._operation, self._route, binder.arguments, binder.body_argument)


def _server_of(scope: Scope) -> dict[str, Any]:
    """Return what an environ says of the connection that a request came by."""
    found = {"wsgi.url_scheme": scope.get("scheme", "http"), "SCRIPT_NAME": scope.get("root_path", "")}
    if scope.get("client"):
        found["REMOTE_ADDR"] = scope["client"][0]
    return found
