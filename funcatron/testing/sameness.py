"""The proof that a function is the same on every door: called with the same arguments, coming to the same end."""

from __future__ import annotations

import asyncio
import functools
import inspect
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from funcatron.app import Funcatron, Source
from funcatron.codec import encode_input
from funcatron.importing import import_handler
from funcatron.ports import Middleware
from funcatron.registry import Handlers
from funcatron.settings import load_settings
from funcatron.store.memory import MemoryStore
from funcatron.testing.doors import (
    AsyncDoor,
    CeleryDoor,
    Door,
    HTTPDoor,
    Outcome,
    QueueDoor,
    ScheduleDoor,
)
from funcatron.testing.inline import InlineDispatcher
from funcatron.testing.webhooks import with_secrets
from funcatron.types import Handler

__all__ = ["DOORS", "Recorder", "application", "assert_same_on_every_door"]

DOORS: tuple[Door, ...] = (HTTPDoor(), AsyncDoor(), CeleryDoor(), QueueDoor(), ScheduleDoor())
"""Every door, in this process."""


@dataclass(slots=True)
class Recorder:
    """Wraps handlers so that the arguments they are called with are seen; ``context``, ``event`` and services apart."""

    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    handlers: Handlers | None = None

    def __call__(self, name: str) -> Handler | None:
        """Return the handler of this operationId, wrapped (``handlers=`` of Funcatron)."""
        found = self.handlers(name) if callable(self.handlers) else (self.handlers or {}).get(name)
        return self.wrap(name, found if found is not None else import_handler(name))

    def wrap(self, name: str, handler: Handler) -> Handler:
        """Return a handler with the same signature that notes what it is given."""

        def note(arguments: Mapping[str, Any]) -> None:
            hidden = ("context", "event", "user", "token_info", "context_")
            plain = {key: value for key, value in arguments.items() if key not in hidden and _is_data(value)}
            self.seen.append((name, encode_input(plain)))

        if inspect.iscoroutinefunction(handler):

            @functools.wraps(handler)
            async def noting_async(**arguments: Any) -> Any:
                note(arguments)
                return await handler(**arguments)

            return noting_async

        @functools.wraps(handler)
        def noting(**arguments: Any) -> Any:
            note(arguments)
            return handler(**arguments)

        return noting


def application(
    *specs: Source, handlers: Handlers | None = None, middleware: Sequence[Middleware] = (), **settings: Any
) -> Funcatron:
    """Return a Funcatron for tests: its store in memory, and a dispatcher that runs in this process.

    ``settings`` are those of funcatron.settings; the environment is not read, and secrets of webhooks have stand-ins.
    """
    store = MemoryStore()
    folder = settings.pop("data_dir", None) or str(Path(tempfile.gettempdir()) / "funcatron-testing")
    made = Funcatron(
        *specs,
        handlers=handlers,
        middleware=middleware,
        settings=load_settings({"data_dir": folder, **settings}, environ={}),
        store=store,
        dispatcher=InlineDispatcher(store),
    )
    made.settings = with_secrets(made)
    return made


def assert_same_on_every_door(
    app: Funcatron | Source,
    function: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    handlers: Handlers | None = None,
    doors: Sequence[Door] = DOORS,
    setup: Callable[[Funcatron], None] | None = None,
) -> Outcome:
    """Call ``function`` with ``arguments`` through every door; raises AssertionError unless its handler saw the same
    arguments and the call came to the same on each of them.

    ``app`` is a document (path, URL, dict); or a Funcatron made with ``handlers=Recorder()``, for doors that need a
    server or a worker. ``arguments`` are by document or snake_case name, the body under ``body``. ``setup`` may
    register services. Doors that retry are compared among themselves and, unless the function asked to be retried
    (503), with the others. Returns the outcome.
    """
    recorder = Recorder(handlers=handlers)
    if not isinstance(app, Funcatron):
        app = application(app, handlers=recorder)
    elif isinstance(app.handlers, Recorder):
        recorder = app.handlers
    else:
        raise TypeError("make the Funcatron with handlers=Recorder(), so that its handlers can be watched")
    if setup is not None:
        setup(app)
    found = app.registry.get(function)
    calls = asyncio.run(_calls(app, found.name, arguments or {}, doors, recorder))
    _compare(function, calls)
    return next(iter(calls.values()))[1]


Calls = dict[str, tuple[list[dict[str, Any]], Outcome, bool]]


async def _calls(
    app: Funcatron, function: str, arguments: Mapping[str, Any], doors: Sequence[Door], recorder: Recorder
) -> Calls:
    calls: Calls = {}
    found = app.registry.get(function)
    for door in doors:
        if not door.accepts(found):
            continue
        before = len(recorder.seen)
        outcome = await door.call(app, found, arguments)
        seen = [given for name, given in recorder.seen[before:] if name == function]
        calls[door.name] = (seen, outcome, door.later)
    if len(calls) < 2:
        raise AssertionError(f"{function} can be called through {len(calls)} of these doors: nothing to compare")
    return calls


def _compare(function: str, calls: Calls) -> None:
    """Compare what the handler saw last, and the outcomes, each with the first of its group."""
    reference_name, (seen, outcome, later) = next(iter(calls.items()))
    for name, (other_seen, other_outcome, other_later) in calls.items():
        if seen[-1:] != other_seen[-1:]:
            raise AssertionError(
                f"{function} saw different arguments:\n  {reference_name}: {seen[-1:]}\n  {name}: {other_seen[-1:]}"
            )
        if outcome != other_outcome and not (later != other_later and outcome.status >= 500):
            raise AssertionError(
                f"{function} came to different ends:\n  {reference_name}: {outcome}\n  {name}: {other_outcome}"
            )
        if other_later and not later:
            reference_name, seen, outcome, later = name, other_seen, other_outcome, other_later


def _is_data(value: Any) -> bool:
    try:
        encode_input({"value": value})
    except TypeError:
        return False
    return True
