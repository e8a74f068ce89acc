"""How many requests go past the plans into connexion's stack, and which operations have none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from connexion import AsyncApp
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.http.door import Door
from funcatron.http.plan.detour import KEY as DETOUR
from funcatron.http.plan.detour import DetourMiddleware
from funcatron.http.plan.front import PlanMiddleware

__all__ = ["Passed", "past_the_door", "past_the_front"]


class Passed(Protocol):
    """What went past the plans of one application."""

    count: int

    def operations(self) -> int:
        """Return how many operations there are."""

    def reasons(self) -> Iterable[str]:
        """Return why operations have no plan, for each that has none."""


class _Counted:
    """A stack that counts its requests. A plan that has its own errors answered there has not passed one on."""

    def __init__(self, stack: ASGIApp) -> None:
        self.count = 0
        self._stack = stack

    async def passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        self.count += scope["type"] == "http" and DETOUR not in scope
        await self._stack(scope, receive, send)


class _PastTheFront(_Counted):
    def __init__(self, app: AsyncApp) -> None:
        app.middleware.app, app.middleware.middleware_stack = app.middleware._build_middleware_stack()
        (self._front,) = (one for one in app.middleware.middleware_stack if isinstance(one, PlanMiddleware))
        (below,) = (one for one in app.middleware.middleware_stack if isinstance(one, DetourMiddleware))
        super().__init__(below.app)
        below.app = self.passed

    def operations(self) -> int:
        return self._front.operations()

    def reasons(self) -> Iterable[str]:
        return (refusal.reason for refusal in self._front.refusals())


class _PastTheDoor(_Counted):
    def __init__(self, door: Door) -> None:
        super().__init__(door._stack.app)
        self._door = door
        door._stack = replace(door._stack, app=self.passed)

    def operations(self) -> int:
        return len(self._door._funcatron.registry)

    def reasons(self) -> Iterable[str]:
        """Every function has a plan."""
        return ()


def past_the_front(app: AsyncApp) -> Passed:
    """Count what goes past the plans of a PlannedApp."""
    return _PastTheFront(app)


def past_the_door(door: Door) -> Passed:
    """Count what goes past the plans of funcatron's own door."""
    return _PastTheDoor(door)
