"""Where among connexion's middlewares the plan may stand: behind the application's own, before what it stands for."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence
from functools import partial
from typing import Any

from connexion.middleware.exceptions import ExceptionMiddleware
from connexion.middleware.main import ConnexionMiddleware
from connexion.middleware.routing import RoutingMiddleware

from funcatron.http.plan.detour import DetourMiddleware
from funcatron.http.plan.front import PlanMiddleware

__all__ = ["arrange", "bypassed"]

_DEFAULT = tuple(ConnexionMiddleware.default_middlewares)
_REPLACED = _DEFAULT[_DEFAULT.index(RoutingMiddleware) :]
"""What a plan does the work of."""


def arrange(middlewares: MutableSequence[Any], made: Callable[[], Any]) -> None:
    """Put the plan's two middlewares where they belong; ``made`` makes the one in front.

    In front of everything if all is connexion's own, else behind the last of the application's own that stands before
    connexion's routing. The detour leads to right below the handling of errors.
    """
    middlewares[:] = [middleware for middleware in middlewares if _class(middleware) not in _OURS]
    before = _routing(middlewares)
    place = max((i + 1 for i in range(before) if _class(middlewares[i]) not in _DEFAULT), default=0)
    errors = [_class(middleware) for middleware in middlewares].index(ExceptionMiddleware)
    middlewares.insert(max(place, errors + 1), DetourMiddleware)
    middlewares.insert(place, made())


def bypassed(middlewares: Sequence[Any]) -> str | None:
    """Return why a plan would pass by something that the application wants to be called, None if it would not."""
    classes = [_class(middleware) for middleware in middlewares]
    behind = [middleware for middleware in classes[classes.index(PlanMiddleware) :] if middleware not in _OURS]
    foreign = [getattr(one, "__name__", str(one)) for one in behind if one not in _DEFAULT]
    if foreign:
        return f"the middleware {foreign[0]} stands behind connexion's routing"
    if tuple(behind[-len(_REPLACED) :]) != _REPLACED:
        return "connexion's middlewares are not in their order"
    return None


_OURS = (DetourMiddleware, PlanMiddleware)


def _class(middleware: Any) -> Any:
    return middleware.func if isinstance(middleware, partial) else middleware


def _routing(middlewares: Sequence[Any]) -> int:
    classes = [_class(middleware) for middleware in middlewares]
    return classes.index(RoutingMiddleware) if RoutingMiddleware in classes else len(classes)
