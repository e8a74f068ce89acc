"""One trial: an application on one broker, honest clients, and SIGKILL for whoever works."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from funcatron import plugins
from funcatron.errors import Unavailable
from funcatron.execution import Execution
from funcatron.ports import ExecutionQuery, ExecutionStore
from tests.integration.chaos.brokers import Broker
from tests.integration.chaos.clients import Clients
from tests.integration.chaos.kills import Kills, PreforkWorker, supervised
from tests.integration.chaos.verdict import Verdict, judge
from tests.integration.running import Program, running

__all__ = ["LARGE", "SMALL", "Effort", "run_trial"]

CONTRACT = Path(__file__).parent / "contract"
PATIENCE = 120.0
"""Seconds without any progress after which what has not ended is stuck."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is done: calls, how many of them a second, seconds between kills, kills of the broker."""

    calls: int
    rate: float
    kill_every: float = 1.3
    broker_kills: int


SMALL = Effort(calls=900, rate=120, broker_kills=1)
LARGE = Effort(calls=10_000, rate=100, broker_kills=2)


def run_trial(broker: Broker, effort: Effort, folder: Path, port: int, tell: Tell) -> Verdict:
    """Run one trial in ``folder`` and return what came of it; ``tell`` is given each change of what there is."""
    for file in CONTRACT.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    (folder / "effects").mkdir()
    with ExitStack() as stack:
        tell(f"{broker.name}: starting")
        stack.callback(broker.stop)
        broker.start(folder)
        settings = {
            "FUNCATRON_BROKER": broker.url,
            "FUNCATRON_STORE": broker.store,
            "FUNCATRON_SPEC": "openapi.yaml",
        }
        program = stack.enter_context(application(broker, folder, port, settings))
        prefork = PreforkWorker(folder, settings) if broker.prefork else None
        if prefork is not None:
            stack.callback(prefork.stop)
        store: ExecutionStore = plugins.load("funcatron.stores", broker.store.partition(":")[0])(broker.store)
        stack.callback(store.close)
        trial = _Trial(broker, effort, program, prefork, store, tell)
        began = time.monotonic()
        accepted = trial.run()
        seconds = time.monotonic() - began
        return judge(broker.name, folder, accepted, trial.records(), kills=trial.kills(), seconds=seconds)


@contextmanager
def application(broker: Broker, folder: Path, port: int, settings: dict[str, str]) -> Iterator[Program]:
    """Run it: with two workers of our own, or one where Celery's prefork pool works beside it."""
    workers = ("--workers", "1" if broker.prefork else "2", "--log-level", "debug")
    with running("run", "openapi.yaml", *workers, folder=folder, port=port, extra=settings) as program:
        yield program


class _Trial:
    def __init__(
        self, broker: Broker, effort: Effort, program: Program, prefork: PreforkWorker | None, store: ExecutionStore,
        tell: Tell,
    ) -> None:  # fmt: skip
        self._broker = broker
        self._effort = effort
        self._store = store
        self._tell = tell
        self._clients = Clients(broker, program.port, calls=effort.calls, rate=effort.rate)
        self._kills = Kills(_victims(program, prefork), every=effort.kill_every)
        self._strikes: Counter[str] = Counter()

    def run(self) -> dict[int, str]:
        """Return what was accepted, once all of it has ended or nothing ends any more."""
        striking = threading.Thread(target=self._strike, daemon=True)
        self._clients.start()
        self._kills.start()
        striking.start()
        try:
            self._wait()
        finally:
            self._kills.stop()
            self._clients.stop()
            striking.join()
        if self._clients.errors:
            raise self._clients.errors[0]
        return self._clients.accepted

    def kills(self) -> Counter[str]:
        """Return how often who was killed."""
        return self._kills.count + self._strikes

    def records(self) -> Iterator[Execution]:
        """Yield every record."""
        marker: str | None = None
        while True:
            page, marker = self._store.list(ExecutionQuery(limit=1000, marker=marker))
            yield from page
            if marker is None:
                return

    def _counts(self) -> Mapping[str, int]:
        while True:
            try:
                return self._store.counts()
            except Unavailable:  # it was struck
                time.sleep(0.1)

    def _strike(self) -> None:
        """Kill the broker when so many calls are accepted; what is left of the time goes on without."""
        if self._broker.settles:
            time.sleep(self._broker.settles)
            for number in range(self._effort.broker_kills):
                share = self._effort.calls * (number + 1) / (self._effort.broker_kills + 1)
                while len(self._clients.accepted) < share and not self._clients.done:
                    time.sleep(0.05)
                self._broker.strike()
                self._strikes["broker"] += 1

    def _wait(self) -> None:
        last, since = -1, time.monotonic()
        while True:
            counts = self._counts()
            ended = sum(counts.get(state, 0) for state in ("succeeded", "failed", "cancelled", "expired"))
            accepted = len(self._clients.accepted)
            self._tell(f"{self._broker.name}: {accepted} accepted, {ended} ended, {self.kills().total()} killed")
            if self._clients.errors or (self._clients.done and ended >= self._effort.calls):
                return
            if ended + accepted != last:
                last, since = ended + accepted, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                return
            time.sleep(0.1)


def _victims(program: Program, prefork: PreforkWorker | None) -> list[tuple[str, Callable[[], int | None]]]:
    """Return who is killed in turn."""
    worker = ("worker", lambda: supervised(program, "worker"))
    others: list[tuple[str, Callable[[], int | None]]] = [
        ("http", lambda: supervised(program, "http")),
        ("triggers", lambda: supervised(program, "triggers")),
    ]
    if prefork is None:
        return [worker, worker, worker, others[0], worker, worker, worker, others[1]]
    child = ("prefork child", prefork.child)
    main = ("prefork worker", lambda: prefork.pid)
    return [worker, child, main, child, others[0], child, worker, child, main, others[1]]
