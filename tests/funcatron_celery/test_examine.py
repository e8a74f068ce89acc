"""What may reach Celery's strategy, and why the rest may not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from kombu.exceptions import DecodeError
from kombu.serialization import loads

from funcatron_celery.examine import Call, Refusal, examine
from tests.malformed import MALFORMED, Malformed

HEADERS = {"task": "shop.buy", "id": "1", "retries": 0, "timelimit": [None, None], "eta": None, "expires": None}
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def look(
    headers: Any = HEADERS, body: Any = ([], {"n": 1}, EMBED), content_type: Any = "application/json", **given: Any
) -> Call | Refusal:
    raw = given.pop("raw", None) or json.dumps(body).encode()
    decode = given.pop("decode", lambda: json.loads(raw))
    return examine(headers, raw, content_type, decode, known={"shop.buy"}, largest=1000)


def refused(**given: Any) -> Refusal:
    found = look(**given)
    assert isinstance(found, Refusal)
    return found


def test_a_call_of_protocol_2() -> None:
    found = look(headers={**HEADERS, "lang": "py", "argsrepr": "()"}, body=[[2], {"n": 1}, EMBED])
    assert found == Call(id="1", task="shop.buy", args=(2,), kwargs={"n": 1})


def test_a_call_of_protocol_1() -> None:
    body = {"task": "shop.buy", "id": "7", "args": [], "kwargs": {"n": 1}, "retries": 0, "eta": None}
    assert look(headers={}, body=body) == Call(id="7", task="shop.buy", args=(), kwargs={"n": 1})


@pytest.mark.parametrize(
    ("eta", "seconds"),
    [
        ("2026-01-01T00:00:00+00:00", datetime(2026, 1, 1, tzinfo=UTC).timestamp()),
        ("2026-01-01T02:00:00+02:00", datetime(2026, 1, 1, tzinfo=UTC).timestamp()),
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC).timestamp()),
        (1767225600, 1767225600.0),
    ],
)
def test_times_are_seconds_since_the_epoch(eta: Any, seconds: float) -> None:
    found = look(headers={**HEADERS, "eta": eta, "expires": eta})
    assert isinstance(found, Call)
    assert (found.eta, found.expires) == (seconds, seconds)


def test_an_unknown_function_is_refused_with_all_that_is_known_of_it() -> None:
    found = refused(headers={**HEADERS, "task": "shop.sell"})
    assert found.reason == "unknown-function"
    assert (found.id, found.task, found.kwargs, found.failure) == ("1", "shop.sell", {"n": 1}, "infrastructure")


@pytest.mark.parametrize(
    ("given", "reason", "says"),
    [
        ({"headers": None}, "malformed", "headers"),
        ({"headers": []}, "malformed", "headers"),
        ({"headers": {}}, "malformed", "no task"),
        ({"headers": {}, "body": 5}, "malformed", "no task"),
        ({"headers": {}, "body": {"args": []}}, "malformed", "no task"),
        ({"headers": {**HEADERS, "task": 5}}, "malformed", "task"),
        ({"headers": {**HEADERS, "task": ""}}, "malformed", "task"),
        ({"headers": {**HEADERS, "id": None}}, "malformed", "id"),
        ({"headers": {**HEADERS, "id": "x" * 256}}, "malformed", "id"),
        ({"headers": {**HEADERS, "id": "a\nb"}}, "malformed", "id"),
        ({"headers": {**HEADERS, "retries": "many"}}, "malformed", "retries"),
        ({"headers": {**HEADERS, "timelimit": 5}}, "malformed", "timelimit"),
        ({"headers": {**HEADERS, "timelimit": ["a", "b"]}}, "malformed", "timelimit"),
        ({"headers": {**HEADERS, "timelimit": [1]}}, "malformed", "timelimit"),
        ({"headers": {**HEADERS, "eta": "soon"}}, "malformed", "eta"),
        ({"headers": {**HEADERS, "eta": {}}}, "malformed", "eta"),
        ({"headers": {**HEADERS, "expires": "never"}}, "malformed", "expires"),
        ({"headers": {**HEADERS, "group": {}}}, "malformed", "group"),
        ({"headers": {**HEADERS, "stamps": 3}}, "malformed", "stamps"),
        ({"body": [1]}, "malformed", "[args, kwargs, embed]"),
        ({"body": "text"}, "malformed", "[args, kwargs, embed]"),
        ({"body": None}, "malformed", "[args, kwargs, embed]"),
        ({"body": [[], {}, EMBED, 4]}, "malformed", "[args, kwargs, embed]"),
        ({"body": [[], [], EMBED]}, "malformed", "keyword arguments"),
        ({"body": ["x", {}, EMBED]}, "malformed", "positional arguments"),
        ({"body": [[], {}, 7]}, "malformed", "embed"),
        ({"body": [[], {}, {"callbacks": "x"}]}, "malformed", "callbacks"),
        ({"raw": b"{"}, "undecodable", "not JSON"),
        ({"raw": b"\xff\xfe"}, "undecodable", "not JSON"),
        ({"raw": b"[" * 100_000}, "too-large", "100000 bytes"),
        ({"raw": b"[" * 999}, "undecodable", "not JSON"),
        ({"content_type": "application/x-python-serialize"}, "content-type", "x-python-serialize"),
        ({"content_type": None}, "content-type", "None"),
        ({"content_type": 5}, "content-type", "5"),
    ],
)
def test_what_is_no_call_is_refused_with_its_reason(given: dict[str, Any], reason: str, says: str) -> None:
    found = refused(**given)
    assert found.reason == reason
    assert says in found.detail
    assert found.failure == "invalid"


@pytest.mark.parametrize("message", MALFORMED, ids=lambda message: message.name)
def test_no_malformed_message_passes(message: Malformed) -> None:
    def decode() -> Any:
        if message.headers.get("compression"):  # kombu says so before
            raise DecodeError("undecodable")
        return loads(message.body, message.content_type, "utf-8", accept={"application/json"})

    found = examine(
        message.headers,
        message.body,
        message.content_type,
        decode,
        known={"tried.note"},
        largest=1024 * 1024,
        content_encoding=message.content_encoding,
    )
    assert isinstance(found, Refusal)
    assert found.reason == message.reason
    assert found.detail
    assert (found.id if found.task else None) == message.record


def test_the_body_is_not_decoded_before_size_and_type_are_good() -> None:
    def decode() -> Any:
        raise AssertionError("decoded")

    assert refused(decode=decode, raw=b" " * 1001).reason == "too-large"
    assert refused(decode=decode, content_type="application/x-python-serialize").reason == "content-type"
