"""Services: what a handler may name and be given, each invocation its own, as a unit of work.

A service is a context manager (sync or async), opened only for handlers that name it: committed when the invocation
succeeds (its exit sees no exception), rolled back when it raises (its exit sees the exception), closed always, the
last one opened first. A service that fails to commit turns the success into a failure.

An async handler's services are opened on the loop, in the order in which its signature names them. A sync handler's
are made, entered and left in the handler's own thread; those that can only be entered with ``async with`` come first,
on the loop.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from funcatron.errors import FuncatronError

__all__ = ["Services"]


class Services:
    """The recipes, by name. The instances live on the exit stacks of an invocation."""

    def __init__(self) -> None:
        self._factories: dict[str, Callable[[], Any]] = {}
        self._async_only: set[str] = set()

    def __contains__(self, name: object) -> bool:
        return name in self._factories

    def __iter__(self) -> Iterator[str]:
        return iter(self._factories)

    def __len__(self) -> int:
        return len(self._factories)

    def register(self, name: str, factory: Callable[..., Any]) -> None:
        """Add a service; ``factory`` takes no arguments and returns a context manager, or is a generator function
        (sync or async) with one ``yield``, as for contextlib. Raises FuncatronError for a name that cannot be used.
        """
        if not name.isidentifier() or name in {"context", "event", "body"}:
            raise FuncatronError(f"a service cannot be called {name!r}")
        self._async_only.discard(name)
        if _is_async_only(factory):
            self._async_only.add(name)
        if inspect.isasyncgenfunction(factory):
            factory = contextlib.asynccontextmanager(factory)
        elif inspect.isgeneratorfunction(factory):
            factory = contextlib.contextmanager(factory)
        self._factories[name] = factory

    def copy(self) -> Services:
        """Return the same recipes, to which others may be added."""
        other = Services()
        other._factories, other._async_only = dict(self._factories), set(self._async_only)
        return other

    def wait(self, names: Iterable[str]) -> bool:
        """Tell whether any of these services can only be entered with ``async with``."""
        return not self._async_only.isdisjoint(names)

    async def enter(self, names: Iterable[str], stack: AsyncExitStack) -> dict[str, Any]:
        """Make and enter services on the loop, for an async handler."""
        opened = {}
        for name in names:
            made = self._factories[name]()
            if hasattr(made, "__aenter__"):
                opened[name] = await stack.enter_async_context(made)
            elif hasattr(made, "__enter__"):
                opened[name] = stack.enter_context(made)
            else:
                raise FuncatronError(f"the service {name!r} must be a context manager, not a {type(made).__name__}")
        return opened

    async def enter_async(self, names: Iterable[str], stack: AsyncExitStack) -> dict[str, Any]:
        """Make and enter on the loop what only can be entered there, for a sync handler."""
        return await self.enter([name for name in names if name in self._async_only], stack)

    def enter_sync(self, names: Iterable[str], stack: ExitStack) -> dict[str, Any]:
        """Make and enter the others, in the thread of a sync handler."""
        opened = {}
        for name in names:
            if name in self._async_only:
                continue
            made = self._factories[name]()
            if not hasattr(made, "__enter__"):
                wanted = (
                    "is async: register an async generator function or a class, so that this is known before"
                    if hasattr(made, "__aenter__")
                    else f"must be a context manager, not a {type(made).__name__}"
                )
                raise FuncatronError(f"the service {name!r} {wanted}")
            opened[name] = stack.enter_context(made)
        return opened


def _is_async_only(factory: Any) -> bool:
    if isinstance(factory, type):
        return hasattr(factory, "__aenter__") and not hasattr(factory, "__enter__")
    return inspect.isasyncgenfunction(inspect.unwrap(factory))
