"""Hundreds of messages that are none, between good ones: no worker takes harm, and none of them vanishes."""

from __future__ import annotations

import sqlite3
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import amqp
import pytest
from kombu import Connection

import funcatron_celery.broker  # noqa: F401 - makes sqlite:// known to kombu
from funcatron_celery.declare import declare_if_missing
from funcatron_celery.topology import dead_queue
from tests.malformed import EVENTS, MALFORMED, PROPERTIES, REFUSED, ROWS, Malformed, Refused, good, head

Site = Any
PATIENCE = 180.0
MARK = "x-tests-name"
"""The header by which a dead letter is known again."""
JSON = {"content_type": "application/json", "content_encoding": "utf-8"}


class Raw(amqp.Message):
    """An AMQP message whose properties are written as they are."""

    def __init__(self, flags: int, properties: bytes) -> None:
        super().__init__(b"[[], {}, {}]")
        self._raw = struct.pack(">H", flags) + properties

    def _serialize_properties(self) -> bytes:
        return self._raw


class Thrower:
    """Puts messages on one queue, a good one after each bad one."""

    def __init__(self, channel: Any, queue: str, body: Callable[[int], bytes], headers: Callable[[int], Any]) -> None:
        self._channel = channel
        self._queue = queue
        self._body = body
        self._headers = headers
        self.good = 0

    def throw(self, bad: Malformed | Refused) -> None:
        """Put a bad message, and a good one."""
        if isinstance(bad, Refused):
            self.put(bad.body, head(id=f"refused-{bad.name}"), JSON)
        else:
            kind = {"content_type": bad.content_type, "content_encoding": bad.content_encoding}
            self.put(bad.body, {**bad.headers, MARK: bad.name}, kind, bad.properties)
        self.fine()

    def fine(self) -> None:
        """Put a good message."""
        self.good += 1
        self.put(self._body(self.good), self._headers(self.good), JSON, {"message_id": f"fine-{self.good}"})

    def put(self, body: bytes, headers: Any, kind: Mapping[str, str], properties: Any = None) -> None:
        message = self._channel.prepare_message(body, headers=headers, properties=dict(properties or {}), **kind)
        self._channel.basic_publish(message, exchange="", routing_key=self._queue)


