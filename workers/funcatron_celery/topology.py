"""Which queues exist on which broker, and how they are declared.

A function has one queue by name (``x-funcatron: queue``). On the embedded broker and on Redis that is all; the
embedded broker's workers also consume ``celery``, where clients send that name no queue (the file is ours alone, while
on a shared broker those messages may be somebody else's). On RabbitMQ each name becomes three queues:

- ``images``: the door for Celery clients. It is declared exactly as any Celery client would declare it (durable,
  classic), because RabbitMQ refuses a client whose declaration differs; and whatever stands there already is taken
  as it is.
- ``images.executions``: where funcatron publishes. A quorum queue with a delivery limit and a dead-letter queue.
- ``images.dead``: what could not be read, with the reason in its headers.
"""

from __future__ import annotations

from collections.abc import Sequence

from kombu.entity import Exchange, Queue

__all__ = [
    "DEAD",
    "EXECUTIONS",
    "consumed_queues",
    "dead_queue",
    "door_queue",
    "execution_queue",
    "is_amqp",
    "is_embedded",
]

DEAD = ".dead"
EXECUTIONS = ".executions"
CELERY = "celery"
"""The queue of clients that name none."""

DELIVERY_LIMIT = 20
"""How often RabbitMQ hands out one message whose worker died or gave it back. The record counts the attempts."""


def is_amqp(broker_url: str) -> bool:
    """Whether the broker speaks AMQP 0-9-1 (RabbitMQ)."""
    return broker_url.split(":", 1)[0] in {"amqp", "amqps", "pyamqp"}


def is_embedded(broker_url: str) -> bool:
    """Whether the broker is a SQLite file."""
    return broker_url.startswith("sqlite:")


def door_queue(queue: str) -> Queue:
    """Return the queue that Celery clients send to, as they declare it themselves."""
    return Queue(queue, Exchange(queue, type="direct"), routing_key=queue)


def execution_queue(queue: str) -> Queue:
    """Return RabbitMQ's queue for our own messages; addressed through the default exchange."""
    return Queue(
        queue + EXECUTIONS,
        Exchange(""),
        routing_key=queue + EXECUTIONS,
        queue_arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": queue + DEAD,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


def dead_queue(broker_url: str, queue: str) -> Queue:
    """Return the dead-letter queue of ``queue``; addressed through the default exchange."""
    arguments = {"x-queue-type": "quorum"} if is_amqp(broker_url) else None
    return Queue(queue + DEAD, Exchange(""), routing_key=queue + DEAD, queue_arguments=arguments)


def consumed_queues(broker_url: str, names: Sequence[str]) -> Sequence[Queue]:
    """Return the queues that a worker for these names consumes."""
    doors = [door_queue(name) for name in names]
    if is_embedded(broker_url):
        return [*doors, *([] if CELERY in names else [door_queue(CELERY)])]
    if not is_amqp(broker_url):
        return doors
    return [queue for door in doors for queue in (door, execution_queue(door.name))]
