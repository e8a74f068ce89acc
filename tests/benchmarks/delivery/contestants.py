"""Who is compared at delivery: what their processes need, what executes, and how stored results are counted."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from funcatron.store.sqlite import SQLiteStore
from tests.benchmarks.delivery.brokers import Broker
from tests.benchmarks.delivery.noop import BROKER, MARKS, RESULTS, marks_written
from tests.benchmarks.delivery.submit import DOCUMENT
from tests.benchmarks.processes import python

__all__ = ["ACCEPT", "EXECUTE", "START", "CeleryOnRabbitMQ", "CeleryOnRedis", "Contestant", "Embedded", "OnRabbitMQ"]

ACCEPT, EXECUTE, START = "accept", "execute", "start"


class Contestant(Protocol):
    """One way to deliver. ``cases`` are those it takes part in; ``ways`` names how it is submitted to
    (``submit.WAYS``) and what that is called: the first one is used to fill its queue, the last one at an even pace;
    ``worker`` is the command of one worker, ``broker`` the process id of its broker, 0 if there is none.
    """

    title: str
    cases: Sequence[str]
    ways: Mapping[str, str]
    worker: Sequence[str]
    broker: int

    def begin(self, folder: Path) -> dict[str, str]:
        """Empty queue and results; return the environment for submitting and working, what runs is noted in
        ``folder``.
        """

    def results(self, folder: Path) -> int:
        """Return how many results of successful runs are stored; where none are, how many runs there were."""


class Embedded:
    """funcatron as it comes: record, message and result in one SQLite file, one solo worker under its supervisor."""

    title = "funcatron, SQLite"
    cases: Sequence[str] = (ACCEPT, EXECUTE, START)
    ways: Mapping[str, str] = {"funcatron": title}
    worker: Sequence[str] = python("funcatron.cli", "worker", str(DOCUMENT))
    broker = 0

    def begin(self, folder: Path) -> dict[str, str]:
        """Name a data folder that does not exist yet."""
        return {
            "FUNCATRON_DATA_DIR": str(folder / "data"),
            "FUNCATRON_LOG_LEVEL": "warning",
            MARKS: str(folder / "marks"),
        }

    def results(self, folder: Path) -> int:
        """Count the records that say succeeded."""
        store = SQLiteStore(f"sqlite:///{folder / 'data' / 'funcatron.db'}")
        try:
            return store.counts().get("succeeded", 0)
        finally:
            store.close()


class OnRabbitMQ(Embedded):
    """funcatron with RabbitMQ: the record in a SQLite file, then the message in a quorum queue, confirmed."""

    title = "funcatron, RabbitMQ"
    cases = (ACCEPT,)
    ways: Mapping[str, str] = {"funcatron": title}

    def __init__(self, server: Broker) -> None:
        self._server = server
        self.broker = server.pid

    def begin(self, folder: Path) -> dict[str, str]:
        """Delete its queues."""
        self._server.delete("funcatron", "funcatron.executions", "funcatron.dead")
        return {**super().begin(folder), "FUNCATRON_BROKER": self._server.url}


class _Celery:
    """What is the same for Celery on every broker."""

    def __init__(self, server: Broker, name: str, pool: str, concurrency: int) -> None:
        self.server = server
        self.broker = server.pid
        self.title = f"Celery, {name}, " + (pool if concurrency == 1 else f"{pool} {concurrency}")
        self.cases: Sequence[str] = (ACCEPT, EXECUTE, START) if pool == "solo" else (EXECUTE, START)
        self.ways: Mapping[str, str] = {
            "celery-thread": f"Celery, {name}, to_thread(apply_async)",
            "celery-direct": f"Celery, {name}, apply_async",
        }
        self.worker: Sequence[str] = [
            *(sys.executable, "-m", "celery", "-A", "tests.benchmarks.delivery.celery_app", "worker"),
            *("--pool", pool, "--concurrency", str(concurrency), "--loglevel", "WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]


class CeleryOnRedis(_Celery):
    """Celery with Redis as broker and result backend."""

    def __init__(self, server: Broker, pool: str, concurrency: int) -> None:
        super().__init__(server, "Redis", pool, concurrency)

    def begin(self, folder: Path) -> dict[str, str]:
        """Empty the server."""
        self.server.redis().flushall()
        return {BROKER: self.server.url, RESULTS: self.server.url, MARKS: str(folder / "marks")}

    def results(self, folder: Path) -> int:
        """Count the results that say success."""
        client = self.server.redis()
        keys = list(client.scan_iter("celery-task-meta-*", count=1000))
        return sum(b'"status": "SUCCESS"' in value for value in client.mget(keys) if value) if keys else 0


class CeleryOnRabbitMQ(_Celery):
    """Celery with RabbitMQ, a durable queue and confirms; results are ignored."""

    def __init__(self, server: Broker, pool: str, concurrency: int) -> None:
        super().__init__(server, "RabbitMQ", pool, concurrency)

    def begin(self, folder: Path) -> dict[str, str]:
        """Delete its queue."""
        self.server.delete("celery")
        return {BROKER: self.server.url, MARKS: str(folder / "marks")}

    def results(self, folder: Path) -> int:
        """Count the runs."""
        return marks_written(folder / "marks")
