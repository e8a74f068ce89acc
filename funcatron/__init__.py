"""Functions described by OpenAPI: called now, later, by Celery, by a message, by an upload or by a clock.

Importing this package imports no web framework, no Celery and no OpenStack: names are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from funcatron.app import Funcatron
    from funcatron.errors import FuncatronError, Problem, Retry, SpecError
    from funcatron.event import CloudEvent
    from funcatron.invocation import Context, Invocation, Principal, Result

__all__ = [
    "CloudEvent",
    "Context",
    "Funcatron",
    "FuncatronError",
    "Invocation",
    "Principal",
    "Problem",
    "Result",
    "Retry",
    "SpecError",
]

_HOMES = {
    "CloudEvent": "funcatron.event",
    "Context": "funcatron.invocation",
    "Funcatron": "funcatron.app",
    "FuncatronError": "funcatron.errors",
    "Invocation": "funcatron.invocation",
    "Principal": "funcatron.invocation",
    "Problem": "funcatron.errors",
    "Result": "funcatron.invocation",
    "Retry": "funcatron.errors",
    "SpecError": "funcatron.errors",
}


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'funcatron' has no attribute {name!r}") from None
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
