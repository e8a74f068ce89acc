"""The brokers of the trials: how each is started, prepared, killed, and how a Celery client is told of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from kombu import Connection, Exchange, Queue

import funcatron_celery.broker  # noqa: F401 - makes sqlite:// known to kombu
from tests.services import RabbitMQ, private_postgresql

__all__ = [
    "BROKERS",
    "DOOR",
    "INBOX",
    "Broker",
    "BrokerName",
    "Embedded",
    "Rabbit",
    "RabbitAndPostgreSQL",
    "make_broker",
]

BrokerName: TypeAlias = Literal["embedded", "quorum", "classic", "postgresql"]
BROKERS: tuple[BrokerName, ...] = ("embedded", "quorum", "classic", "postgresql")
DOOR = "counts"
INBOX = "counts-inbox"
KNOWN_TO_DISK = 8.0
"""Seconds after which RabbitMQ 3.10 has on disk what it knows of a new quorum queue; killed before it may lose it."""


class Broker(Protocol):
    """What a trial needs of a broker; ``url`` and ``store``, the records' place, are known once it was started."""

    name: str
    url: str
    store: str
    settles: float
    """Seconds from the first message until it may be killed; 0 where there is nothing to kill."""
    prefork: bool

    def start(self, folder: Path) -> None: ...

    def options(self) -> dict[str, Any]: ...

    def strike(self) -> None: ...

    def stop(self) -> None: ...


class Embedded:
    """The SQLite file."""

    name = "embedded"
    settles = 0.0
    prefork = False

    def start(self, folder: Path) -> None:
        """Do nothing: whoever needs the file makes it."""
        self.url = self.store = f"sqlite:///{folder}/.funcatron/funcatron.db"

    def options(self) -> dict[str, Any]:
        """Return a Celery client's settings."""
        return {"broker_transport": "funcatron_celery.sqlite:Transport"}

    def strike(self) -> None:
        """Do nothing: it is no process."""

    def stop(self) -> None:
        """Do nothing."""


class Rabbit:
    """RabbitMQ, all its queues of one type, whatever funcatron would declare."""

    settles = KNOWN_TO_DISK
    prefork = True

    def __init__(self, name: str, port: Callable[[], int], *, queues: str | None = None) -> None:
        self.name = name
        self._queues = queues or name
        self._port = port
        self._node: RabbitMQ | None = None

    def start(self, folder: Path) -> None:
        """Start a node of its own and declare the queues."""
        (folder / "rabbitmq").mkdir()
        self._node = RabbitMQ(folder / "rabbitmq", self._port(), self._port(), self._port())
        self._node.start()
        self.url = self._node.url
        self.store = f"sqlite:///{folder}/.funcatron/funcatron.db"
        with Connection(self.url) as connection, connection.channel() as channel:
            for name, exchange in ((DOOR, DOOR), (f"{DOOR}.executions", ""), (INBOX, "")):
                made = Queue(name, Exchange(exchange), name, queue_arguments={"x-queue-type": self._queues})
                made(channel).declare()

    def options(self) -> dict[str, Any]:
        """Return a Celery client's settings: it waits for confirms, and declares queues as they are."""
        return {
            "broker_transport_options": {"confirm_publish": True},
            "task_create_missing_queue_type": self._queues,
        }

    def strike(self) -> None:
        """Kill the node as a power cut would, and start it again with what it had on disk."""
        assert self._node is not None
        self._node.kill()
        self._node.start()

    def stop(self) -> None:
        """End the node."""
        if self._node is not None:
            self._node.stop()


class RabbitAndPostgreSQL(Rabbit):
    """RabbitMQ with quorum queues, and the records in PostgreSQL, which is what is killed."""

    settles = 1.0

    def __init__(self, port: Callable[[], int]) -> None:
        super().__init__("postgresql", port, queues="quorum")
        self._stack = ExitStack()

    def start(self, folder: Path) -> None:
        """Start both."""
        super().start(folder)
        self._server = self._stack.enter_context(private_postgresql(self._port(), safe=True))
        self.store = self._server.url

    def strike(self) -> None:
        """Crash the server of the records, and start it again."""
        self._server.kill()
        self._server.start()

    def stop(self) -> None:
        """End both."""
        self._stack.close()
        super().stop()


def make_broker(name: BrokerName, port: Callable[[], int]) -> Broker:
    """Return the broker of this name; ``port`` gives free ports."""
    if name == "postgresql":
        return RabbitAndPostgreSQL(port)
    return Embedded() if name == "embedded" else Rabbit(name, port)
