"""Messages of any producer as CloudEvents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from funcatron.errors import InvalidInput
from funcatron.event import CloudEvent
from funcatron_celery.messages import to_event

EVENT = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "com.shop.sold", "subject": "s", "data": {"n": 1}}


def event(body: Any = b"", headers: Any = None, content_type: Any = None, message_id: str | None = None) -> CloudEvent:
    return to_event("orders", body, headers, content_type, message_id)


@pytest.mark.parametrize("parameters", ["", "; charset=utf-8"])
def test_a_structured_event(parameters: str) -> None:
    found = event(json.dumps(EVENT).encode(), {}, "application/cloudevents+json" + parameters, "m1")
    assert (found.id, found.source, found.type, found.subject, found.data) == (
        "e1",
        "/shop",
        "com.shop.sold",
        "s",
        {"n": 1},
    )


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_", "ce-", "CE-"])
def test_a_binary_event(prefix: str) -> None:
    attributes = {name: value for name, value in EVENT.items() if name != "data"}
    headers = {prefix + name: value for name, value in {**attributes, "traceparent": "00-1"}.items()}
    found = event(b'{"n": 1}', {**headers, "other": 5}, "application/json")
    assert (found.id, found.source, found.type, found.data) == ("e1", "/shop", "com.shop.sold", {"n": 1})
    assert found.datacontenttype == "application/json"
    assert found.extensions == {"traceparent": "00-1"}


def test_a_binary_event_of_bytes_keeps_them() -> None:
    headers = {f"ce-{name}": value for name, value in EVENT.items() if name not in {"data", "subject"}}
    assert event(b"\x00\xff", headers, "image/png").data == b"\x00\xff"


@pytest.mark.parametrize(
    ("body", "content_type", "data"),
    [
        (b'{"n": 1}', "application/json", {"n": 1}),
        ('{"n": "\u00fc"}', "application/json; charset=utf-8", {"n": "\u00fc"}),
        (b"[1, 2]", "application/vnd.shop+json", [1, 2]),
        (b'{"n": 1}', None, {"n": 1}),
        (b"hello", None, "hello"),
        (b"\xff\x00", None, b"\xff\x00"),
        (b"", None, ""),
        (b"hello", "text/plain", "hello"),
        (b"\xff", "text/plain", b"\xff"),
        (b"12", "text/plain", "12"),
        (b"\x89PNG", "image/png", b"\x89PNG"),
        (b'{"n": 1}', "application/data", {"n": 1}),
        (b"raw", 5, "raw"),
        (memoryview(b'{"n": 1}'), None, {"n": 1}),
    ],
)
def test_a_plain_message_is_decoded_by_its_type(body: Any, content_type: Any, data: Any) -> None:
    found = event(body, {"x": 1}, content_type, "m7")
    assert found.data == data
    assert (found.type, found.source, found.id) == ("org.funcatron.queue.message", "/queues/orders", "m7")


def test_equal_bodies_without_an_id_are_different_events() -> None:
    assert event(b"1").id != event(b"1").id


@pytest.mark.parametrize(
    ("body", "headers", "content_type"),
    [
        (b"{", None, "application/json"),
        (b"\xff", None, "application/json"),
        (b"", None, "application/json"),
        (b"[" * 100_000, None, "application/json"),
        (b"{}", None, "application/cloudevents+json"),
        (b"[]", None, "application/cloudevents+json"),
        (b"{", None, "application/cloudevents+json"),
        (json.dumps({**EVENT, "specversion": "0.3"}).encode(), None, "application/cloudevents+json"),
        (json.dumps({**EVENT, "id": 5}).encode(), None, "application/cloudevents+json"),
        (b"{}", {"ce-id": "1"}, "application/json"),
        (b"{}", {"ce-id": "1", "ce-source": 5, "ce-type": None, "ce-specversion": "1.0"}, "application/json"),
    ],
)
def test_what_is_not_what_it_says_is_refused(body: bytes, headers: Any, content_type: str) -> None:
    with pytest.raises(InvalidInput):
        event(body, headers, content_type)
