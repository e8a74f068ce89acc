"""Declaring queues without quarrel: what exists is taken as it is, what does not is made.

RabbitMQ refuses a declaration that differs from what exists, and closes the channel. Whoever shares a broker with
others cannot know how they declared theirs, so it is asked first.
"""

from __future__ import annotations

from kombu.connection import Connection
from kombu.entity import Queue

__all__ = ["declare_if_missing"]

NOT_FOUND = "404"


def declare_if_missing(connection: Connection, queue: Queue) -> None:
    """Make the queue, its exchange and its binding, each where it is missing; raises the driver's errors."""
    if queue.exchange.name and not _exists(connection, queue, "exchange"):
        with connection.channel() as channel:
            queue.exchange(channel).declare()
    if not _exists(connection, queue, "queue"):
        with connection.channel() as channel:
            queue(channel).queue_declare()
    if queue.exchange.name:
        with connection.channel() as channel:
            queue(channel).queue_bind()


def _exists(connection: Connection, queue: Queue, what: str) -> bool:
    channel = connection.channel()
    try:
        if what == "exchange":
            queue.exchange(channel).declare(passive=True)
        else:
            queue(channel).queue_declare(passive=True)
    except connection.channel_errors as error:
        if str(getattr(error, "reply_code", "")) != NOT_FOUND:
            raise
        return False
    else:
        return True
    finally:
        if channel.connection is not None:  # a failed passive declaration has closed it already
            channel.close()
