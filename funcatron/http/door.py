"""The HTTP door: one connexion AsyncApp that serves every document, and the control API beside them.

The stack, outermost first: connexion's ServerError, Exception, SwaggerUI, Routing, Security, Lifespan and Context, then
our FunctionMiddleware. connexion's request and response validation are left out: validation is ours, on every door.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from connexion import AsyncApp, ProblemException
from connexion.middleware.context import ContextMiddleware
from connexion.middleware.exceptions import ExceptionMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.security import SecurityMiddleware
from connexion.middleware.server_error import ServerErrorMiddleware
from connexion.middleware.swagger_ui import SwaggerUIMiddleware
from connexion.options import SwaggerUIOptions
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.calls import ThreadCalls
from funcatron.http.access import OperatorToken
from funcatron.http.call import Call
from funcatron.http.control import CALL, control_registry
from funcatron.http.documents import JSON_PATH, document_routes
from funcatron.http.endpoint import FunctionEndpoint
from funcatron.http.later import Later
from funcatron.http.metrics import Metrics
from funcatron.http.refusals import Refusals
from funcatron.http.routing import (
    ChainedRouting,
    FunctionMiddleware,
    FunctionResolver,
    allowed_methods,
    routable,
)
from funcatron.http.stream import Replay
from funcatron.invocation import Invocation, Result
from funcatron.invoker import Invoker
from funcatron.registry import Function, Registry
from funcatron.services import Services
from funcatron.spec.lowering import lower_for_connexion

if TYPE_CHECKING:
    from funcatron.app import Funcatron

__all__ = ["build_door"]

STACK = (
    ServerErrorMiddleware,
    ExceptionMiddleware,
    SwaggerUIMiddleware,
    ChainedRouting,
    SecurityMiddleware,
    LifespanMiddleware,
    ContextMiddleware,
)


def build_door(funcatron: Funcatron) -> ASGIApp:
    """Return the ASGI application that serves a Funcatron's documents and its control API.

    Raises SpecError where handlers are wrong.
    """
    return Door(funcatron)


class Door:
    """Starts and stops with the server's lifespan, or starts at the first request where the server has none."""

    def __init__(self, funcatron: Funcatron) -> None:
        self._funcatron = funcatron
        self._app = _build(funcatron, self._lifespan)
        self._started = False
        self._starting = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] == "http":
            if not self._started:
                await self._start()
            scope = _prepared(scope)
            receive = Replay(receive)
        await self._app(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _app: Any) -> AsyncIterator[None]:
        await self._start()
        try:
            yield
        finally:
            self._started = False
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


def _build(funcatron: Funcatron, lifespan: Any) -> AsyncApp:
    metrics = Metrics(lambda: funcatron.store.counts())
    control = control_registry(funcatron, metrics)
    own, operators = _routed(funcatron.registry), _routed(control)
    endpoints = {**_endpoints(funcatron, own, metrics), **_control_endpoints(funcatron, operators)}
    functions = {**own, **operators}
    app = AsyncApp(
        "funcatron", middlewares=[*STACK, partial(FunctionMiddleware, endpoints=endpoints)], lifespan=lifespan
    )
    resolver = FunctionResolver(functions)
    token = {"bearer": OperatorToken(funcatron.settings)}
    for document, security_map in (*((d, None) for d in funcatron.documents), *((d, token) for d in control.documents)):
        ui = SwaggerUIOptions(serve_spec=False, spec_path=JSON_PATH, swagger_ui=funcatron.settings.swagger_ui)
        app.add_api(
            routable(lower_for_connexion(document)),
            base_path=document.base_path,
            resolver=resolver,
            swagger_ui_options=ui,
            security_map=security_map,
        )
        open_to_all = security_map is token and funcatron.settings.control_token is None
        for path, served in document_routes(document, open_to_all=open_to_all):
            app.add_url_rule(path, view_func=served)
    refusals = Refusals(functions, allowed_methods(functions))
    for refused in (HTTPException, ProblemException):
        app.add_error_handler(refused, refusals.refuse)
    app.add_error_handler(Exception, refusals.fail)
    return app


def _routed(registry: Registry) -> Mapping[str, Function]:
    return {name: function for name, function in registry.functions.items() if function.operation.route is not None}


def _endpoints(funcatron: Funcatron, functions: Mapping[str, Function], metrics: Metrics) -> dict[str, ASGIApp]:
    later = Later(funcatron)

    async def now(call: Call) -> Result:
        started = time.perf_counter()
        result = await funcatron.invoke(
            call.function,
            call.arguments,
            execution_id=call.id,
            headers=call.headers,
            principal=call.principal,
            extras=call.extras,
            checked=True,
        )
        metrics.invoked(call.function.name, "http", result, time.perf_counter() - started)
        return result

    async def dispatched(call: Call) -> Result:
        result = await later.answer(call)
        metrics.accepted(call.function.name, "async")
        return result

    return {
        name: FunctionEndpoint(function, max_body=funcatron.settings.max_body, now=now, later=dispatched)
        for name, function in functions.items()
    }


def _control_endpoints(funcatron: Funcatron, functions: Mapping[str, Function]) -> dict[str, ASGIApp]:
    """The control API's functions see their whole Call; the users' middleware and services are not theirs."""
    invoker = Invoker(services=Services(), calls=ThreadCalls(1))

    async def now(call: Call) -> Result:
        context = {**call.extras["context_"], CALL: call}
        invocation = Invocation(
            id=call.id,
            function=call.function.name,
            trigger="http",
            arguments=call.arguments,
            deadline=time.monotonic() + call.function.extension.timeout,
            headers=call.headers,
            extras={**call.extras, "context_": context},
        )
        return await invoker.invoke(call.function, invocation)

    return {
        name: FunctionEndpoint(function, max_body=funcatron.settings.max_body, now=now, later=None)
        for name, function in functions.items()
    }
