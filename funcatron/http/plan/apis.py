"""The APIs of an application, and their operations: each has a plan, or a reason why not."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

from connexion.exceptions import ResolverError
from connexion.frameworks.starlette import starlettify_path
from connexion.http_facts import METHODS
from connexion.operations import AbstractOperation
from connexion.options import SwaggerUIConfig
from connexion.resolver import Resolver
from connexion.spec import Specification
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.http.plan.refusal import Refused
from funcatron.http.trie import PARAMETER

__all__ = ["Planned", "Plans", "Served", "Serving"]

log = logging.getLogger("funcatron.plan")


class Serving(Protocol):
    """A plan."""

    def serve(
        self, scope: Scope, receive: Receive, send: Send, texts: dict[str, Any], stack: ASGIApp
    ) -> Awaitable[None]:
        """Answer a request whose path has these ``texts``, or hand it to ``stack``."""


Plans: TypeAlias = Callable[[AbstractOperation, str, list[str], Mapping[str, Any]], Serving]
"""Makes the plan of an operation of its base path, its router's names, its API's settings; raises Refused."""


class Planned:
    """One operation of an API; its plan is compiled when first asked for. ``named``: it has an operationId."""

    __slots__ = ("_compile", "_compiled", "method", "named", "path", "plan", "reason")

    def __init__(self, method: str, path: str, making: Callable[[], Serving], *, named: bool = True) -> None:
        self.method = method
        self.path = path
        self.named = named
        self.plan: Serving | None = None
        self.reason: str | None = None
        self._compile = making
        self._compiled = False

    def compiled(self) -> Serving | None:
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
    def covered(self) -> tuple[str, ...]:
        """What the paths begin with that the Swagger UI may answer."""
        config = SwaggerUIConfig(self.settings.get("swagger_ui_options"), oas_version=self.specification.version)
        covered = []
        if config.openapi_spec_available:
            covered += [config.openapi_spec_path, config.openapi_spec_path.removesuffix("json") + "yaml"]
        if config.swagger_ui_available:
            covered.append(config.swagger_ui_path.strip().rstrip("/"))
        return tuple(covered)

    @property
    def guarded(self) -> bool:
        """Whether security is asked for where there is no operation."""
        return bool(self.settings.get("auth_all_paths"))

    def operations(self, plans: Plans, reason: str | None) -> Iterator[tuple[str, Planned]]:
        """Yield each operation with its route, in the document's order; all are refused if there is a ``reason``."""
        resolved = list(self._resolved())
        names = Counter(operation.operation_id for _, _, operation in resolved if operation is not None)
        for path, method, operation in resolved:
            if operation is None:
                yield starlettify_path(path), Planned(method, path, _refuse("its handler is not found"))
                continue
            template = starlettify_path(path, operation.get_path_parameter_types())
            why = reason
            if operation.operation_id is None or names[operation.operation_id] > 1:
                why = why or "its operationId is missing or not its own"
            making = partial(plans, operation, self.base_path, _names(template), self.settings)
            named = operation.operation_id is not None
            yield template, Planned(method, path, making if why is None else _refuse(why), named=named)

    def _resolved(self) -> Iterator[tuple[str, str, AbstractOperation | None]]:
        """Yield path, method and operation, None where connexion answers that there is no handler."""
        make = partial(
            self.specification.operation_cls.from_spec,
            self.specification,
            resolver=self.settings.get("resolver") or Resolver(),
            uri_parser_class=self.settings.get("uri_parser_class"),
        )
        for path, item in (self.specification.get("paths") or {}).items():
            for method in item:
                if method in METHODS:
                    try:
                        yield path, method.upper(), make(path=path, method=method)
                    except ResolverError:
                        yield path, method.upper(), None


def _names(template: str) -> list[str]:
    return [name for name, _ in PARAMETER.findall(template)]


def _refuse(reason: str) -> Callable[[], Serving]:
    def make() -> Serving:
        raise Refused(reason)

    return make
