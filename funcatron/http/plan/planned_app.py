"""connexion's AsyncApp with planned operations."""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import Any

from connexion import AsyncApp
from connexion.middleware import ConnexionMiddleware, MiddlewarePosition
from connexion.resolver import Resolver
from starlette.types import Receive, Scope, Send

from funcatron.calls import ThreadCalls
from funcatron.http.plan.probe import missing
from funcatron.http.plan.refusal import Refusal

__all__ = ["PlannedApp"]

log = logging.getLogger("funcatron.plan")


class PlannedApp(AsyncApp):  # type: ignore[misc]
    """A ``connexion.AsyncApp`` that compiles each operation once and serves it without the rest of connexion's stack.

    It has AsyncApp's arguments and methods, and answers as AsyncApp does; what it cannot plan AsyncApp serves. With
    ``planned=False`` it is an AsyncApp. With ``corrected=True`` it is right where connexion is plainly wrong, planned
    or not. Handlers that are not async run in so many ``threads`` of its own, in a third of the time that starlette's
    take to begin and end a call; with None they run in starlette's.
    """

    def __init__(
        self,
        import_name: str,
        *,
        planned: bool = True,
        corrected: bool = False,
        threads: int | None = 40,
        **options: Any,
    ) -> None:
        super().__init__(import_name, **(_corrected(options) if corrected else options))
        self._corrected = corrected
        self._calls = None if threads is None else ThreadCalls(threads, waiting=sys.maxsize)
        lacking = missing() if planned else []
        if lacking:
            log.warning("connexion's own stack serves, unplanned: this release has no %s", ", ".join(lacking))
        self._planned = planned and not lacking
        self._arrange()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, as connexion's middleware does, without a step on the way to it."""
        middleware = self.middleware
        if type(middleware) is not ConnexionMiddleware or middleware.middleware_stack is None:
            await middleware(scope, receive, send)
        else:
            scope["app"] = middleware
            await middleware.app(scope, receive, send)

    def add_api(self, specification: Any, *, resolver: Any = None, **options: Any) -> None:
        """Add an API, as AsyncApp does."""
        if not self._corrected:
            super().add_api(specification, resolver=resolver, **options)
            return
        from funcatron.http.plan.corrections import CorrectedResolver, show_as_written

        given = resolver or self.middleware.options.resolver
        resolver = given if isinstance(given, Resolver) else Resolver(given) if given else Resolver()
        super().add_api(specification, resolver=CorrectedResolver(resolver), **options)
        show_as_written(self.middleware.apis[-1].specification)

    def add_middleware(
        self,
        middleware_class: Any,
        position: MiddlewarePosition = MiddlewarePosition.BEFORE_CONTEXT,
        **options: Any,
    ) -> None:
        """Add a middleware, as AsyncApp does. One that stands behind connexion's routing leaves nothing planned."""
        super().add_middleware(middleware_class, position, **options)
        self._arrange()

    def refusals(self) -> list[Refusal]:
        """Return the operations that connexion's stack serves, each with the reason; all are compiled for it.

        Raises RuntimeError before the application has started, and where nothing is planned.
        """
        from funcatron.http.plan.front import PlanMiddleware

        for middleware in self.middleware.middleware_stack or ():
            if isinstance(middleware, PlanMiddleware):
                return middleware.refusals()
        raise RuntimeError("the application has not started, or is not planned")

    def _arrange(self) -> None:
        if not self._planned:
            return
        # What is imported here needs everything that missing() asks for.
        from funcatron.http.plan.arrangement import arrange, bypassed
        from funcatron.http.plan.compile import plan_operation
        from funcatron.http.plan.front import PlanMiddleware

        middlewares = self.middleware.middlewares
        plans = partial(plan_operation, calls=self._calls)
        alone = self._serves_apis_alone
        front = partial(PlanMiddleware, bypassed=partial(bypassed, middlewares), plans=plans, alone=alone)
        arrange(middlewares, lambda: front)

    def _serves_apis_alone(self) -> bool:
        """Whether nobody added a URL rule, or a route to the router itself."""
        served = self._middleware_app
        return len(served.router.routes) == sum(len(apis) for apis in served.apis.values())


def _corrected(options: dict[str, Any]) -> dict[str, Any]:
    """A ``validator_map`` of the application's own is left as it is."""
    from funcatron.http.plan.corrections import VALIDATORS

    return {**options, "validator_map": options.get("validator_map") or VALIDATORS}
