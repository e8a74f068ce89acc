"""A dispatcher without a broker: what was accepted is run in this process, when it is told to."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import TypeAlias

from funcatron.app import Funcatron
from funcatron.clock import SYSTEM_CLOCK, Clock
from funcatron.execution import Execution
from funcatron.ports import ExecutionStore

__all__ = ["MOST_ATTEMPTS", "InlineDispatcher", "Work"]

MOST_ATTEMPTS = 100
WORKER = "test"

Work: TypeAlias = Callable[[Funcatron], Awaitable[Execution | None]]
"""What a message makes a worker do; returns the record after it, None where there was nothing to do."""


class InlineDispatcher:
    """A Dispatcher (``funcatron.ports``) that runs nothing by itself.

    ``run_due`` runs what is due by ``clock``; ``run_all`` runs everything to its end, retries at once.
    """

    def __init__(self, store: ExecutionStore, clock: Clock = SYSTEM_CLOCK) -> None:
        self._store = store
        self._clock = clock
        self._waiting: deque[Work] = deque()

    def start(self) -> None:
        """See funcatron.ports.Dispatcher."""

    def stop(self) -> None:
        """See funcatron.ports.Dispatcher."""

    async def dispatch(self, execution: Execution) -> bool:
        """See funcatron.ports.Dispatcher."""
        return self.submit([execution])[0]

    def submit(self, executions: Sequence[Execution]) -> list[bool]:
        """See funcatron.ports.Dispatcher."""
        new = self._store.create(executions)
        now = self._clock.time()
        made = [execution for execution, fresh in zip(executions, new, strict=True) if fresh]
        self.republish([execution for execution in made if execution.due_at is None or execution.due_at <= now])
        return new

    def republish(self, executions: Sequence[Execution]) -> None:
        """See funcatron.ports.Dispatcher."""
        self._waiting.extend(_Run(execution.id, execution.function) for execution in executions)

    def withdraw(self, execution_id: str) -> None:
        """See funcatron.ports.Dispatcher."""

    def put(self, work: Work) -> None:
        """Let a worker do this next: what a message that is no execution of ours asks for."""
        self._waiting.append(work)

    async def run_due(self, app: Funcatron) -> list[Execution]:
        """Run attempts until nothing is due; return the record after each, in order."""
        ran: list[Execution] = []
        while True:
            self._store.expire(self._clock.time())
            if not self._waiting:
                self.republish(self._store.due(now=self._clock.time(), stale=-inf, limit=1))
            if not self._waiting:
                return ran
            record = await self._waiting.popleft()(app)
            if record is not None:
                ran.append(record)

    async def run_all(self, app: Funcatron) -> None:
        """Run everything that was accepted, to its end."""
        while self._waiting:
            work = self._waiting.popleft()
            for _ in range(MOST_ATTEMPTS):
                record = await work(app)
                if record is None or record.state != "retrying":
                    break
                work = _Run(record.id, record.function)


class _Run:
    """The work of our own messages."""

    def __init__(self, execution_id: str, function: str) -> None:
        self._execution_id = execution_id
        self._function = function

    async def __call__(self, app: Funcatron) -> Execution | None:
        return await app.runner.run(self._execution_id, self._function, worker=WORKER)
