"""The Celery application: tasks, queues, settings that deliver at least once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from funcatron import Funcatron
from funcatron.errors import SettingsError, Unavailable
from funcatron.ports import Lease
from funcatron.settings import Settings
from funcatron_celery.app import make_celery
from funcatron_celery.durability import check_broker
from funcatron_celery.identity import Identity
from funcatron_celery.queue import QueueTrigger
from funcatron_celery.topology import consumed_queues


def operation(name: str, **extension: Any) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": f"What {name} does",
        "x-funcatron": {"mode": "async", **extension},
        "responses": {"200": {"description": "ok"}},
    }


DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "paths": {"/a": {"post": operation("shop.a")}, "/b": {"post": operation("shop.b", queue="images", timeout=7)}},
}


def application(tmp_path: Path, *, supervised: bool = False, **settings: Any) -> Any:
    funcatron = Funcatron(
        DOCUMENT, handlers=lambda name: lambda: name, settings=Settings(data_dir=str(tmp_path), **settings)
    )
    return make_celery(funcatron, supervised=supervised)


def test_one_task_for_each_function(tmp_path: Path) -> None:
    app = application(tmp_path)
    assert {name for name in app.tasks if not name.startswith("celery.")} == {"shop.a", "shop.b"}
    assert app.tasks["shop.b"].time_limit == 9
    assert app.tasks["shop.a"].__doc__ == "What shop.a does"
    assert app.tasks["shop.a"].acks_late
    assert app.tasks["shop.a"].ignore_result


@pytest.mark.parametrize("failure", [Unavailable("it is away"), SettingsError("it is of a newer funcatron")])
def test_a_call_is_kept_while_a_worker_cannot_say_that_it_lives(tmp_path: Path, failure: Exception) -> None:
    app = application(tmp_path)
    leases: list[Lease] = []

    def take() -> Lease:
        if not leases:
            leases.append(app.funcatron.store.lease())
            raise failure
        return leases[0]

    app.tasks_of_functions._identity = Identity(take)
    app.tasks["shop.a"].apply(kwargs={}, task_id="one").get()
    record = app.funcatron.store.get("one")
    assert record is not None
    assert (record.state, record.worker) == ("succeeded", leases[0].id)
    leases[0].release()
    app.funcatron.close()


@pytest.mark.parametrize(
    ("broker", "queues"),
    [
        (None, {"funcatron", "images", "celery"}),
        ("redis://localhost", {"funcatron", "images"}),
        ("amqp://localhost", {"funcatron", "images", "funcatron.executions", "images.executions"}),
    ],
)
def test_the_queues_of_the_functions_are_consumed(tmp_path: Path, broker: str | None, queues: set[str]) -> None:
    app = application(tmp_path, broker=broker)
    assert set(app.amqp.queues.consume_from) == queues
    assert app.amqp.router.route({}, "shop.b")["queue"].name == "images"


def test_queues_may_be_named(tmp_path: Path) -> None:
    app = application(tmp_path, broker="redis://localhost", queues=("images", "celery"))
    assert set(app.amqp.queues.consume_from) == {"images", "celery"}


@pytest.mark.parametrize(
    ("settings", "supervised", "pool"),
    [
        ({}, False, "solo"),
        ({"broker": "amqp://localhost"}, False, "prefork"),
        ({"broker": "redis://localhost"}, False, "prefork"),
        ({"broker": "amqp://localhost"}, True, "solo"),
        ({"pool": "threads"}, False, "threads"),
        ({"broker": "amqp://localhost", "pool": "threads"}, True, "threads"),
    ],
)
def test_the_pool_is_one_that_the_broker_can_do(
    tmp_path: Path, settings: dict[str, Any], supervised: bool, pool: str
) -> None:
    app = application(tmp_path, supervised=supervised, concurrency=3, **settings)
    assert app.conf.worker_pool == pool
    assert app.conf.worker_concurrency == (1 if pool == "solo" else 3)


def test_messages_are_acknowledged_late_and_only_json_is_read(tmp_path: Path) -> None:
    conf = application(tmp_path).conf
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.accept_content == ["json"]
    assert conf.broker_connection_max_retries is None
    assert application(tmp_path, broker="amqp://localhost").conf.broker_transport_options["confirm_publish"] is True


def test_results_are_kept_where_a_backend_is_named(tmp_path: Path) -> None:
    app = application(tmp_path, result_backend="file:///nowhere")
    assert not app.tasks["shop.a"].ignore_result


@pytest.mark.parametrize("broker", ["redis://localhost", "rediss://localhost", "sqs://", "memory://"])
def test_strict_durability_refuses_what_may_lose_messages(broker: str) -> None:
    with pytest.raises(SettingsError, match="durability is strict"):
        check_broker(Settings(broker=broker, durability="strict"))
    check_broker(Settings(broker=broker))


@pytest.mark.parametrize("broker", ["http://localhost", "rabbitmq://localhost"])
def test_a_broker_that_nobody_knows_is_refused(broker: str) -> None:
    with pytest.raises(SettingsError, match=r"there is no broker of that kind: use amqp:// \(RabbitMQ\)"):
        check_broker(Settings(broker=broker))


def test_a_queue_at_a_broker_that_nobody_knows_is_a_mistake() -> None:
    assert QueueTrigger.check({"name": "a", "url": "amqp://localhost"}) == QueueTrigger.check({"name": "a"}) == []
    (mistake,) = QueueTrigger.check({"name": "a", "url": "foo://localhost"})
    assert mistake.startswith("url is foo://..., and there is no broker of that kind: use ")
    (mistake,) = QueueTrigger.check({"name": "a", "url": "localhost"})
    assert "must be a broker's URL" in mistake


@pytest.mark.parametrize("broker", [None, "amqp://localhost", "amqps://localhost"])
def test_strict_durability_takes_what_does_not(broker: str | None) -> None:
    check_broker(Settings(broker=broker, durability="strict"))


def test_the_door_for_celery_clients_is_declared_as_they_declare_it() -> None:
    from celery import Celery

    theirs = Celery(broker="amqp://localhost", set_as_current=False).amqp.queues.new_missing("images")
    ours = next(queue for queue in consumed_queues("amqp://localhost", ["images"]) if queue.name == "images")
    for attribute in ("durable", "auto_delete", "exclusive", "queue_arguments", "routing_key"):
        assert getattr(ours, attribute) == getattr(theirs, attribute), attribute
    for attribute in ("name", "type", "durable", "auto_delete", "arguments"):
        assert getattr(ours.exchange, attribute) == getattr(theirs.exchange, attribute), attribute
