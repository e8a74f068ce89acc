"""Forty and more messages that are none, between good ones: the worker takes no harm, and none of them vanishes."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from kombu import Connection

import funcatron_celery.broker  # noqa: F401 - makes sqlite:// known to kombu
from funcatron_celery.envelope import BODY, headers

Site = Any
HEADERS = headers("tried.note", "x")
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
JSON = {"content_type": "application/json", "content_encoding": "utf-8"}


def head(**changed: Any) -> dict[str, Any]:
    return {**{k: v for k, v in HEADERS.items() if k != "funcatron"}, "task": "tried.note", **changed}


BODIES: list[bytes] = [
    b"",
    b"{",
    b"null",
    b"1",
    b'"text"',
    b"[]",
    b"[1]",
    b"[[], {}]",
    b"[[], {}, {}, {}]",
    b"[{}, {}, {}]",
    b"[[], [], {}]",
    b'[[], "x", {}]',
    b"[[], null, {}]",
    b"[[], {}, []]",
    b'[[], {}, {"callbacks": 5}]',
    b'[[], {}, {"chain": {"task": 1}}]',
    b"{}",
    b'{"args": 1}',
    b'{"args": [], "kwargs": 5}',
    b'{"task": []}',
    b"\xff\xfe\x00",
    b"[" * 20_000,
    b'{"__type__": "datetime", "__value__": "x"}',
    b'[[], {"a": {"__type__": "nonsense", "__value__": 1}}, {}]',
    b" " * 2_000_000,
]
HEADERS_GONE_WRONG: list[dict[str, Any]] = [
    {},
    {"task": None},
    {"task": 7, "id": "h1"},
    {"task": "tried.note"},
    {"task": "tried.note", "id": 7},
    {"task": "tried.note", "id": ""},
    head(id="y" * 5000),
    head(id="h2", task="no.such.function"),
    head(id="h3", task="celery.nothing"),
    head(id="h4", eta="tomorrow"),
    head(id="h5", expires=["x"]),
    head(id="h6", timelimit="fast"),
    head(id="h7", retries={}),
    head(id="h8", stamped_headers="x"),
    head(id="h9", group=[1]),
    head(id="h10", compression="application/x-gzip"),
]
PROPERTIES: list[dict[str, Any]] = [
    {"content_type": "application/x-python-serialize", "content_encoding": "binary"},
    {"content_type": "application/nonsense", "content_encoding": "utf-8"},
    {"content_type": "text/plain", "content_encoding": "latin-7"},
]
RAW_ROWS: list[bytes] = [
    b"",
    b"not json",
    b"[]",
    b"{}",
    b'{"properties": {}}',
    b'{"properties": {"body_encoding": "base64"}, "body": "%%%", "headers": {"task": "tried.note", "id": "r1"}}',
    b'{"properties": {"body_encoding": "rot13"}, "body": "x", "headers": {}}',
    b'{"properties": {}, "body": {"a": 1}, "headers": {"task": "tried.note", "id": "r2"},'
    b' "content-type": "application/json", "content-encoding": "utf-8"}',
    b'{"properties": {}, "body": 5, "headers": [], "content-type": 5, "content-encoding": []}',
    b'{"properties": {"delivery_info": 5}, "body": null, "headers": null}',
    b"\xff\xff\xff",
    b'{"properties": {}, "body": "", "headers": {"x": {"__type__": "decimal", "__value__": "no number"}}}',
    b'{"properties": {"body_encoding": 5}, "body": "x", "headers": {}}',
]


@pytest.mark.parametrize("broker", ["embedded", pytest.param("rabbitmq", marks=pytest.mark.service)])
def test_no_message_stops_a_worker(
    site: Site, broker: str, until: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    rows = RAW_ROWS if broker == "embedded" else []
    if broker == "rabbitmq":
        site.broker = site.settings["FUNCATRON_BROKER"] = request.getfixturevalue("vhost")
    site.start("worker")
    malformed = len(BODIES) + len(HEADERS_GONE_WRONG) + len(PROPERTIES) + len(rows)
    assert malformed >= 40
    good = 0
    with Connection(site.broker) as connection:
        producer = connection.Producer()

        def post(body: bytes, headers: dict[str, Any], **properties: Any) -> None:
            producer.publish(body, exchange="", routing_key="funcatron", headers=headers, **properties)

        def good_one() -> None:
            nonlocal good
            good += 1
            body = json.dumps([[], {"body": {"n": good}}, EMBED]).encode()
            post(body, head(id=f"good-{good}"), **JSON, compression="zlib" if good % 2 else None)

        for number, body in enumerate(BODIES):
            post(body, head(id=f"body-{number}") if body[:1] != b"{" else {}, **JSON)
            good_one()
        for wrong in HEADERS_GONE_WRONG:
            post(BODY, wrong, **JSON)
            good_one()
        for number, properties in enumerate(PROPERTIES):
            post(BODY, head(id=f"property-{number}"), **properties)
            good_one()
        if rows:
            with sqlite3.connect(site.file, timeout=30) as raw:
                raw.executemany("insert into message (queue, payload) values ('funcatron', ?)", [(r,) for r in rows])
            raw.close()
        good_one()
        until(lambda: (last := site.store.get(f"good-{good}")) and last.ended, "the last good one to end", 60)
        letters = site.dead("funcatron") if rows else taken(connection, "funcatron.dead")

    states = Counter(site.store.get(f"good-{n}").state for n in range(1, good + 1))
    assert states == {"succeeded": good}
    assert sorted(trace["n"] for trace in site.traces() if "n" in trace) == list(range(1, good + 1))
    assert len(letters) == malformed
    assert "is started again" not in site.log(), "the worker never died"
    for number in range(len(BODIES)):
        if (record := site.store.get(f"body-{number}")) is not None:
            assert record.state == "failed"
            assert record.failure == "invalid"
    assert site.store.get("h2").failure == "infrastructure"
    pids = {trace["pid"] for trace in site.traces()}
    assert len(pids) == 1
    assert process_is_healthy(site)


def taken(connection: Connection, queue: str) -> list[Any]:
    with connection.channel() as channel:
        return list(iter(lambda: channel.basic_get(queue, no_ack=True), None))


def process_is_healthy(site: Site) -> bool:
    (task,) = site.send({"name": "tried.note", "queue": "funcatron", "kwargs": {"body": {"n": 0}}})
    return bool(site.ended(task).state == "succeeded")


@pytest.mark.parametrize("kind", ["eta", "countdown"])
def test_a_call_for_later_is_kept_on_record_and_not_in_a_worker(site: Site, kind: str) -> None:
    process = site.start("worker")
    (task,) = site.send(
        {"name": "tried.note", "queue": "funcatron", "kwargs": {"body": {"n": 1}}, "countdown": 2}
        if kind == "countdown"
        else {"name": "tried.note", "queue": "funcatron", "kwargs": {"body": {"n": 1}}, "eta": "2100-01-01T00:00:00"}
    )
    import time

    end = time.monotonic() + 20
    while (record := site.store.get(task)) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert (record.state, record.attempt) == ("queued", 0)
    assert record.due_at is not None
    assert site.traces() == []
    assert site.stop(process) == 0
    if kind == "countdown":
        site.start("run")
        ended = site.ended(task)
        assert ended.state == "succeeded"
        assert ended.started_at >= record.due_at


def test_a_call_of_protocol_1_is_run_and_its_time_is_kept(site: Site) -> None:
    site.start("run")
    kwargs = {"body": {"n": 1}}
    with Connection(site.broker) as connection:
        producer = connection.Producer()
        for name, eta in (("later", "2100-01-01T00:00:00"), ("now", None), ("past", "2020-01-01T00:00:00")):
            body = {"task": "tried.note", "id": name, "args": [], "kwargs": kwargs, "eta": eta, "retries": 0}
            producer.publish(body, exchange="", routing_key="funcatron")
    for name in ("now", "past"):
        assert site.ended(name).state == "succeeded"
    assert site.store.get("later").state == "queued"
    assert all(trace["main"] for trace in site.traces())
