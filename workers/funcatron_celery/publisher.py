"""CeleryDispatcher: store first, then publish, then answer; in batches, from one thread per process.

Embedded (record and queue in one SQLite file), record and message are one transaction. With any other broker the
record is committed first and the message published after it. From the moment the record is committed the execution
is accepted: if its message cannot be published or confirmed, the sweep publishes it, so the caller is answered with
success all the same. Only a store that cannot take the record refuses (Unavailable).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kombu.messaging import Producer

from funcatron.errors import Unavailable
from funcatron.execution import Execution
from funcatron.ports import ExecutionStore, Message
from funcatron.settings import Settings
from funcatron_celery import envelope
from funcatron_celery.batching import Batching
from funcatron_celery.broker import connect
from funcatron_celery.confirmed import ConfirmedPublisher
from funcatron_celery.durability import check_installed
from funcatron_celery.topology import is_amqp

__all__ = ["CeleryDispatcher"]

logger = logging.getLogger("funcatron.publisher")


class _Publisher(Protocol):
    """Sends messages; returns the ids of those that the broker has for sure."""

    def publish(self, executions: Sequence[Execution]) -> set[str]: ...

    def close(self) -> None: ...


class _Order(NamedTuple):
    """One execution to publish; ``stored`` where its record exists already."""

    execution: Execution
    stored: bool


class CeleryDispatcher:
    """Implements funcatron.ports.Dispatcher with Celery messages; safe to use from threads, loops and after fork.

    Raises MissingExtra where the broker's client is not installed.
    """

    def __init__(self, settings: Settings, store: ExecutionStore) -> None:
        check_installed(settings.broker_url)
        self._store = store
        self._settings = settings
        self._embedded = settings.embedded and store.carries_messages
        if self._embedded:
            store.carry(_message)
        self._publisher: _Publisher | None = None
        self._batching: Batching[_Order, bool] = Batching(
            self._perform, limit=settings.max_queued, name="funcatron-publisher"
        )

    def start(self) -> None:
        """Do nothing: the thread and the connection are made on first use, in the process that uses them."""

    def stop(self) -> None:
        """Publish what was accepted, end the thread, close the connection."""
        self._batching.stop()
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()

    async def dispatch(self, execution: Execution) -> bool:
        """Store and publish; True if new, False if a duplicate; raises Unavailable."""
        return await self._batching.order(_Order(execution, stored=False))

    def submit(self, executions: Sequence[Execution]) -> list[bool]:
        """As ``dispatch``, blocking, for many."""
        return self._batching.order_all([_Order(execution, stored=False) for execution in executions])

    def republish(self, executions: Sequence[Execution]) -> None:
        """Publish executions that are on record already; raises Unavailable if none could be."""
        done = self._batching.order_all([_Order(execution, stored=True) for execution in executions])
        if done and not any(done):
            raise Unavailable("the broker did not take the messages")

    def withdraw(self, execution_id: str) -> None:
        """Do nothing here: the worker that runs a cancelled execution sees it in the store."""

    def _perform(self, orders: list[_Order]) -> list[bool]:
        """Answer for a batch: for new executions whether they are new, for stored ones whether they were published."""
        executions = [order.execution for order in orders if not order.stored]
        again = [order.execution for order in orders if order.stored]
        new = iter(self._accept(executions) if executions else [])
        sent = self._publish_again(again) if again else set()
        return [order.execution.id in sent if order.stored else next(new) for order in orders]

    def _accept(self, executions: list[Execution]) -> list[bool]:
        if self._embedded:
            return self._store.create(executions, [_stored(execution) for execution in executions])
        new = self._store.create(executions)
        now = time.time()
        self._publish([e for e, is_new in zip(executions, new, strict=True) if is_new and (e.due_at or 0.0) <= now])
        return new

    def _publish_again(self, executions: list[Execution]) -> set[str]:
        if not self._embedded:
            return self._publish(executions)
        self._store.published(executions, time.time(), [_message(execution) for execution in executions])
        return {execution.id for execution in executions}

    def _publish(self, executions: list[Execution]) -> set[str]:
        if not executions:
            return set()
        if self._publisher is None:
            self._publisher = _make_publisher(self._settings.broker_url)
        sent = self._publisher.publish(executions)
        try:
            if sent:
                self._store.published([e for e in executions if e.id in sent], time.time())
        except Unavailable as error:  # the sweep publishes them once more, which does no harm
            logger.warning("%d executions were published but not marked so: %s", len(sent), error)
        return sent


def _make_publisher(url: str) -> _Publisher:
    return ConfirmedPublisher(url) if is_amqp(url) else _PlainPublisher(url)


class _PlainPublisher:
    """Publishes through kombu, one by one, to brokers without confirms (Redis, a SQLite file of its own)."""

    def __init__(self, url: str) -> None:
        self._connection = connect(url)

    def publish(self, executions: Sequence[Execution]) -> set[str]:
        sent: set[str] = set()
        try:
            producer = Producer(self._connection.default_channel)
            for execution in executions:
                producer.publish(
                    envelope.BODY,
                    exchange="",
                    routing_key=execution.queue,
                    headers=envelope.headers(execution.function, execution.id),
                    content_type="application/json",
                    content_encoding="utf-8",
                    correlation_id=execution.id,
                )
                sent.add(execution.id)
        except self._connection.connection_errors + self._connection.channel_errors as error:
            logger.warning("publishing to the broker failed, what is on record is published later: %s", error)
            self._connection.collect()
        return sent

    def close(self) -> None:
        self._connection.close()


def _message(execution: Execution) -> Message:
    return Message(execution.queue, envelope.payload(execution))


def _stored(execution: Execution) -> Message:
    return Message(execution.queue, envelope.payload(execution), execution.due_at)
