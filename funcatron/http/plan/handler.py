"""The handler: what it wants, and how it is called."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from connexion.context import context
from connexion.decorators.parameter import CONTEXT_NAME, unwrap_decorators
from connexion.utils import inspect_function_arguments
from starlette.concurrency import run_in_threadpool

__all__ = ["Handler", "Names"]


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a function takes; ``every`` if it has ``**kwargs``."""

    named: frozenset[str]
    every: bool

    def __contains__(self, name: object) -> bool:
        return self.every or name in self.named

    def __bool__(self) -> bool:
        return self.every or bool(self.named)


class Handler:
    """A handler as connexion calls it: on the loop if it is a coroutine function, else in a thread."""

    __slots__ = ("_call", "_context", "names")

    def __init__(self, function: Callable[..., Any]) -> None:
        named, every = inspect_function_arguments(unwrap_decorators(function))
        self.names = Names(frozenset(named), every)
        self._context = CONTEXT_NAME in named
        self._call: Callable[..., Awaitable[Any]] = (
            function if asyncio.iscoroutinefunction(function) else partial(run_in_threadpool, function)
        )

    def __call__(self, arguments: dict[str, Any], found: Mapping[str, Any]) -> Awaitable[Any]:
        """Call it with the arguments, and what of connexion's context is ``found`` that it names."""
        if found:
            arguments |= {name: value for name, value in found.items() if name in self.names}
        if self._context:
            arguments[CONTEXT_NAME] = context
        return self._call(**arguments)