@pytest.mark.parametrize(
    "place",
    ["embedded", *(pytest.param(name, marks=pytest.mark.service) for name in ("rabbitmq", "executions", "redis"))],
)
def test_no_message_stops_a_worker(
    site: Site, place: str, until: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    """Celery messages, on each broker; on RabbitMQ on the clients' queue (classic) and on ours (quorum)."""
    assert len(MALFORMED) >= 200
    start(site, place, "worker", request)
    workers = site.children("worker")
    with Connection(site.broker) as connection, connection.channel() as channel:
        queue = "funcatron.executions" if place == "executions" else "funcatron"
        thrower = Thrower(channel, queue, good, lambda number: head(id=f"good-{number}"))
        for bad in (*MALFORMED, *REFUSED):
            thrower.throw(bad)
        raw = unread(site, place, channel, queue)
        thrower.fine()
        letters = gathered(channel, "funcatron.dead", len(MALFORMED) + raw, until)
        until(lambda: (last := site.store.get(f"good-{thrower.good}")) and last.ended, "the last good one", PATIENCE)
    assert Counter(record.state for record in site.all() if record.id.startswith("good-")) == {
        "succeeded": thrower.good
    }
    assert sorted(trace["n"] for trace in site.traces() if "n" in trace) == list(range(1, thrower.good + 1))
    assert all(
        letter.headers["x-funcatron-reason"] for letter in letters if place != "embedded" or MARK in letter.headers
    )
    assert site.children("worker") == workers, "no worker died"
    assert "is started again" not in site.log()
    check_letters(letters, MALFORMED)
    check_records(site)


def check_letters(letters: list[Any], messages: list[Malformed]) -> None:
    """Each message has its letter, with the reason that is due to it."""
    found = {name: letter.headers["x-funcatron-reason"] for letter in letters if (name := letter.headers.get(MARK))}
    large = {message.name for message in messages if len(repr(message.headers)) > 30_000 or "deep" in message.headers}
    assert found == {message.name: message.reason for message in messages if message.name not in large}
    assert all(letter.headers["x-funcatron-detail"] for letter in letters if letter.headers.get(MARK))


def check_records(site: Site) -> None:
    """Whatever has an id is a failed execution that says why."""
    for message in MALFORMED:
        if message.record is not None:
            record = site.store.get(message.record)
            assert record is not None, message.name
            unknown = message.reason == "unknown-function"
            assert (record.state, record.failure) == ("failed", "infrastructure" if unknown else "invalid"), (
                message.name
            )
            assert record.problem["detail"], message.name
            assert record.problem["reason"] == message.reason
    for refused in REFUSED:
        record = site.store.get(f"refused-{refused.name}")
        assert record is not None, refused.name
        assert (record.state, record.failure) == ("failed", "invalid"), refused.name
        assert record.problem["detail"] or record.problem["errors"], refused.name


@pytest.mark.parametrize(
    "place", ["embedded", *(pytest.param(name, marks=pytest.mark.service) for name in ("rabbitmq", "redis"))]
)
def test_no_message_stops_a_queue_trigger(
    site: Site, place: str, until: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    start(site, place, "run", request)
    processes = site.children("triggers")
    with Connection(site.broker) as connection, connection.channel() as channel:
        declare_if_missing(connection, dead_queue(site.broker, "inbox"))
        thrower = Thrower(channel, "inbox", lambda number: b'{"n": %d}' % number, lambda number: {})
        for bad in EVENTS:
            thrower.throw(bad)
        raw = 0
        if place == "rabbitmq":
            channel.basic_publish(Raw(*PROPERTIES["content type not UTF-8"]), exchange="", routing_key="inbox")
            raw = 1
        elif place == "redis":
            channel.client.lpush("inbox", *ROWS[:6])
            raw = 6
        thrower.fine()
        letters = gathered(channel, "inbox.dead", len(EVENTS) + raw, until)
        until(lambda: len(heard(site)) == thrower.good, "all good ones", PATIENCE)
    assert sorted(heard(site)) == list(range(1, thrower.good + 1))
    assert site.children("triggers") == processes, "it never ended"
    check_letters(letters, EVENTS)


def start(site: Site, place: str, part: str, request: pytest.FixtureRequest) -> None:
    if place != "embedded":
        site.broker = request.getfixturevalue("redis" if place == "redis" else "vhost")
        site.settings["FUNCATRON_BROKER"] = site.broker
    site.start(part)


def unread(site: Site, place: str, channel: Any, queue: str) -> int:
    """Put what its broker carries and no reader can read; returns how many."""
    if place == "embedded":
        with closing(sqlite3.connect(site.file, timeout=30)) as raw, raw:
            raw.executemany("insert into message (queue, payload) values ('funcatron', ?)", [(row,) for row in ROWS])
        return len(ROWS)
    if place == "redis":
        for row in ROWS:
            channel.client.lpush(queue, row)
        return len(ROWS)
    for flags, properties in PROPERTIES.values():
        channel.basic_publish(Raw(flags, properties), exchange="", routing_key=queue)
    return len(PROPERTIES)


def gathered(channel: Any, queue: str, count: int, until: Callable[..., Any]) -> list[Any]:
    """Return all letters of a queue, once there are ``count`` of them."""
    letters: list[Any] = []

    def all_here() -> bool:
        letters.extend(map(message_of(channel), iter(lambda: channel.basic_get(queue, no_ack=True), None)))
        return len(letters) >= count

    until(all_here, lambda: f"letters: {sorted(str(letter.headers.get(MARK)) for letter in letters)}", PATIENCE)
    assert len(letters) == count
    return letters


def message_of(channel: Any) -> Callable[[Any], Any]:
    convert = getattr(channel, "message_to_python", None)
    return lambda raw: convert(raw) if convert is not None and not hasattr(raw, "acknowledged") else raw


def heard(site: Site) -> list[int]:
    return [
        trace["data"]["n"] for trace in site.traces() if isinstance(trace.get("data"), dict) and "n" in trace["data"]
    ]


@pytest.mark.parametrize("kind", ["eta", "countdown"])
def test_a_call_for_later_is_kept_on_record_and_not_in_a_worker(
    site: Site, kind: str, until: Callable[..., Any]
) -> None:
    process = site.start("worker")
    (task,) = site.send(
        {"name": "tried.note", "queue": "funcatron", "kwargs": {"body": {"n": 1}}, "countdown": 2}
        if kind == "countdown"
        else {"name": "tried.note", "queue": "funcatron", "kwargs": {"body": {"n": 1}}, "eta": "2100-01-01T00:00:00"}
    )
    record = until(lambda: site.store.get(task), "the record")
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
