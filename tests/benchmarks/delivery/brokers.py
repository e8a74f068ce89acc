"""Brokers of our own: on ports of the loopback, in folders of their own, each as safe as one process can be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks.processes import BenchmarkError, accepts, free_port, started, wait_until
from tests.services import SERVER, RabbitMQ

__all__ = ["Broker", "rabbitmq_missing", "rabbitmq_running", "redis_missing", "redis_running"]


@dataclass(frozen=True, slots=True)
class Broker:
    """A running server."""

    url: str
    pid: int

    def redis(self) -> Any:
        """Return a client of a Redis."""
        import redis

        return redis.Redis.from_url(self.url)

    def delete(self, *queues: str) -> None:
        """Delete queues of a RabbitMQ, those there are."""
        from kombu import Connection

        with Connection(self.url) as connection:
            for queue in queues:
                connection.default_channel.queue_delete(queue)


def redis_missing() -> str | None:
    """Return what Celery with Redis needs and is not here, in words, None if all is."""
    if shutil.which("redis-server") is None:
        return "redis-server is not installed (Debian and Ubuntu: apt install redis-server)"
    if find_spec("redis") is None:
        return "the Python package redis is not installed"
    return None


def rabbitmq_missing() -> str | None:
    """Return what RabbitMQ needs and is not here, in words, None if all is."""
    if not SERVER.exists():
        return "rabbitmq-server is not installed (Debian and Ubuntu: apt install rabbitmq-server)"
    return None


@contextmanager
def redis_running(folder: Path) -> Iterator[Broker]:
    """Run a Redis while the context lasts, its log on disk every second."""
    port = free_port()
    options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "yes"}
    command = ["redis-server"]
    for name, value in {**options, "appendfsync": "everysec"}.items():
        command += [f"--{name}", str(value)]
    with started(command, folder=folder) as process:
        wait_until(lambda: accepts(port), "redis-server listens", process)
        yield Broker(f"redis://127.0.0.1:{port}/0", process.pid)


@contextmanager
def rabbitmq_running(folder: Path) -> Iterator[Broker]:
    """Run a RabbitMQ while the context lasts."""
    node = RabbitMQ(folder, free_port(), free_port(), free_port())
    try:
        try:
            node.start()
        except AssertionError as error:
            raise BenchmarkError(str(error)) from None
        yield Broker(node.url, node.pid)
    finally:
        node.stop()
