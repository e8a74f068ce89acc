"""Publishing to RabbitMQ with pipelined confirms: publish a whole batch, then wait for all its confirms together.

kombu waits for the confirm of each message on its own, which costs a round trip each; here a batch costs one.
Source: RabbitMQ, "Publisher Confirms"; AMQP 0-9-1 ``basic.return`` for messages that reach no queue.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import amqp
from kombu.connection import Connection

from funcatron.execution import Execution
from funcatron_celery.broker import connect
from funcatron_celery.declare import declare_if_missing
from funcatron_celery.outgoing import publishing
from funcatron_celery.topology import EXECUTIONS, dead_queue, execution_queue

__all__ = ["ConfirmedPublisher"]

logger = logging.getLogger("funcatron.publisher")

CONFIRM_TIMEOUT = 10.0
LONGEST_PAUSE = 10.0


class ConfirmedPublisher:
    """One connection in confirm mode, for one thread. After a failure it pauses (up to 10 s) before it reconnects."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._channel: Any = None
        self._declared: set[str] = set()
        self._pending: dict[int, str] = {}
        self._confirmed: set[str] = set()
        self._refused: set[str] = set()
        self._sequence = 0
        self._pause = 0.0
        self._closed_until = 0.0

    def publish(self, executions: Sequence[Execution]) -> set[str]:
        """Publish and wait for the confirms; returns the ids the broker has taken; the rest may be there or not."""
        if time.monotonic() < self._closed_until:
            return set()
        for seen in (self._pending, self._confirmed, self._refused):
            seen.clear()
        try:
            self._connect()
            self._declare({execution.queue for execution in executions})
            self._send(executions)
        except self._errors() as error:
            self._lost(error)
        else:
            self._pause = 0.0
        return self._confirmed - self._refused

    def close(self) -> None:
        """Close the connection; the next publish opens another."""
        connection, self._connection, self._channel = self._connection, None, None
        self._declared.clear()
        if connection is not None:
            try:
                connection.close()
            except connection.connection_errors + connection.channel_errors as error:
                logger.debug("closing the broker connection: %s", error)

    def _errors(self) -> tuple[type[BaseException], ...]:
        if self._connection is None:
            return (amqp.AMQPError, OSError)
        return (amqp.AMQPError, OSError, *self._connection.connection_errors, *self._connection.channel_errors)

    def _connect(self) -> None:
        if self._channel is not None:
            return
        self._connection = connect(self._url, options={"confirm_publish": False})
        self._channel = self._connection.connection.channel()
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)
        self._sequence = 0

    def _declare(self, queues: set[str]) -> None:
        assert self._connection is not None
        for name in queues - self._declared:
            declare_if_missing(self._connection, dead_queue(self._url, name))
            declare_if_missing(self._connection, execution_queue(name))
            self._declared.add(name)

    def _send(self, executions: Sequence[Execution]) -> None:
        assert self._connection is not None
        channel = self._channel.channel_id
        frames = [publishing(channel, execution.queue + EXECUTIONS, execution) for execution in executions]
        for execution in executions:
            self._sequence += 1
            self._pending[self._sequence] = execution.id
        transport = self._connection.connection.transport
        with transport.having_timeout(CONFIRM_TIMEOUT):  # a broker in need stops reading
            transport.write(b"".join(frames))
        end = time.monotonic() + CONFIRM_TIMEOUT
        while self._pending:
            self._connection.drain_events(timeout=max(0.001, end - time.monotonic()))

    def _lost(self, error: BaseException) -> None:
        self._pause = min(LONGEST_PAUSE, max(0.1, self._pause * 2))
        self._closed_until = time.monotonic() + self._pause
        logger.warning("publishing to the broker failed, what is on record is published later: %s", error)
        connection, self._connection, self._channel = self._connection, None, None
        self._declared.clear()
        if connection is not None:
            connection.collect(socket_timeout=1.0)  # not closed: nobody may be there to say good-bye to

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._confirmed.update(self._settled(tag, multiple))

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self._refused.update(self._settled(tag, multiple))

    def _on_return(self, error: Any, exchange: str, routing_key: str, message: Any) -> None:
        self._refused.add(message.properties.get("correlation_id", ""))
        self._declared.clear()  # the queue was deleted under us
        logger.warning("the broker has no queue %s: it is declared again", routing_key)

    def _settled(self, tag: int, multiple: bool) -> list[str]:
        tags = [each for each in self._pending if each <= tag] if multiple else [tag]
        return [self._pending.pop(each) for each in tags if each in self._pending]
