"""The plan of a function of funcatron's own: everything between the server and its endpoint, without connexion's stack.

Its endpoint decodes, checks, calls and answers, refusals too, as on every door. What stands before it in connexion's
stack is done here: security, by connexion's own handlers, and connexion's context.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from funcatron.http.plan.context import enter, outside, scoped
from funcatron.http.plan.detour import Raising, detour
from funcatron.http.plan.security import Verify, verification

__all__ = ["FunctionPlan", "FunctionPlans"]


@dataclass(frozen=True, slots=True)
class FunctionPlan:
    """A function behind its route."""

    operation: AbstractOperation
    base_path: str
    verify: Verify | None
    endpoint: ASGIApp

    async def serve(self, scope: Scope, receive: Receive, send: Send, texts: dict[str, Any], stack: ASGIApp) -> None:
        """Answer a request whose path has these ``texts``; errors are answered in ``stack``."""
        inner = scoped(scope, self.base_path, self.operation.operation_id, texts)
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            if self.verify is not None:
                await self.verify(inner)
            enter(self.operation, inner, receive)
            await self.endpoint(inner, receive, sending)
        except Exception as error:
            if started:
                raise
            await detour(stack, Raising(error), outside(scope, inner), receive, send)


class FunctionPlans:
    """Makes the plans of functions, by the name that the operation has as its operationId."""

    def __init__(self, endpoints: Mapping[str, ASGIApp]) -> None:
        self._endpoints = endpoints

    def __call__(
        self, operation: AbstractOperation, base_path: str, places: list[str], settings: Mapping[str, Any]
    ) -> FunctionPlan:
        """Return the plan of an operation."""
        verify = verification(operation, settings.get("security_map"))
        return FunctionPlan(operation, base_path, verify, self._endpoints[operation.operation_id])
