"""Workers on Redis, which works and promises less."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from kombu import Connection

from tests.integration.running import ask

pytestmark = pytest.mark.service
Site = Any
CALL = {"name": "tried.note", "queue": "funcatron"}


@pytest.fixture
def redis_site(site: Site, redis: str) -> Site:
    site.broker = site.settings["FUNCATRON_BROKER"] = redis
    return site


def test_calls_over_http_and_from_celery_clients_are_run(redis_site: Site, until: Callable[..., Any]) -> None:
    site = redis_site
    site.start("run", "--workers", "2")
    own = [ask("POST", f"{site.url}/note", json={"n": n}).json()["id"] for n in range(10)]
    tasks = site.send(*({**CALL, "kwargs": {"body": {"n": n}}} for n in range(10, 20)), {**CALL, "args": [1]})
    assert {site.ended(each).state for each in [*own, *tasks[:-1]]} == {"succeeded"}
    assert site.ended(tasks[-1]).failure == "invalid"
    (killed,) = site.send({"name": "tried.behave", "queue": "funcatron", "kwargs": {"how": "raise", "times": 1}})
    assert (site.ended(killed).state, site.ended(killed).attempt) == ("succeeded", 2)
    with Connection(site.broker) as connection:
        producer = connection.Producer()
        producer.publish([1], exchange="", routing_key="funcatron", headers={"task": "tried.note", "id": "shapeless"})
        channel = connection.channel()
        letter = until(lambda: channel.basic_get("funcatron.dead", no_ack=True), "a dead letter")
    assert letter.headers["x-funcatron-reason"] == "malformed"
    assert site.ended("shapeless").failure == "invalid"


def test_strict_durability_refuses_redis(redis_site: Site) -> None:
    site = redis_site
    site.settings["FUNCATRON_DURABILITY"] = "strict"
    process = site.command(sys.executable, "-m", "funcatron.cli", "worker", site.spec)
    assert process.wait(30) == 2
    assert "durability is strict, and redis:// may lose a message" in site.log()
