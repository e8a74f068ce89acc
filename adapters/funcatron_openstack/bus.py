"""Notifications from a message bus: a bounded queue of our own, bound to the exchange that others publish to.

The queue outlives us and the broker, so what comes meanwhile is kept, as far as it is bounded; what is lost beyond that
the reconciling look finds. A message is acknowledged after its events are on record.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.messaging import Consumer

from funcatron.draining import HEARTBEAT, Heartbeat, drain

__all__ = ["PREFIX", "Bus", "Subscription"]

logger = logging.getLogger("funcatron.swift")

PREFIX = "funcatron.swift."
"""What the names of our queues begin with, so that a broker's operator can permit them."""
PREFETCH = 256
LONGEST_PAUSE = 15.0
MOST_KEPT = 100_000
"""Messages that are kept while nobody listens; then the oldest go first."""
KEPT_FOR = 7 * 86_400_000
"""Milliseconds after which the broker deletes a queue that nobody listens to."""
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where notifications are: the broker's URL, the exchange, the routing key; ``queue`` is ours, None for one that is
    gone with its connection.
    """

    url: str
    exchange: str
    routing_key: str
    queue: str | None


class Bus:
    """Reads one subscription in the thread that calls ``run``, until ``told``.

    ``take`` is given the bodies of messages; it returns whether they are done with, and may take its time.
    """

    def __init__(
        self, subscription: Subscription, take: Callable[[Sequence[bytes | str]], bool], told: threading.Event
    ) -> None:
        self._subscription = subscription
        self._take = take
        self._told = told
        self._heartbeat = Heartbeat()

    def run(self) -> None:
        """Listen; connect again, with growing pauses, whenever the broker goes away."""
        pause, lost = 0.25, False
        while not self._told.is_set():
            began = time.monotonic()
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001 - the thread's boundary: whatever the broker's driver raises, go on
                (logger.debug if lost else logger.warning)(
                    "notifications are out of reach, connecting again: %s: %s", type(error).__name__, error
                )
                lost = True
            if time.monotonic() - began > LONGEST_PAUSE:
                pause, lost = 0.25, False
            self._told.wait(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def _listen(self) -> None:
        with (
            Connection(self._subscription.url, connect_timeout=5.0, heartbeat=HEARTBEAT) as connection,
            ThreadPoolExecutor(1, thread_name_prefix="swift-take") as beside,
        ):
            queue = self._declared(connection)
            batch: list[Any] = []
            consumer = Consumer(
                queue.channel, [queue], on_message=batch.append, prefetch_count=PREFETCH, auto_declare=False
            )
            logger.info("listening to %s for notifications of Swift", self._subscription.exchange)
            with consumer:
                while not self._told.is_set():
                    self._heartbeat.check(connection)
                    drain(connection, batch, PREFETCH)
                    if batch:
                        taken = beside.submit(self._take, [message.body for message in batch])
                        while not wait([taken], self._heartbeat.interval).done:
                            self._heartbeat.check(connection)
                        if taken.result():
                            batch[-1].ack(multiple=True)
                        batch.clear()

    def _declared(self, connection: Connection) -> Any:
        """Declare and bind the queue; the exchange is taken as it is, or made as oslo.messaging makes it."""
        given = self._subscription
        exchange = Exchange(given.exchange, type="topic", durable=False)
        try:
            with connection.channel() as channel:
                exchange(channel).declare(passive=True)
        except connection.channel_errors as error:
            if getattr(error, "reply_code", None) != NOT_FOUND:
                raise
            with connection.channel() as channel:
                exchange(channel).declare()
        kept = {"x-max-length": MOST_KEPT, "x-expires": KEPT_FOR}
        passing = f"{PREFIX}{uuid4().hex}"  # a name of the broker's own is beyond what our user need be permitted
        own = (
            Queue(passing, exchange, routing_key=given.routing_key, exclusive=True, auto_delete=True, durable=False)
            if given.queue is None
            else Queue(given.queue, exchange, routing_key=given.routing_key, durable=True, queue_arguments=kept)
        )
        queue = own(connection.channel())
        queue.queue_declare()
        queue.queue_bind()
        return queue
