"""The kombu channel over ``Messages`` and ``Topology``."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import virtual
from kombu.transport.virtual.exchange import STANDARD_EXCHANGE_TYPES

from funcatron.errors import Unavailable
from funcatron_celery.sqlite.claims import Claims
from funcatron_celery.sqlite.messages import Claimed, Messages
from funcatron_celery.sqlite.payload import decode, encode, payload
from funcatron_celery.sqlite.topology import TopicExchange, Topology

__all__ = ["Channel"]

LOOK_AGAIN = 0.03  # seconds for which an empty queue is left alone while others keep the consumer busy

logger = logging.getLogger(__name__)


class QoS(virtual.QoS):
    """Counts what is delivered against the prefetch limit; what it takes back goes to its old place in the queue."""

    def __init__(self, channel: Channel, prefetch_count: int = 0) -> None:
        # Not the base's: its exit hook keeps a dropped channel alive until the process ends. The lease does its job.
        self.channel = channel
        self.prefetch_count = prefetch_count or 0
        self._delivered: OrderedDict[int, Any] = OrderedDict()
        self._dirty: set[int] = set()
        self._quick_ack = self._dirty.add
        self._quick_append = self._delivered.__setitem__

    def ack(self, delivery_tag: int) -> None:
        """Settle one message."""
        self._quick_ack(delivery_tag)
        self.channel.acknowledge(delivery_tag)

    def reject(self, delivery_tag: int, requeue: bool = False) -> None:
        """Give one message back, or bury it."""
        self._quick_ack(delivery_tag)
        self.channel.refuse(delivery_tag, requeue=requeue)

    def _flush(self) -> None:
        """As the base's, which raises an exception for every message."""
        dirty, delivered = self._dirty, self._delivered
        while dirty:  # another thread may add to it
            delivered.pop(dirty.pop(), None)

    def unsettled(self) -> list[int]:
        """Return the tags of what is delivered and not settled, in the order of delivery."""
        self._flush()
        return list(self._delivered)

    def restore_unacked(self) -> list[Any]:
        """Give everything back that is not settled."""
        tags = self.unsettled()
        self._delivered.clear()
        self.channel.give_back(tags)
        return []

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """As ``restore_unacked``; doing it twice does no harm."""
        self.restore_unacked()


class Message(virtual.Message):
    """As kombu's, made in one step where there is nothing to unpack and nothing to complain of."""

    def __init__(self, payload: dict[str, Any], channel: Any = None, **kwargs: Any) -> None:
        headers, properties, body = payload["headers"], payload["properties"], payload["body"]
        if kwargs or "compression" in headers or not (isinstance(body, bytes) or body.isascii()):
            super().__init__(payload, channel=channel, **kwargs)
            return
        self._raw = payload
        self._state = "RECEIVED"
        self._decoded_cache = None
        self.errors = []
        self.accept = None
        self.channel = channel
        self.headers = headers
        self.properties = properties
        self.delivery_tag = properties["delivery_tag"]
        self.delivery_info = properties["delivery_info"]
        self.content_type = payload.get("content-type")
        self.content_encoding = payload.get("content-encoding")
        self.body = body if isinstance(body, bytes) else body.encode()


