"""Queue and clock triggers in a running application, on the embedded broker and on RabbitMQ."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kombu import Connection, Exchange

import funcatron_celery.broker  # noqa: F401 - makes sqlite:// known to kombu
from funcatron import Funcatron
from funcatron.event import CloudEvent
from funcatron.settings import Settings
from funcatron_celery.queue import QueueTrigger
from funcatron_celery.schedule import ScheduleTrigger

Site = Any
EVENT = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "com.shop.sold", "subject": "s"}


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.service)])
def served(request: pytest.FixtureRequest, site: Site) -> Site:
    """A running application, on each kind of broker."""
    if request.param == "rabbitmq":
        site.broker = site.settings["FUNCATRON_BROKER"] = request.getfixturevalue("vhost")
    site.start("run")
    return site


@pytest.fixture
def producer(served: Site) -> Iterator[Any]:
    with Connection(served.broker) as connection:
        yield connection.Producer()


def heard(site: Site, until: Callable[..., Any], count: int) -> list[dict[str, Any]]:
    def traces() -> list[dict[str, Any]]:
        return [trace for trace in site.traces() if "type" in trace]

    until(lambda: len(traces()) >= count, f"{count} events")
    return traces()


def test_messages_of_every_form_become_events(served: Site, producer: Any, until: Callable[..., Any]) -> None:
    def post(body: Any, **properties: Any) -> None:
        producer.publish(body, exchange="", routing_key="inbox", **properties)

    post({"plain": 1})
    post(b"text", content_type="text/plain", content_encoding="utf-8")
    structured = b'{"specversion": "1.0", "id": "e2", "source": "/shop", "type": "structured", "data": [1]}'
    post(structured, content_type="application/cloudevents+json", content_encoding="utf-8")
    post({"binary": 1}, headers={f"cloudEvents_{name}": value for name, value in EVENT.items()})
    traces = heard(served, until, 4)
    by_type = {trace["type"]: trace for trace in traces if trace["type"] != "org.funcatron.queue.message"}
    assert by_type["structured"]["data"] == [1]
    assert by_type["com.shop.sold"]["data"] == {"binary": 1}
    assert by_type["com.shop.sold"]["subject"] == "s"
    plain = [trace for trace in traces if trace["type"] == "org.funcatron.queue.message"]
    assert sorted(str(trace["data"]) for trace in plain) == ["text", "{'plain': 1}"]
    assert {trace["source"] for trace in plain} == {"/queues/inbox"}
    assert {record.trigger for record in served.all()} == {"queue"}


def test_an_exchange_is_bound_by_routing_key(served: Site, producer: Any, until: Callable[..., Any]) -> None:
    exchange = Exchange("shop", type="topic")
    for key in ("order.new", "order.new.eu", "customer.new"):
        producer.publish({"key": key}, exchange=exchange, routing_key=key, declare=[exchange])
    heard(served, until, 2)
    assert sorted(trace["data"]["key"] for trace in served.traces()) == ["order.new", "order.new.eu"]


def test_a_message_with_an_id_is_one_event_however_often_it_comes(
    served: Site, producer: Any, until: Callable[..., Any]
) -> None:
    for number in range(3):
        producer.publish({"n": number}, exchange="", routing_key="inbox", message_id="same")
    for _ in range(2):
        producer.publish({"n": "equal"}, exchange="", routing_key="inbox")
    heard(served, until, 3)
    producer.publish({"n": "last"}, exchange="", routing_key="inbox", message_id="last")
    until(lambda: any(trace["data"]["n"] == "last" for trace in served.traces()))
    first, *others = sorted(str(trace["data"]["n"]) for trace in served.traces())
    assert others == ["equal", "equal", "last"]
    assert first in ("0", "1", "2"), "which of them comes first nobody promises"


def test_what_is_no_event_is_dead_with_its_reason_and_stops_nothing(
    served: Site, producer: Any, until: Callable[..., Any]
) -> None:
    wrong: list[tuple[bytes, str]] = [
        (b"{", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"{}", "application/cloudevents+json"),
        (b"[]", "application/cloudevents+json"),
        (b"x" * 1_500_000, "application/octet-stream"),
        (b'"' + b"x" * 300_000 + b'"', "application/json"),
    ]
    for body, content_type in wrong:
        producer.publish(body, exchange="", routing_key="inbox", content_type=content_type, content_encoding="utf-8")
        producer.publish({"good": 1}, exchange="", routing_key="inbox")
    heard(served, until, len(wrong))
    channel = producer.channel
    letters = [until(lambda: channel.basic_get("inbox.dead", no_ack=True), "a dead letter") for _ in wrong]
    assert channel.basic_get("inbox.dead", no_ack=True) is None
    reasons = [letter.headers["x-funcatron-reason"] for letter in letters]
    assert sorted(reasons) == ["malformed"] * 4 + ["too-large"] * 2
    assert all(letter.headers["x-funcatron-queue"] == "inbox" for letter in letters)


def test_messages_wait_while_nobody_listens_and_none_is_lost_when_the_listener_is_killed(
    site: Site, until: Callable[..., Any]
) -> None:
    import os

    process = site.start("run")
    with Connection(site.broker) as connection:
        producer = connection.Producer()
        for n in range(300):
            producer.publish({"n": n}, exchange="", routing_key="inbox")
            if n in (100, 200):
                for pid in site.children("triggers"):
                    os.kill(pid, signal.SIGKILL)
        site.stop(process)
        for n in range(300, 320):
            producer.publish({"n": n}, exchange="", routing_key="inbox")
    site.start("run")
    heard(site, until, 320)
    assert sorted(trace["data"]["n"] for trace in site.traces()) == list(range(320)), "each once"


def test_a_tick_fires_once_with_two_clocks(site: Site, tmp_path: Any) -> None:
    document = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "paths": {
            "/report": {
                "post": {
                    "operationId": "report",
                    "x-funcatron": {"triggers": [{"schedule": {"cron": "* * * * *"}}]},
                    "responses": {"200": {"description": "ok"}},
                }
            }
        },
    }
    clocks = [
        Funcatron(document, handlers={"report": lambda event: None}, settings=Settings(data_dir=str(tmp_path / "d")))
        for _ in range(2)
    ]
    tick = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    barrier = threading.Barrier(2)

    def fire(clock: Funcatron) -> None:
        (bound,) = clock.triggers
        assert isinstance(bound.trigger, ScheduleTrigger)
        event = bound.trigger.to_event(tick)
        barrier.wait(10)
        for _ in range(5):
            clock.publish(event, function="report", trigger="schedule", mapping=bound.mapping)

    threads = [threading.Thread(target=fire, args=(clock,)) for clock in clocks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    try:
        assert clocks[0].store.counts()["queued"] == 1
    finally:
        for clock in clocks:
            clock.close()


def test_a_store_that_is_away_holds_messages_back(tmp_path: Any, until: Callable[..., Any]) -> None:
    from funcatron.errors import Unavailable

    broker = f"sqlite:///{tmp_path / 'broker.db'}"
    taken: list[CloudEvent] = []
    away = threading.Event()
    refused = threading.Event()
    away.set()

    def publish(event: CloudEvent) -> None:
        if away.is_set():
            refused.set()
            raise Unavailable("the store is away")
        taken.append(event)

    trigger = QueueTrigger(function="f", settings={"name": "inbox"}, config=Settings(broker=broker))
    with Connection(broker) as connection:
        connection.Producer().publish({"n": 1}, exchange="", routing_key="inbox")
    trigger.start(publish)
    assert refused.wait(10)
    trigger.stop()
    again = QueueTrigger(function="f", settings={"name": "inbox"}, config=Settings(broker=broker))
    away.clear()
    again.start(publish)
    try:
        until(lambda: taken, "the message to come back")
    finally:
        again.stop()
    assert [event.data for event in taken] == [{"n": 1}]
