"""Who is compared at delivery: what their processes need, what executes, and how stored results are counted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from funcatron.store.sqlite import SQLiteStore
from tests.benchmarks.delivery.noop import MARKS
from tests.benchmarks.delivery.redis_server import REDIS, Redis
from tests.benchmarks.delivery.submit import DOCUMENT
from tests.benchmarks.processes import python

__all__ = ["CeleryOnRedis", "Contestant", "Embedded"]


class Contestant(Protocol):
    """One way to deliver. ``ways`` names how it is submitted to (``submit.WAYS``), the first one is used to fill its
    queue; ``worker`` is the command of one worker, ``broker`` the process id of its broker, 0 if there is none.
    """

    title: str
    ways: Sequence[str]
    worker: Sequence[str]
    broker: int

    def begin(self, folder: Path) -> dict[str, str]:
        """Empty queue and results; return the environment for submitting and working, what runs is noted in
        ``folder``.
        """

    def results(self, folder: Path) -> int:
        """Return how many results of successful runs are stored."""


class Embedded:
    """funcatron as it comes: record, message and result in one SQLite file, one solo worker under its supervisor."""

    title = "funcatron, SQLite"
    ways: Sequence[str] = ("funcatron",)
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


class CeleryOnRedis:
    """Celery with Redis as broker and result backend."""

    ways: Sequence[str] = ("celery-thread", "celery-direct")

    def __init__(self, redis: Redis, pool: str, concurrency: int) -> None:
        self._redis = redis
        self.broker = redis.pid
        self.title = "Celery, Redis, " + (pool if concurrency == 1 else f"{pool} {concurrency}")
        self.worker: Sequence[str] = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "tests.benchmarks.delivery.celery_app",
            "worker",
            "--pool",
            pool,
            "--concurrency",
            str(concurrency),
            "--loglevel",
            "WARNING",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]

    def begin(self, folder: Path) -> dict[str, str]:
        """Empty the server."""
        self._redis.client().flushall()
        return {REDIS: self._redis.url, MARKS: str(folder / "marks")}

    def results(self, folder: Path) -> int:
        """Count the results that say success."""
        client = self._redis.client()
        keys = list(client.scan_iter("celery-task-meta-*", count=1000))
        return sum(b'"status": "SUCCESS"' in value for value in client.mget(keys) if value) if keys else 0
