"""The consumer of our workers: no message may stop a worker, and none may vanish.

It stands in front of Celery's strategy. What ``examine`` refuses, and whatever goes wrong while a message is handed
on, ends in the dead letter queue with its reason and is then acknowledged. Calls with an ``eta`` are put on record
and acknowledged: delays are kept in the store, not in a worker's memory.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from celery import bootsteps
from celery.concurrency.prefork import TaskPool as PreforkPool
from celery.exceptions import ImproperlyConfigured
from celery.worker import consumer, state

from funcatron.errors import Unavailable
from funcatron_celery.dead import DeadLetters, record_refusal
from funcatron_celery.declare import declare_if_missing
from funcatron_celery.envelope import BODY, EMBED, MARK
from funcatron_celery.examine import Call, Refusal, examine, unpackable
from funcatron_celery.frames import UNREADABLE
from funcatron_celery.inflate import limit_inflation
from funcatron_celery.strategy import Strategy
from funcatron_celery.topology import EXECUTIONS, dead_queue, execution_queue, is_amqp

__all__ = ["Consumer"]

logger = logging.getLogger("funcatron.worker")

PAUSE = 1.0
DRAIN = 0.25
"""Seconds that one wait for messages lasts at most, so that a worker without work stops as quickly."""
BURST = 0.005
"""Seconds for which messages follow each other before the worker looks whether there is anything else to do."""


class Consumer(consumer.Consumer):  # type: ignore[misc]
    """Celery's consumer, guarded; found by Celery's setting ``worker_consumer``."""

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[misc]
        """Celery's steps but the delayed-delivery queues, which nothing here uses."""

        default_steps = [
            step for step in consumer.Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")
        ]

    def __init__(
        self,
        on_task_request: Callable[..., Any],
        *args: Any,
        app: Any = None,
        pool: Any = None,
        hub: Any = None,
        worker_options: Any = None,
        **kwargs: Any,
    ) -> None:
        if hub is None:
            if isinstance(pool, PreforkPool):
                raise ImproperlyConfigured(
                    f"the prefork pool cannot be used with {app.connection_for_read().transport.driver_type}://: a "
                    "worker would hang for ever when one of its processes is killed. Use --pool solo (and more "
                    "workers), or RabbitMQ"
                )
            self.loop = wait_for_messages
        quiet = {"without_mingle": True, "without_gossip": True}
        super().__init__(
            on_task_request,
            *args,
            app=app,
            pool=pool,
            hub=hub,
            worker_options={**(worker_options or {}), **quiet},
            **kwargs,
        )
        self._broker_url: str = app.funcatron.settings.broker_url
        self._dead = DeadLetters(self._broker_url)
        self._thread = 0  # that of this consumer's loop
        self._largest = 4 * app.funcatron.settings.max_message
        limit_inflation(self._largest)

    def connect(self) -> Any:
        """Connect and make the queues that are missing; those that exist are taken as they are."""
        connection = super().connect()
        queues = self.app.amqp.queues
        if is_amqp(self._broker_url):
            for name in [name for name in queues.consume_from if not name.endswith(EXECUTIONS)]:
                declare_if_missing(connection, dead_queue(self._broker_url, name))
                if name + EXECUTIONS not in queues.consume_from:  # -Q names the door alone
                    queues.select_add(execution_queue(name))
        for queue in queues.consume_from.values():
            declare_if_missing(connection, queue)
            queue.no_declare = True
        return connection

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return what is called with each message. Called in the thread that consumes."""
        self._thread = threading.get_ident()
        hand_on = super().create_task_handler(*args, **kwargs)

        def receive(message: Any) -> None:
            try:
                if self._taken(message):
                    return
                found = self._examine(message)
                if isinstance(found, Refusal):
                    self._refuse(message, found)
                elif not self._postponed(message, found):
                    hand_on(_plain(message))
            except self.connection_errors + self.channel_errors:
                raise  # Celery connects anew, and the broker delivers again
            except Unavailable as error:
                self._give_back(message, error)
            except Exception as error:
                logger.exception("a message could not be handed to its task")
                self._refuse(message, Refusal(reason="error", detail=f"{type(error).__name__}: {error}"))

        return receive

    def call_soon_ack(self, p: Callable[..., object], *args: Any) -> object:
        """Settle a message at once where this is the thread that consumes.

        Celery leaves that to its event loop. What is left to it while it does what was left to it before is done only
        after it has waited for something else to happen, up to a second, in which RabbitMQ waits for us where one
        message is prefetched (celery#7718, kombu#1587).
        """
        if threading.get_ident() == self._thread:
            return p(*args)
        return super().call_soon_ack(p, *args)

    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        """Refuse what kombu could not even unpack (Celery would acknowledge and forget it)."""
        self._refuse(message, unpackable(message.headers, exc))

    def _taken(self, message: Any) -> bool:
        """Whether it was a message of our own publisher that could be run at once."""
        strategy = self.strategies.get(message.headers.get("task")) if message.body == BODY else None
        return isinstance(strategy, Strategy) and strategy.take(message)

    def _examine(self, message: Any) -> Call | Refusal:
        if message.body == BODY:  # it need not be parsed, here and again by Celery
            message._decoded_cache = [[], {}, dict(EMBED)]  # noqa: SLF001 - what message.payload returns
        elif UNREADABLE in message.headers:
            detail = f"the message cannot be read: {message.headers[UNREADABLE]}"
            return Refusal(reason="malformed", detail=detail)
        return examine(
            message.headers,
            message.body,
            message.content_type,
            lambda: message.payload,
            known=self.strategies,
            largest=self._largest,
            content_encoding=message.content_encoding,
        )

    def _postponed(self, message: Any, call: Call) -> bool:
        """Put a call whose time has not come on record; False where it is to be handed on."""
        if call.eta is None or MARK in message.headers:
            return False
        wanted = call.eta > time.time() and call.task in self.app.funcatron.registry.functions
        if wanted and self.app.tasks_of_functions.postpone(call):
            message.ack_log_error(logger, self.connection_errors)
            return True
        return False

    def _refuse(self, message: Any, refusal: Refusal) -> None:
        queue = self._queue_of(message)
        logger.warning("a message of queue %s is refused (%s): %s", queue, refusal.reason, refusal.detail)
        if message.acknowledged:
            return
        try:
            self._dead.put(queue, message, refusal)
        except Unavailable as error:
            self._give_back(message, error)
            return
        record_refusal(self.app.funcatron.store, queue, refusal)
        message.ack_log_error(logger, self.connection_errors)

    def _give_back(self, message: Any, error: Unavailable) -> None:
        logger.error("a message goes back to its queue: %s", error)
        time.sleep(PAUSE)  # it comes again at once
        message.reject_log_error(logger, self.connection_errors, requeue=True)

    def _queue_of(self, message: Any) -> str:
        """Return the name of the function queue from which a message came, as well as it can be known."""
        info = message.delivery_info or {}
        tags = getattr(self.task_consumer, "_active_tags", {})
        by_tag = {tag: name for name, tag in tags.items()}
        queue = by_tag.get(info.get("consumer_tag")) or info.get("routing_key")
        names = self.app.amqp.queues.consume_from
        if queue not in names:
            queue = info.get("exchange") if info.get("exchange") in names else self.app.conf.task_default_queue
        return str(queue).removesuffix(EXECUTIONS)


def _plain(message: Any) -> Any:
    """Take from a call what Celery would do itself: wait for its time in a thread of a timer, and limit it."""
    parts = [message.headers] + ([message.payload] if isinstance(message.payload, dict) else [])  # protocol 1
    for part in parts:
        part.update(eta=None, timelimit=(None, None))
    return message


def wait_for_messages(
    obj: Any,
    connection: Any,
    task_consumer: Any,
    blueprint: Any,
    hub: Any,
    qos: Any,
    heartbeat: Any,
    clock: Any,
    *args: Any,
    **kwargs: Any,
) -> None:
    """Celery's blocking loop (``synloop``) with short waits, and none after the worker was told to stop.

    The embedded broker's short messages come in bursts: the steps between two of them cost as much as one of them.
    """
    deliver_more = getattr(connection.transport, "deliver_more", None)
    task_consumer.on_message = obj.create_task_handler()
    task_consumer.consume()
    obj.on_ready()
    while blueprint.state == bootsteps.RUN and obj.connection:
        state.maybe_shutdown()
        if qos.prev != qos.value:
            qos.update()
        obj.perform_pending_operations()
        try:
            connection.drain_events(timeout=DRAIN)
            if deliver_more is not None:
                deliver_more(BURST)
        except TimeoutError:
            pass
        except OSError:
            if blueprint.state == bootsteps.RUN:
                raise
