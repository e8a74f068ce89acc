"""Services: what a handler may name and be given, each invocation its own, as a unit of work.

A service is a context manager (sync or async), opened only for handlers that name it: committed when the invocation
succeeds (its exit sees no exception), rolled back when it raises (its exit sees the exception), closed always, the
last one opened first. A service that fails to commit turns the success into a failure.

Its factory may itself name services, ``context`` and ``event`` as arguments: what it needs is opened before it and
closed after it, once for all that need it.

An async handler's services are opened on the loop, in the order in which its signature names them. A sync handler's
are made, entered and left in the handler's own thread; those that can only be entered with ``async with``, and what
they need, come first, on the loop.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import Any

from funcatron.errors import FuncatronError

__all__ = ["Services"]

OFFERED = frozenset({"context", "event"})
"""What a factory may name beside services."""
NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How a service is made: ``factory`` returns a context manager, given what it ``needs`` by name; ``given`` is what
    was registered.
    """

    given: Any
    factory: Callable[..., Any]
    needs: tuple[str, ...]
    is_async_only: bool

    def make(self, opened: Mapping[str, Any]) -> Any:
        return self.factory(**{name: opened[name] for name in self.needs})


class Services:
    """The recipes, by name. The instances live on the exit stacks of an invocation."""

    def __init__(self) -> None:
        self._recipes: dict[str, _Recipe] = {}
        self._orders: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._recipes

    def __iter__(self) -> Iterator[str]:
        return iter(self._recipes)

    def __len__(self) -> int:
        return len(self._recipes)

    def register(self, name: str, factory: Callable[..., Any]) -> None:
        """Add a service; ``factory`` returns a context manager, or is a generator function (sync or async) with one
        ``yield``, as for contextlib; it is given what its arguments without a default name. Raises FuncatronError for a
        name that cannot be used.
        """
        if not name.isidentifier() or name in {*OFFERED, "body"}:
            raise FuncatronError(f"a service cannot be called {name!r}")
        given: Any = factory
        made = given if isinstance(given, type) or inspect.isroutine(given) else given.__call__
        needs, is_async_only = _needs(factory), _is_async_only(made)
        if inspect.isasyncgenfunction(made):
            made = contextlib.asynccontextmanager(made)
        elif inspect.isgeneratorfunction(made):
            made = contextlib.contextmanager(made)
        self._recipes[name] = _Recipe(factory, made, needs, is_async_only)
        self._orders.clear()

    @contextlib.contextmanager
    def overridden(self, **factories: Callable[..., Any]) -> Iterator[None]:
        """Have other factories in the place of registered ones, as tests do: ``overridden(db=lambda: nullcontext(x))``.

        What one must be entered with (``async with`` alone, or not) its stand-in should be too. Raises FuncatronError
        for a name that is not registered.
        """
        unknown = factories.keys() - self._recipes.keys()
        if unknown:
            raise FuncatronError(f"no service is called {', '.join(map(repr, sorted(unknown)))}")
        kept = dict(self._recipes)
        try:
            for name, factory in factories.items():
                self.register(name, factory)
            yield
        finally:
            self._recipes = kept
            self._orders.clear()

    def check(self) -> None:
        """Raise FuncatronError where a service needs what is not there, or itself."""
        unknown = [
            f"the service {name!r} needs {wanted!r}, which is none; services are: {', '.join(sorted(self._recipes))}"
            for name, recipe in self._recipes.items()
            for wanted in recipe.needs
            if wanted not in self._recipes and wanted not in OFFERED
        ]
        if unknown:
            raise FuncatronError("; ".join(unknown))
        self._ordered(self._recipes)

    async def aclose(self) -> None:
        """Close the factories that keep something for this event loop: objects with a method ``aclose``."""
        for factory in self._objects():
            if hasattr(factory, "aclose"):
                await factory.aclose()

    def close(self) -> None:
        """Close the factories that keep something for this process: objects with a method ``close``."""
        for factory in self._objects():
            if hasattr(factory, "close"):
                factory.close()

    def _objects(self) -> list[Any]:
        given = (recipe.given for recipe in self._recipes.values())
        return [factory for factory in given if not (isinstance(factory, type) or inspect.isroutine(factory))]

    def copy(self) -> Services:
        """Return the same recipes, to which others may be added."""
        other = Services()
        other._recipes = dict(self._recipes)
        return other

    def wait(self, names: Iterable[str]) -> bool:
        """Tell whether opening these services takes ``async with``."""
        return any(self._recipes[name].is_async_only for name in self._ordered(names))

    async def enter(
        self, names: Iterable[str], stack: AsyncExitStack, offered: Mapping[str, Any] = NOTHING
    ) -> dict[str, Any]:
        """Make and enter services on the loop, for an async handler; ``offered`` has what they want beside services.

        What they need is among those returned.
        """
        opened: dict[str, Any] = {}
        for name in self._ordered(names):
            made = self._recipes[name].make({**offered, **opened})
            if hasattr(made, "__aenter__"):
                opened[name] = await stack.enter_async_context(made)
            elif hasattr(made, "__enter__"):
                opened[name] = stack.enter_context(made)
            else:
                raise FuncatronError(f"the service {name!r} must be a context manager, not a {type(made).__name__}")
        return opened

    async def enter_async(
        self, names: Iterable[str], stack: AsyncExitStack, offered: Mapping[str, Any] = NOTHING
    ) -> dict[str, Any]:
        """Make and enter on the loop what only can be entered there, for a sync handler."""
        return await self.enter(self._on_loop(names), stack, offered)

    def enter_sync(
        self, names: Iterable[str], stack: ExitStack, offered: Mapping[str, Any] = NOTHING
    ) -> dict[str, Any]:
        """Make and enter the others, in the thread of a sync handler; ``offered`` has those of ``enter_async`` too."""
        opened: dict[str, Any] = {}
        before = set(self._ordered(self._on_loop(names)))
        for name in self._ordered(names):
            if name in before:
                continue
            made = self._recipes[name].make({**offered, **opened})
            if not hasattr(made, "__enter__"):
                wanted = (
                    "is async: register an async generator function or a class, so that this is known before"
                    if hasattr(made, "__aenter__")
                    else f"must be a context manager, not a {type(made).__name__}"
                )
                raise FuncatronError(f"the service {name!r} {wanted}")
            opened[name] = stack.enter_context(made)
        return opened

    def _on_loop(self, names: Iterable[str]) -> list[str]:
        return [name for name in self._ordered(names) if self._recipes[name].is_async_only]

    def _ordered(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return these services and all that they need, each after what it needs."""
        asked = tuple(names)
        order = self._orders.get(asked)
        if order is None:
            order = self._orders[asked] = tuple(self._walk(asked))
        return order

    def _walk(self, names: Iterable[str]) -> dict[str, None]:
        ordered: dict[str, None] = {}

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                raise FuncatronError(f"services need each other: {' -> '.join([*path[path.index(name) :], name])}")
            if name not in ordered and name not in OFFERED:
                for needed in self._recipes[name].needs:
                    visit(needed, (*path, name))
                ordered[name] = None

        for name in names:
            visit(name, ())
        return ordered


def _is_async_only(factory: Any) -> bool:
    if isinstance(factory, type):
        return hasattr(factory, "__aenter__") and not hasattr(factory, "__enter__")
    return inspect.isasyncgenfunction(inspect.unwrap(factory))


def _needs(factory: Any) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # a class of an extension module may not tell
        return ()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(one.name for one in parameters if one.default is one.empty and one.kind in named)
