"""The stack behind the door: one connexion AsyncApp that serves every document, and the control API beside them.

Outermost first: connexion's ServerError, Exception, SwaggerUI, Routing, Security, Lifespan and Context, then our
FunctionMiddleware. Beside it stand the functions' plans (``http.plan.functions``), which the door asks first: they do
without it. connexion's request and response validation are left out: validation is ours, on every door.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from connexion import AsyncApp, ProblemException
from connexion.middleware.context import ContextMiddleware
from connexion.middleware.exceptions import ExceptionMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.main import API
from connexion.middleware.security import SecurityMiddleware
from connexion.middleware.server_error import ServerErrorMiddleware
from connexion.middleware.swagger_ui import SwaggerUIMiddleware
from connexion.options import SwaggerUIOptions
from connexion.spec import OpenAPISpecification
from connexion.utils import sort_apis_by_basepath
from starlette.exceptions import HTTPException

from funcatron.calls import ThreadCalls
from funcatron.garbage import collected_later
from funcatron.http.access import OperatorToken
from funcatron.http.admission import Admission
from funcatron.http.call import Call
from funcatron.http.control import CALL, control_registry
from funcatron.http.direct import Direct
from funcatron.http.documents import JSON_PATH, document_routes, root_routes
from funcatron.http.endpoint import FunctionEndpoint
from funcatron.http.later import Later
from funcatron.http.metrics import Metrics
from funcatron.http.mounts import Applications, Mounts
from funcatron.http.now import Now
from funcatron.http.plan.probe import missing
from funcatron.http.projects import ProjectToken
from funcatron.http.refusals import Refusals, Unserved
from funcatron.http.registration import registered_later
from funcatron.http.routing import (
    ChainedRouting,
    FunctionMiddleware,
    FunctionResolver,
    allowed_methods,
    routable,
)
from funcatron.http.views import ViewEndpoint, with_request
from funcatron.http.webhooks import Webhooks
from funcatron.invocation import Invocation, Result
from funcatron.invoker import Invoker
from funcatron.ports import View
from funcatron.registry import Function, Registry
from funcatron.services import Services
from funcatron.spec.document import Document
from funcatron.spec.lowering import lower_for_connexion

if TYPE_CHECKING:
    from funcatron.app import Funcatron
    from funcatron.http.plan.apis import Planned, Served
    from funcatron.http.plan.route import Routes

__all__ = ["Stack", "build_stack"]

log = logging.getLogger("funcatron.plan")

CONTROL_PATH = "/_funcatron"

STACK = (
    ServerErrorMiddleware,
    ExceptionMiddleware,
    registered_later(SwaggerUIMiddleware),
    registered_later(ChainedRouting),
    registered_later(SecurityMiddleware),
    LifespanMiddleware,
    registered_later(ContextMiddleware),
)


@dataclass(frozen=True, slots=True)
class Stack:
    """connexion's application, the ``webhooks`` beside it, and ``routes``, which makes the functions' routes and tells
    where there is nothing at all: None where there are no plans. ``mounts`` is None where no other application is
    mounted.
    """

    app: AsyncApp
    webhooks: Webhooks
    mounts: Mounts | None
    routes: Callable[[], tuple[Routes[Planned], Unserved] | None]


@collected_later()
def build_stack(funcatron: Funcatron, lifespan: Any) -> Stack:
    """Return what serves a Funcatron's documents and the control API; raises SpecError.

    ``lifespan`` is an async context manager function, entered for as long as the server runs.
    """
    own = _routed(funcatron.registry)
    metrics = Metrics(lambda: funcatron.store.counts())
    admission = Admission(funcatron.settings.max_queued)
    control = control_registry(funcatron, metrics, admission)
    operators = _routed(control)
    functions = {**own, **operators}
    settings = funcatron.settings
    applications = Applications(threads=settings.threads, waiting=settings.max_queued)
    later = Later(funcatron, admission)
    endpoints = {**_endpoints(funcatron, own, metrics, later, applications), **_control_endpoints(funcatron, operators)}
    stack = [*STACK, registered_later(partial(FunctionMiddleware, endpoints=endpoints))]
    lacking = missing()
    if lacking:
        log.warning("connexion's own stack serves, unplanned: this release has no %s", ", ".join(lacking))
    else:
        from funcatron.http.plan.detour import DetourMiddleware  # needs everything that missing() asks for

        stack.insert(STACK.index(ExceptionMiddleware) + 1, DetourMiddleware)
    app = AsyncApp("funcatron", middlewares=stack, lifespan=lifespan)
    add = partial(
        _add,
        app,
        resolver=FunctionResolver(functions),
        swagger_ui_options=SwaggerUIOptions(
            serve_spec=False, spec_path=JSON_PATH, swagger_ui=funcatron.settings.swagger_ui
        ),
    )
    for document in funcatron.documents:
        add(document)
    for path, served in root_routes(funcatron.documents, ui=funcatron.settings.swagger_ui):
        app.add_url_rule(path, view_func=served)
    for document in control.documents:
        add(
            document,
            open_to_all=settings.control_token is None and not settings.control_keystone,
            security_map={"bearer": OperatorToken(settings), "apiKey": ProjectToken(settings)},
        )
    webhooks = Webhooks(funcatron, metrics, admission, allowed_methods(functions))
    methods = webhooks.methods
    _refuse(app, Refusals(functions, methods))
    mounts = _mounts(funcatron, applications, methods) if funcatron.mounts else None
    if lacking:
        return Stack(app, webhooks, mounts, lambda: None)

    def routes() -> tuple[Routes[Planned], Unserved]:
        from funcatron.http.plan.apis import Served  # as above

        apis = [Served(api.specification, api.kwargs) for api in sort_apis_by_basepath(app.middleware.apis)]
        pages = [path for document in control.documents for path, _ in document_routes(document)]
        pages += _pages(funcatron)
        return _routes(funcatron, apis, endpoints, own, metrics), _unserved(methods, pages, apis)

    return Stack(app, webhooks, mounts, routes)


def _pages(funcatron: Funcatron) -> list[str]:
    """Return the paths of the documents that are served."""
    paths = [path for document in funcatron.documents for path, _ in document_routes(document)]
    return paths + [path for path, _ in root_routes(funcatron.documents)]


def _mounts(funcatron: Funcatron, served: Applications, methods: Callable[[str], Collection[str]]) -> Mounts:
    pages = set(_pages(funcatron))
    bases = {"", *(document.base_path for document in funcatron.documents)} if funcatron.settings.swagger_ui else ()
    shown = [f"{base}/ui" for base in bases]
    return Mounts(
        funcatron.mounts,
        served=served,
        control=CONTROL_PATH,
        methods=methods,
        has_page=lambda path: path in pages or any(path == ui or path.startswith(ui + "/") for ui in shown),
    )


def _routes(
    funcatron: Funcatron,
    apis: Sequence[Served],
    endpoints: Mapping[str, FunctionEndpoint | ViewEndpoint],
    own: Mapping[str, Function],
    metrics: Metrics,
) -> Routes[Planned]:
    from funcatron.http.plan.functions import FunctionPlans, function_routes  # as above

    def direct(name: str) -> Direct | None:
        endpoint = endpoints[name]
        if name not in own or not isinstance(endpoint, FunctionEndpoint):
            return None
        return Direct.of(funcatron, metrics, endpoint)

    return function_routes(apis, FunctionPlans(endpoints, direct))


def _unserved(methods: Callable[[str], Collection[str]], pages: Sequence[str], apis: Sequence[Served]) -> Unserved:
    return Unserved(
        methods,
        pages=pages,
        bases=[api.base_path for api in apis],
        covered=[api.base_path + beginning for api in apis for beginning in api.covered],
    )


def _add(app: AsyncApp, document: Document, *, open_to_all: bool = False, **options: Any) -> None:
    middleware = app.middleware
    specification = Lowered(routable(lower_for_connexion(document)))
    specification.base_path = document.base_path
    given = middleware.options.replace(**options)
    middleware.apis.append(API(specification, base_path=document.base_path, **vars(given)))
    for path, served in document_routes(document, open_to_all=open_to_all):
        app.add_url_rule(path, view_func=served)


class Lowered(OpenAPISpecification):  # type: ignore[misc]
    """A lowered document: it is valid as it was made from a valid one, has no references, and is nobody else's.
    connexion would take longer to find that out again, and to copy it four times, than everything else takes together;
    and its ``add_api`` takes no Specification.
    """

    def __init__(self, lowered: dict[str, Any]) -> None:
        self._set_defaults(lowered)
        self._raw_spec = self._spec = lowered
        self._base_uri = ""

    def clone(self) -> Lowered:
        """Return another one, which may be changed."""
        return Lowered(deepcopy(self._spec))


def _refuse(app: AsyncApp, refusals: Refusals) -> None:
    for refused in (HTTPException, ProblemException):
        app.add_error_handler(refused, refusals.refuse)
    app.add_error_handler(Exception, refusals.fail)


def _routed(registry: Registry) -> Mapping[str, Function]:
    return {name: function for name, function in registry.functions.items() if function.operation.route is not None}


def _endpoints(
    funcatron: Funcatron, functions: Mapping[str, Function], metrics: Metrics, later: Later, applications: Applications
) -> dict[str, FunctionEndpoint | ViewEndpoint]:
    now = Now(funcatron, metrics, later).answer

    async def dispatched(call: Call) -> Result:
        result = await later.answer(call)
        metrics.accepted(call.function.name, "async")
        return result

    def endpoint(function: Function) -> FunctionEndpoint | ViewEndpoint:
        made = partial(FunctionEndpoint, function, limits=funcatron.settings.limits)
        view = function.handler
        if not isinstance(view, View):
            return made(now=now, later=dispatched)
        by_wish = function.extension.mode == "sync"
        kept = made(now=with_request(now), later=None if view.asks_itself and by_wish else dispatched)
        return ViewEndpoint(funcatron, metrics, kept, applications.of(view.application))

    return {name: endpoint(function) for name, function in functions.items()}


def _control_endpoints(funcatron: Funcatron, functions: Mapping[str, Function]) -> dict[str, FunctionEndpoint]:
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
        name: FunctionEndpoint(function, limits=funcatron.settings.limits, now=now, later=None)
        for name, function in functions.items()
    }
