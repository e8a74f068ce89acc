"""A Redis of our own: on a port of the loopback, with a folder of its own, its log on disk every second."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks.processes import accepts, free_port, started, wait_until

__all__ = ["REDIS", "Redis", "missing", "redis_running"]

REDIS = "BENCHMARK_REDIS"
"""The environment variable that tells Celery's processes the URL."""


@dataclass(frozen=True, slots=True)
class Redis:
    """A running server."""

    url: str
    pid: int

    def client(self) -> Any:
        """Return a client of it."""
        import redis

        return redis.Redis.from_url(self.url)


def missing() -> str | None:
    """Return what Celery with Redis needs and is not here, in words, None if all is."""
    if shutil.which("redis-server") is None:
        return "redis-server is not installed (Debian and Ubuntu: apt install redis-server)"
    if find_spec("redis") is None:
        return "the Python package redis is not installed"
    return None


@contextmanager
def redis_running(folder: Path) -> Iterator[Redis]:
    """Run a server while the context lasts."""
    port = free_port()
    command = [
        "redis-server",
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(folder),
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
    ]
    with started(command, folder=folder) as process:
        wait_until(lambda: accepts(port), "redis-server listens", process)
        yield Redis(f"redis://127.0.0.1:{port}/0", process.pid)
