"""Content headers that py-amqp cannot read become ones that say so."""

from __future__ import annotations

from struct import pack
from types import SimpleNamespace
from typing import Any

import amqp
import pytest
from amqp import spec
from kombu.utils.json import dumps, loads

from funcatron_celery.broker import AMQP_OPTIONS
from funcatron_celery.frames import UNREADABLE, frame_handler
from tests.malformed import PROPERTIES

UNREAD = ["content type not UTF-8", "more tables in tables", "a time beyond the calendar"]


def received(flags: int, properties: bytes, body: bytes) -> Any:
    """Return the message that a consumer is given."""
    found: list[Any] = []
    connection = SimpleNamespace(bytes_recv=0)
    handle = frame_handler(connection, lambda channel, method, arguments, message: found.append(message))
    handle((1, 1, pack(">HH", *spec.Basic.Deliver)))
    handle((2, 1, pack(">HxxQH", 60, len(body), flags) + properties))
    if body:
        handle((3, 1, body))
    (message,) = found
    return message


@pytest.mark.parametrize("body", [b"body", b""])
@pytest.mark.parametrize("name", UNREAD)
def test_what_cannot_be_read_says_so_and_the_body_is_kept(name: str, body: bytes) -> None:
    message = received(*PROPERTIES[name], body)
    assert message.properties["application_headers"][UNREADABLE]
    assert (message.body or b"") == body


def test_what_can_be_read_is_untouched() -> None:
    raw = amqp.Message(application_headers={"a": 1}, content_type="text/plain")._serialize_properties()
    message = received(int.from_bytes(raw[:2], "big"), raw[2:], b"body")
    assert message.properties == {"application_headers": {"a": 1}, "content_type": "text/plain"}


def test_what_a_consumer_raises_is_not_swallowed() -> None:
    def consume(*message: Any) -> None:
        raise ZeroDivisionError

    handle = frame_handler(SimpleNamespace(bytes_recv=0), consume)
    handle((1, 1, pack(">HH", *spec.Basic.Deliver)))
    with pytest.raises(ZeroDivisionError):
        handle((2, 1, pack(">HxxQH", 60, 0, 0)))


def test_options_with_it_can_be_shown() -> None:
    assert loads(dumps(AMQP_OPTIONS))["frame_handler"] == "funcatron_celery.frames.frame_handler"
