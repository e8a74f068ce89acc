"""The frames that publish our messages: byte for byte those that py-amqp writes, whatever the id."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from amqp import Message, spec
from amqp.method_framing import frame_writer
from amqp.serialization import dumps

from funcatron.execution import Execution, new_id
from funcatron_celery import envelope
from funcatron_celery.outgoing import publishing


def of_amqp(channel: int, routing_key: str, execution: Execution) -> bytes:
    """Return what py-amqp's ``basic_publish`` hands to its transport."""
    written: list[bytes] = []
    connection = SimpleNamespace(frame_max=131072, bytes_sent=0)
    transport = SimpleNamespace(write=lambda view: written.append(bytes(view)))
    message = Message(
        envelope.BODY,
        application_headers=envelope.headers(execution.function, execution.id),
        correlation_id=execution.id,
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=2,
    )
    arguments = dumps("Bssbb", (0, "", routing_key, True, False))
    frame_writer(connection, transport)(1, channel, spec.Basic.Publish, arguments, message)
    return b"".join(written)


def execution(**given: Any) -> Execution:
    return Execution(**{"id": new_id(), "function": "shop.buy", "trigger": "async", "created_at": time.time(), **given})


@pytest.mark.parametrize(
    "name", ["", "x", "1", "()", "{}", "utf-8", "\x01", "\x01" * 9, "\x00\x00\x00", "shop.buy", "Grüße", "i" * 200]
)
def test_any_id_is_published_as_py_amqp_would(name: str) -> None:
    one = execution(id=name)
    assert publishing(3, "images.executions", one) == of_amqp(3, "images.executions", one)


@pytest.mark.parametrize("function", ["f", "größe.f", "x.\x01\x01", "a" * 200])
def test_so_is_any_function(function: str) -> None:
    for _ in range(3):
        one = execution(function=function)
        assert publishing(1, "q", one) == of_amqp(1, "q", one)
