"""connexion's AsyncApp with planned operations."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from connexion import AsyncApp
from connexion.middleware import MiddlewarePosition

from funcatron.http.plan.probe import missing
from funcatron.http.plan.refusal import Refusal

__all__ = ["PlannedApp"]

log = logging.getLogger("funcatron.plan")


class PlannedApp(AsyncApp):  # type: ignore[misc]
    """A ``connexion.AsyncApp`` that compiles each operation once and serves it without the rest of connexion's stack.

    It has AsyncApp's arguments and methods, and answers as AsyncApp does; what it cannot plan AsyncApp serves. With
    ``planned=False`` it is an AsyncApp.
    """

    def __init__(self, import_name: str, *, planned: bool = True, **options: Any) -> None:
        super().__init__(import_name, **options)
        lacking = missing() if planned else []
        if lacking:
            log.warning("connexion's own stack serves, unplanned: this release has no %s", ", ".join(lacking))
        self._planned = planned and not lacking
        self._arrange()

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
        from funcatron.http.plan.front import PlanMiddleware

        middlewares = self.middleware.middlewares
        arrange(middlewares, lambda: partial(PlanMiddleware, bypassed=partial(bypassed, middlewares)))
