"""The trigger of the kind ``queue``: messages of any producer become events.

Each trigger has a connection and a thread of its own. A message is acknowledged after its event is durable; while it
cannot be stored the message is kept and tried again. What is no event goes to ``<queue>.dead`` with the reason in its
headers.

A message with a ``message_id`` (AMQP), or on the embedded broker, has an identity: delivered twice it is one event.
One without can become two events if this process dies between storing it and acknowledging it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from typing import Any

from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.messaging import Consumer

from funcatron.draining import HEARTBEAT, Heartbeat, drain
from funcatron.errors import Problem, Unavailable
from funcatron.event import STRUCTURED, CloudEvent
from funcatron.ports import Channel, Form, Publish
from funcatron.settings import Settings
from funcatron_celery.broker import connect
from funcatron_celery.dead import DeadLetters
from funcatron_celery.declare import declare_if_missing
from funcatron_celery.durability import unknown_kind
from funcatron_celery.examine import Refusal
from funcatron_celery.frames import UNREADABLE
from funcatron_celery.inflate import limit_inflation
from funcatron_celery.messages import to_event
from funcatron_celery.topology import is_amqp

__all__ = ["QueueTrigger"]

logger = logging.getLogger("funcatron.queue")

PREFETCH = 64
PUBLISHERS = 16
"""Threads that wait for messages to be stored: their commits are shared."""
LONGEST_PAUSE = 30.0


class QueueTrigger:
    """``queue: {name: orders, exchange: orders, routing_key: "order.#"}``, by default at the workers' broker."""

    kind = "queue"

    def __init__(self, *, function: str, settings: Mapping[str, Any], config: Settings) -> None:
        self._function = function
        self._name = str(settings["name"])
        self._exchange: str | None = settings.get("exchange") or None
        self._routing_key = str(settings.get("routing_key", self._name))
        self._exchange_type = str(settings.get("exchange_type", "topic"))
        self._durable = bool(settings.get("durable", True))
        self._url: str = settings.get("url") or config.broker_url
        self._largest = 4 * config.max_message
        limit_inflation(self._largest)
        self._dead = DeadLetters(self._url)
        self._heartbeat = Heartbeat()
        self._told = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """See funcatron.ports.Trigger."""
        url = settings.get("url")
        if url is None:
            return []
        if "://" not in str(url):
            return [f"url is {url!r}; it must be a broker's URL such as amqp://localhost"]
        wrong = unknown_kind(str(url))
        return [f"url is {wrong}"] if wrong is not None else []

    def describe(self) -> str:
        """See funcatron.ports.Trigger."""
        bound = f" bound to {self._exchange} ({self._exchange_type}) with {self._routing_key}" if self._exchange else ""
        return f"queue {self._name}{bound}"

    def channel(self) -> Channel:
        """See funcatron.ports.Described."""
        lasts = {"durable": self._durable, "autoDelete": False}
        amqp: dict[str, Any] = {"is": "queue", "queue": {"name": self._name, "exclusive": False, **lasts}}
        if self._exchange is not None:
            amqp = {"is": "routingKey", "exchange": {"name": self._exchange, "type": self._exchange_type, **lasts}}
        return Channel(
            address=self._routing_key if self._exchange is not None else self._name,
            url=self._url,
            forms=[
                Form(name="data", content_type="application/json"),
                Form(name="event", content_type=STRUCTURED, attributes={}),
            ],
            bindings={"amqp": amqp} if is_amqp(self._url) else {},
            operation={"amqp": {"ack": True}} if is_amqp(self._url) else {},
            description=f"Taken from the queue {self._name}",
        )

    def simulate(self, facts: Mapping[str, Any]) -> CloudEvent | None:
        """See funcatron.ports.Simulated: a message on this trigger's queue."""
        if facts.get("queue") != self._name:
            return None
        return to_event(
            self._name, facts["body"], facts.get("headers"), facts.get("content_type"), facts.get("message_id")
        )

    def start(self, publish: Publish) -> None:
        """See funcatron.ports.Trigger."""
        self._thread = threading.Thread(target=self._run, args=(publish,), name=f"queue-{self._name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """See funcatron.ports.Trigger."""
        self._told.set()
        if self._thread is not None:
            self._thread.join()
        self._dead.close()

    def _queue(self) -> Queue:
        if self._exchange is None:
            return Queue(self._name, Exchange(""), routing_key=self._name, durable=self._durable)
        exchange = Exchange(self._exchange, type=self._exchange_type, durable=self._durable)
        return Queue(self._name, exchange, routing_key=self._routing_key, durable=self._durable)

    def _run(self, publish: Publish) -> None:
        pause = 0.5
        while not self._told.is_set():
            began = time.monotonic()
            try:
                self._listen(publish)
            except Exception as error:  # the thread's boundary: whatever the broker or its driver raises, go on
                logger.warning("queue %s: %s: %s", self._name, type(error).__name__, error)
                logger.debug("queue %s", self._name, exc_info=error)
            pause = 0.5 if time.monotonic() - began > LONGEST_PAUSE else min(LONGEST_PAUSE, pause * 2)
            self._told.wait(pause)

    def _listen(self, publish: Publish) -> None:
        with connect(self._url, heartbeat=HEARTBEAT) as connection, ThreadPoolExecutor(PUBLISHERS) as publishers:
            queue = self._queue()
            declare_if_missing(connection, queue)
            channel = connection.channel()
            batch: list[Any] = []
            consumer = Consumer(
                channel,
                [queue(channel)],
                on_message=batch.append,
                prefetch_count=PREFETCH,
                auto_declare=False,
                on_decode_error=self._undecodable,
            )
            with consumer:
                while not self._told.is_set():
                    self._heartbeat.check(connection)
                    drain(connection, batch, PREFETCH)
                    self._take(connection, batch, publish, publishers)
                    batch.clear()

    def _take(self, connection: Connection, batch: Sequence[Any], publish: Publish, publishers: Executor) -> None:
        """Publish all messages of a batch side by side, then settle them one by one, in this thread."""
        stored = [(message, publishers.submit(self._store, message, publish)) for message in batch]
        for message, outcome in stored:
            while not wait([outcome], self._heartbeat.interval).done:
                self._heartbeat.check(connection)
            refusal = outcome.exception()
            if isinstance(refusal, Problem):
                self._refuse(message, refusal)
            elif refusal is not None or not outcome.result():
                message.reject(requeue=True)
                self._told.wait(0.0 if refusal is None else 1.0)
            else:
                message.ack()

    def _identity(self, message: Any) -> str | None:
        """Return what tells this message from any other, also when it is delivered again."""
        given = (message.properties or {}).get("message_id")
        if given:
            return str(given)
        return None if is_amqp(self._url) else str(message.delivery_tag)

    def _store(self, message: Any, publish: Publish) -> bool:
        """Publish until it is durable; False where this trigger ends before. Raises Problem for what is no event."""
        if (unreadable := (message.headers or {}).get(UNREADABLE)) is not None:
            raise Problem(400, detail=f"the message cannot be read: {unreadable}")
        if len(message.body) > self._largest:
            raise Problem(413, detail=f"the body is {len(message.body)} bytes; at most {self._largest} are taken")
        event = to_event(self._name, message.body, message.headers, message.content_type, self._identity(message))
        pause = 0.2
        while True:
            try:
                publish(event)
            except Unavailable as error:
                logger.warning("queue %s: a message is not stored yet: %s", self._name, error)
            except Problem:
                raise
            except Exception:  # the thread's boundary: the message goes back, the trigger goes on
                logger.exception("queue %s: a message could not be published", self._name)
                raise
            else:
                return True
            if self._told.wait(pause):
                return False
            pause = min(LONGEST_PAUSE, pause * 2)

    def _refuse(self, message: Any, problem: Problem) -> None:
        detail = problem.detail or problem.title
        logger.warning("queue %s: a message is refused: %s", self._name, detail)
        reason = "too-large" if problem.status == 413 else "malformed"
        try:
            self._dead.put(self._name, message, Refusal(reason=reason, detail=detail))
        except Unavailable as error:
            logger.error("queue %s: %s; it goes back", self._name, error)
            self._told.wait(1.0)
            message.reject(requeue=True)
        else:
            message.ack()

    def _undecodable(self, message: Any, error: BaseException) -> None:
        self._refuse(message, Problem(400, detail=f"the message cannot be unpacked: {error}"))
