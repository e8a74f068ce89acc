"""The words every floor shares: JSON values, handlers and their kinds, and the marker for "no value given"."""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
"""A value that JSON (RFC 8259) can carry."""

Handler: TypeAlias = Callable[..., Any]
"""A user's function, ``def`` or ``async def``, found by an operationId."""

Arguments: TypeAlias = Mapping[str, Any]
"""What a call carries for a function: argument name to value, the request body under ``body``."""

Location: TypeAlias = Literal["path", "query", "header", "cookie"]
"""Where an OpenAPI parameter travels (its ``in``)."""

TriggerKind: TypeAlias = str
"""How a call came in: http, async, celery, queue, swift, schedule, event, webhook, or a plugin's own kind."""


class Missing(enum.Enum):
    """The one value that means "nothing was given", where None is a value."""

    MISSING = "missing"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING


def is_a(handler: Handler, kind: Callable[[Any], bool]) -> bool:
    """Whether a handler is a function of this kind, which ``inspect`` tells, or an object whose ``__call__`` is one."""
    unwrapped = handler.func if isinstance(handler, functools.partial) else handler
    return kind(unwrapped) or kind(getattr(type(unwrapped), "__call__", None))  # noqa: B004 - the function, not whether


def is_async(handler: Handler) -> bool:
    """Whether a handler runs on the event loop."""
    return is_a(handler, inspect.iscoroutinefunction) or is_a(handler, inspect.isasyncgenfunction)
