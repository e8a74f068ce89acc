"""A test bench: an application with all its doors in this process, on a clock that stands still.

Nothing listens, nothing is written to disk, and nothing runs by itself: what a client gives to a door that answers
later waits until ``run`` or ``advance``. The code between the doors and the handlers is that of production.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec

from funcatron.app import Funcatron, Source
from funcatron.execution import WAITING, Execution, LogLine
from funcatron.ports import ExecutionQuery, Middleware, Timed
from funcatron.registry import Handlers
from funcatron.settings import load_settings
from funcatron.store.memory import MemoryStore
from funcatron.testing.clients import CeleryClient, EventClient, ObjectClient, QueueClient
from funcatron.testing.clock import START, VirtualClock
from funcatron.testing.inline import InlineDispatcher
from funcatron.testing.loop import LoopThread, LoopTransport
from funcatron.testing.replay import Replayed, read_recorded, replay
from funcatron.testing.webhooks import WebhookClient, with_secrets
from funcatron.triggers import BoundTrigger

__all__ = ["Bench"]

BASE_URL = "http://test"
ALL = 1_000_000


class Bench:
    """An application under test, and a client for each of its doors.

    ``specs`` are documents, or one Funcatron: its documents, handlers, services and middleware are used, its settings
    but for those given here, nothing else of it. ``services`` are registered, those of the same names replaced;
    ``openstack`` is what handlers find as ``context.openstack``. ``settings`` are those of funcatron.settings; the
    environment is not read. Use it in a ``with`` statement, or close it.

    ``http`` and ``later`` are httpx clients, the second one of calls that are to be answered later (``Prefer:
    respond-async``); ``celery``, ``queue``, ``events`` and ``swift`` see ``funcatron.testing.clients``, ``webhooks``
    ``funcatron.testing.webhooks``: secrets of webhooks that ``settings`` do not give have stand-ins.
    """

    def __init__(
        self,
        *specs: Source | Funcatron,
        handlers: Handlers | None = None,
        overlays: Sequence[Source] = (),
        middleware: Sequence[Middleware] = (),
        services: Mapping[str, Callable[..., Any]] | None = None,
        openstack: Any = None,
        start: datetime = START,
        **settings: Any,
    ) -> None:
        self.clock = VirtualClock(start)
        self.store = MemoryStore(clock=self.clock)
        self.dispatcher = InlineDispatcher(self.store, self.clock)
        made = _application(specs, handlers, overlays, middleware, settings)
        self.app = made.standing_in(
            store=self.store,
            dispatcher=self.dispatcher,
            clock=self.clock,
            settings=with_secrets(made),
            clouds=None if openstack is None else lambda extension: lambda invocation: openstack,
        )
        for name, factory in (services or {}).items():
            self.app.services.register(name, factory)
        self._loop = LoopThread()
        transport = LoopTransport(self._loop, self.app)
        self.http = httpx.Client(transport=transport, base_url=BASE_URL)
        self.later = httpx.Client(transport=transport, base_url=BASE_URL, headers={"Prefer": "respond-async"})
        self.celery = CeleryClient(self)
        self.queue = QueueClient(self)
        self.events = EventClient(self)
        self.swift = ObjectClient(self)
        self.webhooks = WebhookClient(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what runs, and the thread that it runs in."""
        self.http.close()
        self.later.close()
        self._loop.close()
        self.app.close()

    @property
    def operator(self) -> Mapping[str, str]:
        """The headers that open the control API."""
        token = self.app.settings.control_token
        return {} if token is None else {"Authorization": f"Bearer {token}"}

    def call(self, function: str, /, **arguments: Any) -> Any:
        """Call a function now, as ``Funcatron.invoke`` does: arguments by name, the body as ``body``; its Result."""
        return self._loop.run(self.app.invoke(function, arguments))

    def replay(self, path: str | Path, *, door: str | None = None) -> list[Replayed]:
        """Run what a file has recorded again; see ``funcatron.testing.replay``."""
        replayed: list[Replayed] = []
        for recorded in read_recorded(path):
            replayed += self._loop.run(replay(self.app, recorded, door=door))
        return replayed

    # Time

    def run(self) -> list[Execution]:
        """Run what is due, until nothing is; return the record after each attempt, in order."""
        return self._loop.run(self.dispatcher.run_due(self.app))

    def advance(
        self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0
    ) -> list[Execution]:
        """Let time pass, and run what becomes due on the way when it does: ticks of schedules, retries, what was not to
        be started before, what was not wanted any more. Returns the record after each attempt, in order.
        """
        end = self.clock.time() + timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days).total_seconds()
        ran = self.run()
        while True:
            ticks = self._ticks()
            moments = [tick.timestamp() for tick, _ in ticks] + self._moments()
            moment = min((one for one in moments if one <= end), default=end)
            self.clock.advance(max(0.0, moment - self.clock.time()))
            for tick, bound in ticks:
                if isinstance(bound.trigger, Timed) and tick.timestamp() <= moment:
                    event, kind = bound.trigger.to_event(tick), bound.kind
                    self.app.publish(event, function=bound.function.name, trigger=kind, mapping=bound.mapping)
            ran += self.run()
            if self.clock.time() >= end:
                return ran

    def _ticks(self) -> list[tuple[datetime, BoundTrigger]]:
        """Return the next tick of each schedule."""
        now = self.clock.now()
        return [(one.trigger.next_after(now), one) for one in self.app.triggers if isinstance(one.trigger, Timed)]

    def _moments(self) -> list[float]:
        """Return when what waits is due, or is wanted no more."""
        now = self.clock.time()
        waiting = [one for one in self.executions() if one.state in WAITING]
        times = [time for one in waiting for time in (one.due_at, one.expires_at)]
        return [time for time in times if time is not None and time > now]

    def moment(self) -> str:
        """Return the time as Swift writes X-Timestamp; no two calls return the same."""
        self._drawn = getattr(self, "_drawn", 0) + 1
        return f"{self.clock.time() + self._drawn / 100_000:.5f}"

    # Records

    def executions(self, **wanted: Any) -> list[Execution]:
        """Return the records, the oldest first; ``wanted`` is as in ExecutionQuery: ``function``, ``state``..."""
        page, _ = self.store.list(ExecutionQuery(**{"limit": ALL, **wanted}))
        return page[::-1]

    def execution(self, of: str | Execution | httpx.Response) -> Execution:
        """Return the record of an id, of an execution as it is now, or of a 202's answer; raises LookupError."""
        execution_id = of if isinstance(of, str) else of.id if isinstance(of, Execution) else of.json()["id"]
        found = self.store.get(execution_id)
        if found is None:
            raise LookupError(f"there is no execution {execution_id}")
        return found

    def result(self, of: str | Execution | httpx.Response) -> httpx.Response:
        """Return what a client is answered that asks for the result: 202 while it has not ended."""
        path = f"/_funcatron/executions/{self.execution(of).id}/result"
        return self.http.get(path, headers=self.operator)

    def logs(self, of: str | Execution | httpx.Response) -> Sequence[LogLine]:
        """Return what was logged by an execution."""
        return self.store.logs(self.execution(of).id)


def _application(
    specs: Sequence[Source | Funcatron],
    handlers: Handlers | None,
    overlays: Sequence[Source],
    middleware: Sequence[Middleware],
    settings: dict[str, Any],
) -> Funcatron:
    given = {"data_dir": str(Path(tempfile.gettempdir()) / "funcatron-testing"), **settings}
    if specs and isinstance(specs[0], Funcatron):
        if len(specs) > 1 or handlers is not None or overlays or middleware:
            raise TypeError("a Funcatron stands alone: it has its own documents, handlers and middleware")
        made = load_settings(given, environ={})
        made = msgspec.structs.replace(specs[0].settings, **{name: getattr(made, name) for name in given})
        return specs[0].standing_in(store=MemoryStore(), dispatcher=InlineDispatcher(MemoryStore()), settings=made)
    sources = [spec for spec in specs if not isinstance(spec, Funcatron)]
    read = load_settings(given, environ={})
    return Funcatron(*sources, handlers=handlers, overlays=overlays, middleware=middleware, settings=read)