class Channel(virtual.Channel):
    """A channel of the SQLite transport."""

    QoS = QoS
    Message = Message
    supports_fanout = True
    exchange_types = {**STANDARD_EXCHANGE_TYPES, "topic": TopicExchange}

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self._transport = connection
        self._messages: Messages = connection.messages
        self._topology: Topology = connection.topology
        self._claims = Claims(self._messages, lambda: connection.lease.id, connection.flush_later)
        self._unacknowledged: set[str] = set()  # queues consumed without acknowledgements
        self._look_at: dict[str, float] = {}  # when to look again into an empty queue
        self._rests_until = 0.0  # the first of these, where all queues were empty

    # Declarations

    def exchange_declare(
        self,
        exchange: str | None = None,
        type: str = "direct",  # noqa: A002 - kombu's name
        durable: bool = False,
        auto_delete: bool = False,
        arguments: Any = None,
        nowait: bool = False,
        passive: bool = False,
    ) -> None:
        """Declare an exchange; raises ChannelError if it has another type, or is missing and only asked for."""
        kind = type or "direct"
        name = exchange or f"amq.{kind}"
        if kind not in self.exchange_types:
            message = f"COMMAND_INVALID - exchange type {kind!r} is not supported"
            raise ChannelError(message, (40, 10), "Channel.exchange_declare", "503")
        found = self._topology.exchange(name) if passive else self._topology.declare_exchange(name, kind)
        if found is None:
            raise ChannelError(f"NOT_FOUND - no exchange {name!r}", (40, 10), "Channel.exchange_declare", "404")
        if not passive and found != kind:
            message = f"PRECONDITION_FAILED - exchange {name!r} is of type {found}, not {kind}"
            raise ChannelError(message, (40, 10), "Channel.exchange_declare", "406")

    def exchange_delete(self, exchange: str, if_unused: bool = False, nowait: bool = False) -> None:
        """Delete an exchange and its bindings."""
        if not if_unused or not self._topology.bindings(exchange):
            self._topology.delete_exchange(exchange)

    def queue_bind(
        self, queue: str, exchange: str | None = None, routing_key: str = "", arguments: Any = None, **kwargs: Any
    ) -> None:
        """Bind a queue to an exchange."""
        self._topology.bind(exchange or "amq.direct", routing_key or "", queue)

    def queue_unbind(
        self, queue: str, exchange: str | None = None, routing_key: str = "", arguments: Any = None, **kwargs: Any
    ) -> None:
        """Undo a binding."""
        self._topology.unbind(exchange or "amq.direct", routing_key or "", queue)

    def queue_delete(self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any) -> None:
        """Delete a queue with what is in it."""
        if not (if_empty and self._size(queue)):
            self._topology.delete_queue(queue)

    def typeof(self, exchange: str, default: str = "direct") -> Any:
        """Return the behaviour of an exchange."""
        return self.exchange_types[self._topology.exchange(exchange) or default]

    def get_table(self, exchange: str) -> list[tuple[str, str | None, str]]:
        """Return (routing key, pattern, queue) of every binding of an exchange."""
        kind = self.typeof(exchange)
        return [kind.prepare_bind(queue, exchange, key, None) for key, queue in self._topology.bindings(exchange)]

    def get_exchanges(self) -> list[str]:
        """Return the names of all exchanges."""
        return list(self._topology.exchanges())

    def list_bindings(self) -> list[tuple[str, str, str]]:
        """Return (queue, exchange, routing key) of every binding."""
        return [(queue, name, key) for name in self.get_exchanges() for key, queue in self._topology.bindings(name)]

    def _new_queue(self, queue: str, auto_delete: bool = False, exclusive: bool = False, **kwargs: Any) -> None:
        self._topology.declare_queue(queue, self._transport.lease.id if auto_delete or exclusive else None)

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        return bool(self._topology.has_queue(queue))

    # Messages

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        self._post([queue], message)

    def _put_fanout(self, exchange: str, message: dict[str, Any], routing_key: str, **kwargs: Any) -> None:
        self._post(sorted({queue for _, queue in self._topology.bindings(exchange)}), message)

    def _post(self, queues: Sequence[str], message: dict[str, Any]) -> None:
        execution = message["headers"].get("id")
        durable = message["properties"].get("delivery_mode") != 1
        name = execution if isinstance(execution, str) else None
        self._messages.post(queues, encode(message), name, durable=durable)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        if queue not in self._active_queues:
            return self._read(queue, lambda name: self._claims.next(name, lambda: 1))
        if time.monotonic() < self._look_at.get(queue, 0.0):
            raise Empty
        return self._read(queue, self._next)

    def _read(self, queue: str, take: Callable[[str], Claimed]) -> dict[str, Any]:
        """Return the next message of a queue that can be read, of those that ``take`` gives. Raises Empty with it."""
        while True:
            message = take(queue)
            try:
                return _decoded(message, queue)
            except ValueError as error:
                logger.error("Message %s of queue %s cannot be read and is dead: %s", message.id, queue, error)
                self._messages.bury(message.id, "unreadable", _wrapped(message.payload, queue, error))

    def deliver(self, callback: Callable[[dict[str, Any], str], object]) -> bool:
        """Deliver one message of the queue whose turn it is; False where there is none, or no room for one."""
        now = time.monotonic()
        if now < self._rests_until or not self._consumers or not self.qos.can_consume():
            return False
        queues, look_at = self._active_queues, self._look_at
        for place, queue in enumerate(queues):
            if now < look_at.get(queue, 0.0):
                continue
            try:
                message = self._read(queue, self._next)
            except Empty:
                continue
            queues.append(queues.pop(place))
            callback(message, queue)
            return True
        self._rests_until = min((look_at.get(queue, 0.0) for queue in queues), default=0.0)
        return False

    def _next(self, queue: str) -> Claimed:
        """Return the next message of a queue that is consumed. Raises Empty."""
        try:
            if queue in self._unacknowledged:
                return self._taken(queue)
            return self._claims.next(queue, self.qos.can_consume_max_estimate)
        except Empty:
            self._look_at[queue] = time.monotonic() + LOOK_AGAIN
            raise

    def look(self) -> None:
        """Look into every queue again: there may be something."""
        self._look_at.clear()
        self._rests_until = 0.0

    def _taken(self, queue: str) -> Claimed:
        """Take one message for good. Raises Empty."""
        taken = self._messages.take(queue, 1) if self._messages.waiting(queue) else []
        if not taken:
            raise Empty
        return taken[0]

    def _size(self, queue: str) -> int:
        return int(self._messages.size(queue))

    def _purge(self, queue: str) -> int:
        return int(self._messages.purge(queue))

    # Consuming

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[..., Any], consumer_tag: str, **kw: Any
    ) -> None:
        """Begin to consume a queue."""
        if no_ack:
            self._unacknowledged.add(queue)
        self._transport.listen()
        self._topology.hold(queue, self._transport.lease.id)
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kw)
        self._rests_until = 0.0

    def basic_cancel(self, consumer_tag: str) -> None:
        """Stop consuming; what is claimed and not delivered goes back."""
        queue = self._tag_to_queue.get(consumer_tag)
        super().basic_cancel(consumer_tag)
        if queue is not None and queue not in self._active_queues:
            self._unacknowledged.discard(queue)
            self._claims.give_back(queue)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        """Return one message, or None."""
        if not no_ack:
            return super().basic_get(queue, **kwargs)
        while True:
            try:
                message = self._taken(queue)
                return self.Message(_decoded(message, queue), channel=self)
            except Empty:
                return None
            except ValueError as error:
                logger.error("Message %s of queue %s cannot be read and is dropped: %s", message.id, queue, error)

    def basic_ack(self, delivery_tag: int, multiple: bool = False) -> None:
        """Settle one message; with ``multiple`` all that were delivered before it, too."""
        for tag in [tag for tag in self.qos.unsettled() if tag < delivery_tag] if multiple else ():
            self.qos.ack(tag)
        self.qos.ack(delivery_tag)

    def acknowledge(self, tag: int) -> None:
        """Note that a message is done with. Any thread may call this."""
        self._claims.settle(tag)
        if self.closed:  # a pool may end its last tasks after its consumer
            self._claims.flush()
        self._transport.has_room()

    def refuse(self, tag: int, *, requeue: bool) -> None:
        """Requeue a message, which counts as an attempt, or bury it. Any thread may call this."""
        if requeue:
            self._messages.requeue([tag])
        else:
            self._messages.bury(tag, "rejected")
        self._transport.has_room()

    def give_back(self, tags: Sequence[int]) -> None:
        """Free messages that were delivered and not settled; their next delivery says so."""
        self._messages.give_back(tags, delivered=True)

    def flush(self) -> None:
        """Delete what is acknowledged."""
        self._claims.flush()

    def tidy(self) -> bool:
        """Do what cannot wait for a busy consumer; True if there may soon be more of it."""
        return self._claims.tidy()

    def close(self) -> None:
        """Stop consuming and give everything back."""
        if self.closed:
            return
        try:
            self._claims.flush()
            super().close()
        except Unavailable as error:
            logger.warning("A channel's messages could not be given back, so its lease is given up: %s", error)
            self._transport.give_up_lease()
            self._transport.close_channel(self)


def _wrapped(raw: bytes, queue: str, error: ValueError) -> bytes:
    """Return a dead letter that can be read, with what could not be read as its body."""
    reason = {"x-funcatron-reason": "undecodable", "x-funcatron-detail": str(error)[:1024], "x-funcatron-queue": queue}
    return payload(raw, queue=queue, headers=reason, content_type="application/octet-stream", content_encoding="binary")


def _decoded(claimed: Claimed, queue: str) -> dict[str, Any]:
    message = decode(claimed.payload)
    properties = message["properties"]
    properties["delivery_tag"] = claimed.id
    info = properties.get("delivery_info")
    info = properties["delivery_info"] = info if isinstance(info, dict) else {"exchange": "", "routing_key": queue}
    headers = message.get("headers")
    headers = message["headers"] = headers if isinstance(headers, dict) else {}
    if claimed.attempts or claimed.redelivered:
        info["redelivered"] = True
        headers["x-delivery-count"] = claimed.attempts
    return message
