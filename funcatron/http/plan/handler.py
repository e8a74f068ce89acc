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

from funcatron.calls import Calls

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
    """A handler as connexion calls it: on the loop if it is a coroutine function, else in a thread.

    ``calls`` has the threads; None for starlette's, as connexion has them. ``call`` takes the arguments by name;
    ``contextual`` tells whether they must be completed first, whatever was found out about the caller.
    """

    __slots__ = ("call", "contextual", "names")

    def __init__(self, function: Callable[..., Any], calls: Calls | None = None) -> None:
        named, every = inspect_function_arguments(unwrap_decorators(function))
        self.names = Names(frozenset(named), every)
        self.contextual = CONTEXT_NAME in named
        self.call: Callable[..., Awaitable[Any]] = (
            function if asyncio.iscoroutinefunction(function) else _in_thread(function, calls)
        )

    def complete(self, arguments: dict[str, Any], found: Mapping[str, Any]) -> None:
        """Add connexion's context, and what is ``found`` in it that the handler names."""
        arguments |= {name: value for name, value in found.items() if name in self.names}
        if self.contextual:
            arguments[CONTEXT_NAME] = context


def _in_thread(function: Callable[..., Any], calls: Calls | None) -> Callable[..., Awaitable[Any]]:
    if calls is None:
        return partial(run_in_threadpool, function)
    run = calls.run

    def call(**arguments: Any) -> Awaitable[Any]:
        return run(partial(function, **arguments), None)

    return call
