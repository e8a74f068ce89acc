from __future__ import annotations

from typing import Any

import pytest

from funcatron.errors import InvalidInput
from funcatron.http.events import read_events

CE = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("application/json", {"a": 1}, {"a": 1}),
        ("text/plain; charset=utf-8", "ü".encode(), "ü"),
        ("image/png", b"\x89", b"\x89"),
        (None, None, None),
    ],
)
def test_binary_mode(content_type: str | None, body: Any, data: Any) -> None:
    headers = {**CE, "ce-subject": "caf%C3%A9", "ce-myext": "x", "x-other": "y"}
    if content_type is not None:
        headers["content-type"] = content_type
    (event,) = read_events(headers, body)
    assert (event.id, event.source, event.type, event.subject) == ("1", "/s", "t", "café")
    assert (event.data, event.datacontenttype, event.extensions) == (data, content_type, {"myext": "x"})


def test_structured_mode_with_base64() -> None:
    body = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data_base64": "AQI=", "ext": 1}
    (event,) = read_events({"content-type": "application/cloudevents+json"}, body)
    assert (event.data, event.extensions) == (b"\x01\x02", {"ext": 1})


def test_a_batch_may_be_empty() -> None:
    assert read_events({"content-type": "application/cloudevents-batch+json"}, []) == []


def test_all_violations_of_a_batch_are_named() -> None:
    body = [{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data_base64": "!"}, {"id": "2"}]
    with pytest.raises(InvalidInput) as caught:
        read_events({"content-type": "application/cloudevents-batch+json"}, body)
    assert [violation.pointer for violation in caught.value.violations] == [
        "/body/0/data_base64",
        "/body/1/specversion",
        "/body/1/source",
        "/body/1/type",
    ]
