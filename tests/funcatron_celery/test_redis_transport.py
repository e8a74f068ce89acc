"""What is read of a Redis list. (With a real Redis: tests/integration/test_workers_poison.py.)"""

from __future__ import annotations

import json
from typing import Any

import pytest
from kombu.connection import Connection
from kombu.transport.virtual import Base64, Channel
from kombu.utils.json import dumps

import funcatron_celery.broker  # noqa: F401 - makes the transport known to kombu
from funcatron_celery.frames import UNREADABLE
from funcatron_celery.redis_transport import Transport, readable
from tests.malformed import ROWS

PROPERTIES = {
    "delivery_tag": "1",
    "delivery_info": {"exchange": "", "routing_key": "q"},
    "body_encoding": "base64",
}
JUNK = [row for row in ROWS if b'"t4"' not in row and b'"t5"' not in row]
"""The others are messages to kombu, which their consumer refuses."""


def unpack(body: Any, encoding: Any) -> Any:
    """As kombu's channels do it."""
    channel = object.__new__(Channel)
    return channel.decode_body(body, encoding)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_the_broker_is_read_by_this_transport(scheme: str) -> None:
    connection = Connection(f"{scheme}://127.0.0.1:1/0", ssl={"ssl_cert_reqs": "required"})
    assert connection.get_transport_cls() is Transport
    assert connection.transport_cls == scheme


@pytest.mark.parametrize(
    "message",
    [
        {"body": "WzFd", "headers": {"task": "t", "x": float("nan")}, "properties": PROPERTIES},
        {"body": "\ud800", "headers": {}, "properties": {**PROPERTIES, "body_encoding": None}},
        {"body": b"a", "headers": {}, "properties": {**PROPERTIES, "body_encoding": None}},
        {"body": None, "headers": None, "content-type": 5, "properties": PROPERTIES},
        {"properties": {**PROPERTIES, "delivery_tag": "2"}},
    ],
    ids=str,
)
def test_what_kombu_reads_is_not_touched(message: dict[str, Any]) -> None:
    item = dumps(message).encode()
    assert readable(item, "q", unpack) is item


@pytest.mark.parametrize("item", JUNK, ids=lambda item: f"{item[:40]!r} ({len(item)} bytes)")
def test_anything_else_is_a_message_that_says_so(item: bytes) -> None:
    message = json.loads(readable(item, "images", unpack))
    assert Base64().decode(message["body"]) == item
    assert message["headers"][UNREADABLE]
    assert len(message["headers"][UNREADABLE]) <= 500
    assert message["properties"]["delivery_info"] == {"exchange": "", "routing_key": "images"}
    assert readable(json.dumps(message).encode(), "images", unpack) == json.dumps(message).encode()
    assert (
        message["properties"]["delivery_tag"] != json.loads(readable(item, "q", unpack))["properties"]["delivery_tag"]
    )
