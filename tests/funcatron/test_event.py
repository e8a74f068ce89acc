"""CloudEvents 1.0.2: what the specification's own sections 2 and 3 say of attributes, binary, structured and data."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcatron.errors import InvalidInput
from funcatron.event import PREFIXES, CloudEvent, now

REQUIRED = {"specversion": "1.0", "id": "A234", "source": "/shop", "type": "com.example.order.created"}


def pointers(invalid: pytest.ExceptionInfo[InvalidInput]) -> list[str]:
    return [violation.pointer for violation in invalid.value.violations]


def test_a_structured_event_is_read_whole() -> None:
    event = CloudEvent.from_json(
        {
            **REQUIRED,
            "subject": "order/1",
            "time": "2018-04-05T17:31:00Z",
            "datacontenttype": "application/json",
            "dataschema": "https://example.com/order.json",
            "comexampleextension": "value",
            "sampledrate": 30,
            "data": {"a": [1, None]},
        }
    )
    assert event == CloudEvent(
        id="A234",
        source="/shop",
        type="com.example.order.created",
        subject="order/1",
        time="2018-04-05T17:31:00Z",
        datacontenttype="application/json",
        dataschema="https://example.com/order.json",
        extensions={"comexampleextension": "value", "sampledrate": 30},
        data={"a": [1, None]},
    )


def test_binary_data_is_base64_in_json() -> None:
    event = CloudEvent.from_json({**REQUIRED, "data_base64": base64.b64encode(b"\x00\xff").decode()})
    assert event.data == b"\x00\xff"
    assert event.to_json() == {**REQUIRED, "data_base64": "AP8="}


def test_null_means_that_an_attribute_is_not_set() -> None:
    event = CloudEvent.from_json({**REQUIRED, "subject": None, "traceparent": None, "data": None, "data_base64": None})
    assert event == CloudEvent(id="A234", source="/shop", type="com.example.order.created")
    assert event.to_json() == REQUIRED


@pytest.mark.parametrize("value", [None, [], "x", 1, [REQUIRED]])
def test_what_is_no_object_is_no_event(value: Any) -> None:
    with pytest.raises(InvalidInput) as invalid:
        CloudEvent.from_json(value)
    assert pointers(invalid) == ["/event"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"id": None}, ["/event/id"]),
        ({"id": "", "source": 5}, ["/event/id", "/event/source"]),
        ({"specversion": None, "type": []}, ["/event/specversion", "/event/type"]),
        ({"specversion": "0.3"}, ["/event/specversion"]),
        ({"specversion": 1.0}, ["/event/specversion"]),
        ({"time": 12, "subject": {}}, ["/event/subject", "/event/time"]),
        ({"data_base64": "!"}, ["/event/data_base64"]),
        ({"data_base64": 5}, ["/event/data_base64"]),
        ({"data_base64": "ü"}, ["/event/data_base64"]),
        ({"data_base64": "AA==", "data": 1}, ["/event/data_base64"]),
        ({"id": None, "data_base64": "!", "time": 1}, ["/event/id", "/event/time", "/event/data_base64"]),
    ],
)
def test_every_violation_is_named(changes: dict[str, Any], found: list[str]) -> None:
    with pytest.raises(InvalidInput) as invalid:
        CloudEvent.from_json({**REQUIRED, **changes})
    assert pointers(invalid) == found


def test_a_later_1_x_is_read() -> None:
    assert CloudEvent.from_json({**REQUIRED, "specversion": "1.1"}).to_json()["specversion"] == "1.0"


@pytest.mark.parametrize("prefix", [*PREFIXES, "cloudEvents:", "cloudEvents_", "CE-"])
def test_a_binary_event_is_read_whatever_its_prefix(prefix: str) -> None:
    headers = {f"{prefix}{name}": value for name, value in {**REQUIRED, "subject": "s", "trace": "t"}.items()}
    event = CloudEvent.from_headers({**headers, "content-type": "application/json", "other": "x"}, {"a": 1}, "text/x")
    assert event == CloudEvent(
        id="A234",
        source="/shop",
        type="com.example.order.created",
        subject="s",
        datacontenttype="text/x",
        extensions={"trace": "t"},
        data={"a": 1},
    )


def test_without_attributes_there_is_no_event() -> None:
    assert CloudEvent.from_headers({"content-type": "x", "x-ce-id": "1", "ce": "2"}, {}, "x") is None
    assert CloudEvent.from_headers({"ce-id": None}, {}, None) is None


def test_a_binary_event_that_lacks_attributes_is_refused() -> None:
    with pytest.raises(InvalidInput) as invalid:
        CloudEvent.from_headers({"ce-id": "1", "ce-time": 5}, {}, None)
    assert pointers(invalid) == ["/event/specversion", "/event/source", "/event/type", "/event/time"]


def test_amqp_headers_may_be_bytes_and_timestamps() -> None:
    given_ = {f"cloudEvents_{name}": value.encode() for name, value in REQUIRED.items()}
    moment = datetime(2018, 4, 5, 19, 31, tzinfo=timezone(timedelta(hours=2)))
    event = CloudEvent.from_headers({**given_, "cloudEvents_time": moment}, None, None)
    assert event is not None
    assert (event.id, event.time) == ("A234", "2018-04-05T19:31:00+02:00")
    naive = CloudEvent.from_headers({**given_, "cloudEvents_time": datetime(2018, 4, 5)}, None, None)
    assert naive is not None
    assert naive.time == "2018-04-05T00:00:00Z"


def test_headers_that_are_not_utf_8_stop_nobody() -> None:
    event = CloudEvent.from_headers({**{f"ce-{k}": v for k, v in REQUIRED.items()}, "ce-subject": b"\xff"}, None, None)
    assert event is not None
    assert event.subject == "\ufffd"


def test_the_data_of_a_binary_event_is_the_body_alone() -> None:
    headers = {f"ce-{name}": value for name, value in REQUIRED.items()}
    event = CloudEvent.from_headers({**headers, "ce-data": "x", "ce-data_base64": "!"}, b"\x00", None)
    assert event is not None
    assert event.data == b"\x00"
    assert event.extensions == {}


texts = st.text(min_size=1)
events = st.builds(
    CloudEvent,
    id=texts,
    source=texts,
    type=texts,
    subject=st.none() | st.text(),
    time=st.none() | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    datacontenttype=st.none() | st.text(),
    dataschema=st.none() | st.text(),
    data=st.none() | st.binary() | st.recursive(st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5),
    extensions=st.dictionaries(
        st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1).filter(
            lambda name: name not in {"specversion", *CloudEvent.__struct_fields__}
        ),
        st.booleans() | st.integers() | st.text(),
    ),
)


@given(events)
def test_the_json_form_gives_the_event_again(event: CloudEvent) -> None:
    assert CloudEvent.from_json(event.to_json()) == event


def test_now_is_rfc_3339_in_utc() -> None:
    text = now()
    assert text.endswith("Z")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(text)) < timedelta(seconds=5)
