"""Redis lists that hold what is no message: it is taken as one that says so.

kombu reads what somebody has put on a list (``LPUSH``) while it waits for messages. What is not of its form (not JSON,
JSON without properties, a body in no known encoding) raises there, far from any consumer, and is gone from the list.
So such an item is replaced by a message around it, with a header that says what was wrong, and its consumer refuses
that one as it refuses others.

This is kombu's transport otherwise; every connection of a process that imports ``funcatron_celery.broker`` has it.
"""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from types import UnionType
from typing import Any

from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from funcatron_celery.frames import UNREADABLE
from funcatron_celery.sqlite.payload import payload

__all__ = ["Transport", "readable"]

TAKE = "BRPOP"
LONGEST = 500
"""Characters that are kept of what an error says."""


class Channel(redis.Channel):
    """kombu's channel, whose consumers are given messages only."""

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous=asynchronous)
        if asynchronous:  # the one that waits for messages
            client.parse_response = partial(self._taken, client.parse_response)
        return client

    def _taken(self, parse: Callable[..., Any], connection: Any, command: str, **options: Any) -> Any:
        answer = parse(connection, command, **options)
        if command != TAKE or not answer:
            return answer
        key, item = answer
        return key, readable(item, bytes_to_str(key).rsplit(self.sep, 1)[0], self.decode_body)


class Transport(redis.Transport):
    """kombu's transport with channels of ours."""

    Channel = Channel


def readable(item: bytes, queue: str, unpack: Callable[[Any, Any], Any]) -> bytes:
    """Return an item of a queue's list, or the message that stands in its place where kombu could not read it.

    ``unpack`` is given a body and its encoding, and raises for what it cannot unpack.
    """
    try:
        _check(loads(bytes_to_str(item)), unpack)
    except (Exception, RecursionError) as error:  # noqa: BLE001 - whatever a reader of foreign bytes may raise
        said = f"{type(error).__name__}: {error}"[:LONGEST]
        tag = {"delivery_tag": str(uuid.uuid4())}
        return payload(item, queue=queue, headers={UNREADABLE: said}, properties=tag, content_encoding="binary")
    return item


def _check(message: Any, unpack: Callable[[Any, Any], Any]) -> None:
    """Raise where a part that kombu needs, or hands on without a look, is missing or of another type."""
    properties = message["properties"]
    places = properties["delivery_info"]
    for name in ("exchange", "routing_key"):
        _check_type(name, places[name], str)
    _check_type("delivery_tag", properties["delivery_tag"], str)
    headers, body = message.get("headers"), message.get("body")
    _check_type("headers", headers, dict | None)
    _check_type("body", body, str | bytes | None)
    if body:
        unpack(body, properties.get("body_encoding"))


def _check_type(name: str, value: Any, wanted: type | UnionType) -> None:
    if not isinstance(value, wanted):
        raise ValueError(f"{name} cannot be {value!r:.40}")
