"""Services: what a handler may name and be given, each invocation its own, as a unit of work.

A service is a context manager (sync or async), opened only for handlers that name it: committed when the invocation
succeeds (its exit sees no exception), rolled back when it raises (its exit sees the exception), closed always. A
service that fails to commit turns the success into a failure. Sync services of a sync handler are entered in the
handler's own thread.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, TypeVar

from funcatron.errors import FuncatronError

__all__ = ["Services"]

Factory = Callable[[], Any]
F = TypeVar("F", bound=Callable[..., Any])


class Services:
    """The recipes, by name. The instances live on the exit stacks of an invocation."""

    def __init__(self) -> None:
        self._factories: dict[str, Factory] = {}

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
        if inspect.isasyncgenfunction(factory):
            factory = contextlib.asynccontextmanager(factory)
        elif inspect.isgeneratorfunction(factory):
            factory = contextlib.contextmanager(factory)
        self._factories[name] = factory

    def split(self, names: Iterable[str]) -> Opening:
        """Make the context managers of these services, not entered yet."""
        sync: dict[str, contextlib.AbstractContextManager[Any]] = {}
        asynchronous: dict[str, contextlib.AbstractAsyncContextManager[Any]] = {}
        for name in names:
            made = self._factories[name]()
            if hasattr(made, "__aenter__"):
                asynchronous[name] = made
            elif hasattr(made, "__enter__"):
                sync[name] = made
            else:
                raise FuncatronError(f"the service {name!r} must be a context manager, not a {type(made).__name__}")
        return Opening(sync, asynchronous)


class Opening:
    """The services of one invocation, about to be opened in the order in which the signature names them."""

    def __init__(
        self,
        sync: dict[str, contextlib.AbstractContextManager[Any]],
        asynchronous: dict[str, contextlib.AbstractAsyncContextManager[Any]],
    ) -> None:
        self._sync = sync
        self._async = asynchronous

    @contextlib.contextmanager
    def sync(self) -> Iterator[dict[str, Any]]:
        """Enter the sync ones, in this thread."""
        with contextlib.ExitStack() as stack:
            yield {name: stack.enter_context(made) for name, made in self._sync.items()}

    @contextlib.asynccontextmanager
    async def asynchronous(self) -> AsyncIterator[dict[str, Any]]:
        """Enter the async ones, on the loop."""
        async with contextlib.AsyncExitStack() as stack:
            yield {name: await stack.enter_async_context(made) for name, made in self._async.items()}
