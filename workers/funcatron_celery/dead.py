"""Dead letters: what cannot be run goes to ``<queue>.dead``, the reason in its headers, and is failed on record."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from kombu.connection import Connection
from kombu.messaging import Producer

from funcatron.codec import encode_input
from funcatron.errors import Problem, Unavailable
from funcatron.execution import Execution
from funcatron.ports import ExecutionStore
from funcatron_celery.broker import connect
from funcatron_celery.declare import declare_if_missing
from funcatron_celery.examine import Refusal
from funcatron_celery.topology import dead_queue

__all__ = ["DeadLetters", "record_refusal"]

logger = logging.getLogger("funcatron.worker")

LARGEST_HEADERS = 32 * 1024
DEEPEST = 20
"""Levels of lists and objects in headers that a dead letter keeps as they are."""


class DeadLetters:
    """Publishes dead letters on a connection of its own (py-amqp must not publish from a consumer's callback)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._declared: set[str] = set()

    def put(self, queue: str, message: Any, refusal: Refusal) -> None:
        """Publish the message, as it came, to ``<queue>.dead``; raises Unavailable if the broker did not take it."""
        if self._connection is None:
            self._connection = connect(self._url)
        connection = self._connection
        try:
            self._publish(connection, queue, message, refusal)
        except connection.connection_errors + connection.channel_errors as error:
            self.close()
            raise Unavailable(f"the dead letter could not be published: {error}") from error

    def close(self) -> None:
        """Close the connection; the next letter opens another."""
        connection, self._connection = self._connection, None
        self._declared.clear()
        if connection is not None:
            connection.collect()

    def _publish(self, connection: Connection, queue: str, message: Any, refusal: Refusal) -> None:
        target = dead_queue(self._url, queue)
        if target.name not in self._declared:
            declare_if_missing(connection, target)
            self._declared.add(target.name)
        producer = Producer(connection.default_channel)
        producer.publish(
            _raw(message.body),
            exchange="",
            routing_key=target.name,
            content_type=_text(message.content_type, "application/octet-stream"),
            content_encoding=_text(message.content_encoding, "binary"),
            headers={**_kept(message.headers), **_reason(queue, refusal)},
            delivery_mode=2,
            retry=True,
            retry_policy={"max_retries": 2, "interval_start": 0.1, "interval_step": 0.3},
        )


def record_refusal(store: ExecutionStore, queue: str, refusal: Refusal) -> None:
    """Put the refusal on record as a failed execution, where the message has an id and names a function."""
    if refusal.id is None or refusal.task is None:
        return
    status = 404 if refusal.reason == "unknown-function" else 400
    problem = Problem(status, "Message refused", refusal.detail, reason=refusal.reason).to_json()
    record = Execution(
        id=refusal.id,
        function=refusal.task,
        trigger="celery",
        queue=queue,
        created_at=time.time(),
        input=encode_input(refusal.kwargs or {}, strict=False),
    )
    try:
        store.create([record])
        store.fail(refusal.id, problem, refusal.failure)
    except Unavailable as error:
        logger.error("the refusal of %s is in the dead letter queue but not on record: %s", refusal.id, error)


def _raw(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode("utf-8", "surrogateescape")
    return bytes(body) if isinstance(body, bytes | memoryview | bytearray) else repr(body).encode()


def _text(value: Any, default: str) -> str:
    return value if isinstance(value, str) and len(value) < 128 else default


def _kept(headers: Any) -> dict[str, Any]:
    if not isinstance(headers, Mapping):
        return {"x-funcatron-headers": repr(headers)[:LARGEST_HEADERS]}
    kept = {str(name): value for name, value in headers.items() if name not in {"compression", "x-death"}}
    shown = _shown(kept)
    return (
        kept
        if len(shown) <= LARGEST_HEADERS and _is_shallow(kept)
        else {"x-funcatron-headers": shown[:LARGEST_HEADERS]}
    )


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except RecursionError:
        return "headers that are too deep to be shown"


def _is_shallow(value: Any, levels: int = DEEPEST) -> bool:
    """Whether a value is shallow enough for any encoder."""
    if isinstance(value, Mapping):
        value = list(value.values())
    return not isinstance(value, list | tuple) or (levels > 0 and all(_is_shallow(item, levels - 1) for item in value))


def _reason(queue: str, refusal: Refusal) -> dict[str, Any]:
    return {
        "x-funcatron-reason": refusal.reason,
        "x-funcatron-detail": refusal.detail[:1024],
        "x-funcatron-queue": queue,
        "x-funcatron-time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
