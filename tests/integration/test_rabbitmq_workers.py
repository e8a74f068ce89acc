"""Workers on RabbitMQ: plain Celery clients, our own publisher, dead letters, a broker that goes away."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from tests.integration.running import ask

pytestmark = pytest.mark.service
Site = Any
SPEC = str(Path(__file__).parent / "site" / "openapi.yaml")
CALL = {"name": "tried.note", "queue": "funcatron"}


@pytest.fixture
def rabbit_site(site: Site, vhost: str) -> Site:
    """An application whose broker is a RabbitMQ of its own name."""
    site.broker = vhost
    site.settings["FUNCATRON_BROKER"] = vhost
    return site


def test_http_accepts_workers_run_and_queues_are_quorum_queues(rabbit_site: Site) -> None:
    site = rabbit_site
    site.start("run")
    ids = [ask("POST", f"{site.url}/note", json={"n": n}).json()["id"] for n in range(10)]
    assert {site.ended(each).state for each in ids} == {"succeeded"}
    with Connection(site.broker) as connection, connection.channel() as channel:
        arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": 20,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "funcatron.dead",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        left = channel.queue_declare("funcatron.executions", durable=True, auto_delete=False, arguments=arguments)
        assert left.message_count == 0


def test_a_plain_celery_client_is_served_whoever_comes_first(rabbit_site: Site) -> None:
    site = rabbit_site
    (before,) = site.send({**CALL, "kwargs": {"body": {"n": 1}}})
    site.start("worker")
    after, bad = site.send({**CALL, "kwargs": {"body": {"n": 2}}}, {**CALL, "args": [1]})
    assert site.ended(before).state == "succeeded"
    assert site.ended(after).state == "succeeded"
    assert site.ended(bad).failure == "invalid"


def test_a_worker_that_is_killed_costs_an_attempt_and_no_call(rabbit_site: Site) -> None:
    site = rabbit_site
    site.start("run", "--workers", "2")
    (task,) = site.send({"name": "tried.behave", "queue": "funcatron", "kwargs": {"how": "kill", "times": 1}})
    own = ask("GET", f"{site.url}/behave/kill").json()["id"]
    for each in (task, own):
        record = site.ended(each)
        assert (record.state, record.attempt) == ("succeeded", 2)


def test_what_cannot_be_read_is_dead_with_its_reason(rabbit_site: Site, until: Callable[..., Any]) -> None:
    site = rabbit_site
    site.start("worker")
    with Connection(site.broker) as connection:
        producer = connection.Producer()
        producer.publish(
            b"{",
            routing_key="funcatron",
            exchange="funcatron",
            content_type="application/json",
            content_encoding="utf-8",
            headers={"task": "tried.note", "id": "broken"},
        )
        producer.publish(
            [1], routing_key="funcatron", exchange="funcatron", headers={"task": "tried.note", "id": "shapeless"}
        )
        channel = connection.channel()
        first = until(lambda: channel.basic_get("funcatron.dead", no_ack=True), "a dead letter")
        letters = [first, until(lambda: channel.basic_get("funcatron.dead", no_ack=True), "another")]
    assert {letter.headers["x-funcatron-reason"] for letter in letters} == {"undecodable", "malformed"}
    assert site.ended("broken").failure == "invalid"
    assert site.ended("shapeless").failure == "invalid"


def test_a_broker_that_is_away_stops_nobody_and_loses_nothing(
    site: Site, own_rabbitmq: Any, until: Callable[..., Any]
) -> None:
    site.broker = own_rabbitmq.url
    site.settings["FUNCATRON_BROKER"] = own_rabbitmq.url
    site.start("run")
    ids = [ask("POST", f"{site.url}/note", json={"n": 1}).json()["id"]]
    site.ended(ids[0])
    time.sleep(6)  # what RabbitMQ 3.10 knows of a new quorum queue is on its disk only after some seconds
    own_rabbitmq.kill()
    for n in range(2, 7):
        answer = ask("POST", f"{site.url}/note", json={"n": n})
        assert answer.status_code == 202, "what is on record is accepted"
        ids.append(answer.json()["id"])
    own_rabbitmq.start()
    assert {site.ended(each).state for each in ids} == {"succeeded"}
    assert sorted(trace["n"] for trace in site.traces()) == [1, 2, 3, 4, 5, 6]
    with Connection(site.broker) as connection:
        connection.Producer().publish({"after": 1}, exchange="", routing_key="inbox")
    until(lambda: any(trace.get("data") == {"after": 1} for trace in site.traces()), "the queue trigger to come back")


def test_celerys_prefork_pool(rabbit_site: Site, until: Callable[..., Any]) -> None:
    site = rabbit_site
    site.settings["FUNCATRON_SPEC"] = SPEC
    command = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "funcatron_celery.app", "worker", "-l", "INFO"]
    process = site.command(*command, "--concurrency", "2", "-Q", "funcatron", name="celery.log")
    until(lambda: " ready." in site.log("celery.log"), "celery to be ready")
    assert "concurrency: 2 (prefork)" in site.log("celery.log")
    site.start("triggers")
    behave = {"name": "tried.behave", "queue": "funcatron"}
    tasks = site.send(
        {**CALL, "kwargs": {"body": {"n": 1}}},
        {**behave, "kwargs": {"how": "sleep", "times": 1}},
        {**behave, "kwargs": {"how": "kill", "times": 1}},
        {**behave, "kwargs": {"how": "stuck", "times": 1}, "time_limit": 1000, "soft_time_limit": 1000},
        {**behave, "kwargs": {"how": "os_exit", "times": 9}},
    )
    ends = [(record.state, record.attempt) for record in map(site.ended, tasks)]
    assert ends == [("succeeded", 1), ("succeeded", 2), ("succeeded", 2), ("succeeded", 2), ("failed", 3)]
    assert site.ended(tasks[4]).failure == "lost"
    assert len({trace["pid"] for trace in site.traces()}) >= 2
    assert site.stop(process) == 0


def test_a_queue_that_somebody_made_otherwise_is_taken_as_it_is(rabbit_site: Site) -> None:
    site = rabbit_site
    with Connection(site.broker) as connection, connection.channel() as channel:
        quorum = {"x-queue-type": "quorum", "x-delivery-limit": 3}
        for name in ("funcatron", "funcatron.executions"):
            channel.queue_declare(name, durable=True, auto_delete=False, arguments=quorum)
    site.start("run")
    (task,) = site.send(
        {**CALL, "kwargs": {"body": {"n": 1}}, "exchange": "funcatron", "routing_key": "funcatron", "queue": None}
    )
    own = ask("POST", f"{site.url}/note", json={"n": 2}).json()["id"]
    assert {site.ended(each).state for each in (task, own)} == {"succeeded"}
