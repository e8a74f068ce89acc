"""The middleware in front: it finds a request's plan, compiles it on first use, and lets everything else pass."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from connexion.exceptions import ResolverError
from connexion.frameworks.starlette import starlettify_path
from connexion.http_facts import METHODS
from connexion.jsonifier import Jsonifier
from connexion.middleware import SpecMiddleware
from connexion.operations import AbstractOperation
from connexion.options import SwaggerUIConfig
from connexion.resolver import Resolver
from connexion.spec import Specification
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.http.plan.compile import Options, compile_plan
from funcatron.http.plan.plan import Plan
from funcatron.http.plan.refusal import Refusal, Refused
from funcatron.http.plan.route import Mount, Routes
from funcatron.http.trie import PARAMETER, Trie

__all__ = ["PlanMiddleware"]

log = logging.getLogger("funcatron.plan")


class Planned:
    """One operation of an API; its plan is compiled when first asked for."""

    __slots__ = ("_compile", "_compiled", "method", "path", "plan", "reason")

    def __init__(self, method: str, path: str, compiling: Callable[[], Plan]) -> None:
        self.method = method
        self.path = path
        self.plan: Plan | None = None
        self.reason: str | None = None
        self._compile = compiling
        self._compiled = False

    def compiled(self) -> Plan | None:
        """Return the plan, None if it was refused."""
        if not self._compiled:
            self._compiled = True
            try:
                self.plan = self._compile()
            except Refused as refused:
                self.reason = str(refused)
                log.info("%s %s is not planned: %s", self.method, self.path, refused)
        return self.plan


@dataclass(frozen=True, slots=True)
class Served:
    """An API as connexion's middlewares get it."""

    specification: Specification
    settings: Mapping[str, Any]

    @property
    def base_path(self) -> str:
        """Where it is mounted."""
        return str(self.specification.base_path)

    @property
    def options(self) -> Options:
        """What changes how its operations are served."""
        get = self.settings.get
        return Options(
            jsonifier=get("jsonifier") or Jsonifier(),
            pythonic_params=bool(get("pythonic_params")),
            strict_validation=bool(get("strict_validation")),
            validate_responses=bool(get("validate_responses")),
            validators=bool(get("validator_map")),
            security_map=get("security_map"),
        )


class PlanMiddleware(SpecMiddleware):  # type: ignore[misc]
    """Serves planned operations, and hands all other requests on.

    ``bypassed`` tells, once the stack is built, why nothing may be planned, None if all may.
    """

    def __init__(self, app: ASGIApp, *, bypassed: Callable[[], str | None]) -> None:
        self.app = app
        self._bypassed = bypassed
        self._apis: list[Served] = []
        self._operations: list[Planned] = []
        self._routes: Routes[Planned] | None = None

    def add_api(self, specification: Specification, base_path: str | None = None, **settings: Any) -> None:
        """Register an API; connexion calls this when its stack is built."""
        if base_path is not None:
            specification.base_path = base_path
        self._apis.append(Served(specification, settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass on whatever else the server says."""
        routes = self._routes or self._build()
        if scope["type"] == "http" and not scope.get("root_path"):
            try:
                found = routes.find(scope["method"], scope["path"])
            except ValueError:  # where starlette fails too
                found = None
            if found is not None and (plan := found[0].plan or found[0].compiled()) is not None:
                await plan.serve(scope, receive, send, found[1], self.app)
                return
        await self.app(scope, receive, send)

    def refusals(self) -> list[Refusal]:
        """Compile everything and return the operations that connexion serves, each with the reason."""
        if self._routes is None:
            self._build()
        return [
            Refusal(operation.method, operation.path, operation.reason or "")
            for operation in self._operations
            if operation.compiled() is None
        ]

    def operations(self) -> int:
        """Return how many operations there are."""
        return len(self._operations)

    def _build(self) -> Routes[Planned]:
        reason = self._bypassed()
        mounts: list[Mount[Planned]] = []
        for api in self._apis:
            operations = list(_operations(api, reason, taken=[mount.base_path for mount in mounts]))
            trie = Trie[Planned]()
            for template, operation in operations:
                trie.add(operation.method, template, operation)
                self._operations.append(operation)
            mounts.append(Mount(api.base_path, trie, _covered(api)))
        self._routes = Routes(mounts)
        return self._routes


def _covered(api: Served) -> tuple[str, ...]:
    """Return the beginnings of the paths that the Swagger UI may answer."""
    config = SwaggerUIConfig(api.settings.get("swagger_ui_options"), oas_version=api.specification.version)
    covered = []
    if config.openapi_spec_available:
        covered += [config.openapi_spec_path, config.openapi_spec_path.removesuffix("json") + "yaml"]
    if config.swagger_ui_available:
        covered.append(config.swagger_ui_path.strip().rstrip("/"))
    return tuple(covered)


def _operations(api: Served, reason: str | None, taken: Sequence[str]) -> Iterator[tuple[str, Planned]]:
    """Yield each operation with its route, in the document's order."""
    if "{" in api.base_path:
        reason = reason or "the base path has parameters"
    if api.base_path in taken:
        reason = reason or "another API has the same base path"
    resolved = list(_resolved(api))
    names = Counter(operation.operation_id for _, _, operation in resolved if operation is not None)
    for path, method, operation in resolved:
        if operation is None:
            yield starlettify_path(path), Planned(method, path, _refuse("its handler is not found"))
            continue
        template = starlettify_path(path, operation.get_path_parameter_types())
        why = reason
        if operation.operation_id is None or names[operation.operation_id] > 1:
            why = why or "its operationId is missing or not its own"
        compiling = partial(compile_plan, operation, api.base_path, _names(template), api.options)
        yield template, Planned(method, path, compiling if why is None else _refuse(why))


def _resolved(api: Served) -> Iterator[tuple[str, str, AbstractOperation | None]]:
    """Yield path, method and operation, None where connexion answers that there is no handler."""
    settings = {"resolver": api.settings.get("resolver") or Resolver()}
    settings["uri_parser_class"] = api.settings.get("uri_parser_class")
    for path, item in (api.specification.get("paths") or {}).items():
        for method in item:
            if method in METHODS:
                try:
                    make = api.specification.operation_cls.from_spec
                    yield path, method.upper(), make(api.specification, path=path, method=method, **settings)
                except ResolverError:
                    yield path, method.upper(), None


def _names(template: str) -> list[str]:
    return [name for name, _ in PARAMETER.findall(template)]


def _refuse(reason: str) -> Callable[[], Plan]:
    def compile_it() -> Plan:
        raise Refused(reason)

    return compile_it
