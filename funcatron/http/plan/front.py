"""The middleware in front: it finds a request's plan, compiles it on first use, and lets everything else pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from connexion.middleware import SpecMiddleware
from connexion.spec import Specification
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.http.plan.apis import Planned, Plans, Served
from funcatron.http.plan.problems import error_handler, refuse
from funcatron.http.plan.refusal import Refusal
from funcatron.http.plan.route import Mount, Routes
from funcatron.http.trie import Trie

__all__ = ["PlanMiddleware"]


class PlanMiddleware(SpecMiddleware):  # type: ignore[misc]
    """Serves planned operations, and hands all other requests on.

    ``bypassed`` tells, once the stack is built, why nothing may be planned, None if all may. ``alone`` tells, at any
    time, whether the application serves nothing but its APIs; then a path that none of them has is refused here.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        bypassed: Callable[[], str | None] = lambda: None,
        plans: Plans,
        alone: Callable[[], bool] = lambda: False,
    ) -> None:
        self.app = app
        self._bypassed = bypassed
        self._plans = plans
        self._alone = alone
        self._complete = False
        self._apis: list[Served] = []
        self._operations: list[Planned] = []
        self._routes: Routes[Planned] | None = None

    def add_api(self, specification: Specification, base_path: str | None = None, **settings: Any) -> None:
        """Register an API; connexion calls this when its stack is built."""
        if base_path is not None:
            specification.base_path = base_path
        self._apis.append(Served(specification, settings))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request, or pass on whatever else the server says."""
        routes = self._routes or self._build()
        if scope["type"] == "http" and not scope.get("root_path"):
            try:
                found = routes.find(scope["method"], scope["path"])
                missing = routes.missing(scope["method"], scope["path"]) if found is None and self._complete else None
            except ValueError:  # where starlette fails too
                return self.app(scope, receive, send)
            if found is not None and (plan := found[0].plan or found[0].compiled()) is not None:
                return plan.serve(scope, receive, send, found[1], self.app)
            handler = error_handler(self.app, missing) if missing is not None and self._alone() else None
            if missing is not None and handler is not None:
                return refuse(missing, handler, self.app, scope, receive, send)
        return self.app(scope, receive, send)

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
        mounts: dict[str, Mount[Planned]] = {}
        for api in self._apis:
            mount = mounts.setdefault(api.base_path, Mount(api.base_path, Trie[Planned](), api.covered))
            refused = reason or ("the base path has parameters" if "{" in api.base_path else None)
            first = not len(mount.trie)
            if not first:
                refused = refused or "another API has the same base path"
            for template, operation in api.operations(self._plans, refused):
                self._operations.append(operation)
                if first:
                    mount.trie.add(operation.method, template, operation)
        # With these it is not certain what becomes of a request that has no operation: security may be asked of it.
        uncertain = any(api.guarded or "{" in api.base_path for api in self._apis) or not all(
            one.named for one in self._operations
        )
        self._complete = reason is None and not uncertain and len(mounts) == len(self._apis)
        self._routes = Routes(mounts.values())
        return self._routes
