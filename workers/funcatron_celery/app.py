"""The Celery application: ``celery -A funcatron_celery.app worker`` and ``make_celery`` for those who embed it.

The module's ``app`` is made on first use, from the settings alone (``FUNCATRON_SPEC`` names the documents).
"""

from __future__ import annotations

from typing import Any

from celery import Celery

from funcatron.app import Funcatron
from funcatron.errors import SettingsError
from funcatron.settings import load_settings
from funcatron_celery.broker import AMQP_OPTIONS
from funcatron_celery.durability import check_broker
from funcatron_celery.identity import Identity
from funcatron_celery.sqlite import register
from funcatron_celery.tasks import Tasks
from funcatron_celery.topology import consumed_queues, is_amqp, is_embedded

__all__ = ["FunctionsApp", "make_celery"]

PREFORK = ("amqp", "pyamqp", "redis")
"""Brokers whose transport has an async loop, which the prefork pool needs."""

POOLS = {"asyncio": "funcatron_celery.asyncio_pool:TaskPool"}
"""Pools that Celery has no name for."""

ASYNC_CONCURRENCY = 100
"""Executions at a time on one event loop, unless ``concurrency`` says otherwise."""

WORKER_OPTIONS = {**AMQP_OPTIONS, "read_timeout": 60}
"""A broker that does not answer for a minute is connected to anew: RabbitMQ can leave a client waiting for ever, for a
quorum queue whose first entries were lost when the broker was killed."""


class FunctionsApp(Celery):  # type: ignore[misc]
    """A Celery application whose tasks are functions."""

    funcatron: Funcatron
    tasks_of_functions: Tasks
    identity: Identity


def make_celery(funcatron: Funcatron, *, supervised: bool = False) -> FunctionsApp:
    """Return a Celery application with one task per function; raises SettingsError for a broker that will not do.

    ``supervised`` is for workers whose supervisor keeps several of them and enforces hard time limits: they are solo.
    """
    settings = funcatron.settings
    check_broker(settings)
    register()
    app = FunctionsApp("funcatron", broker=settings.broker_url, set_as_current=False)
    app.conf.update(configuration(funcatron, supervised=supervised))
    app.funcatron = funcatron
    app.identity = Identity(lambda: funcatron.store.lease())
    app.tasks_of_functions = Tasks(funcatron, app.identity)
    app.tasks_of_functions.register(app)
    return app


def configuration(funcatron: Funcatron, *, supervised: bool = False) -> dict[str, Any]:
    """Return Celery's settings: late acknowledgement, no chatter, our consumer, one task queue per ``queue``."""
    settings = funcatron.settings
    functions = funcatron.registry.functions.values()
    names = settings.queues or tuple(sorted({function.extension.queue for function in functions}))
    alone = supervised or not settings.broker_url.startswith(PREFORK)
    pool = settings.pool if settings.pool != "auto" else "solo" if alone else "prefork"
    concurrency = settings.concurrency or (ASYNC_CONCURRENCY if pool == "asyncio" else 1)
    paced = pool == "solo" and is_embedded(settings.broker_url)  # our transport claims no more than is soon begun
    return {
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "result_backend": settings.result_backend,
        "task_ignore_result": settings.result_backend is None,
        "task_queues": list(consumed_queues(settings.broker_url, names)),
        "task_default_queue": names[0] if names else "funcatron",
        "task_routes": {f.name: {"queue": f.extension.queue} for f in functions},
        "task_create_missing_queues": True,
        "task_acks_late": True,
        "task_acks_on_failure_or_timeout": True,
        "task_reject_on_worker_lost": True,
        "task_send_sent_event": False,
        "worker_send_task_events": False,
        "worker_consumer": "funcatron_celery.guard:Consumer",
        "worker_pool": POOLS.get(pool, pool),
        "worker_concurrency": 1 if pool == "solo" else concurrency,
        "worker_prefetch_multiplier": 64 if paced else 1,
        "worker_enable_prefetch_count_reduction": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_heartbeat": 0 if pool == "solo" else 120,
        "broker_transport_options": WORKER_OPTIONS if is_amqp(settings.broker_url) else {},
        "enable_utc": True,
    }


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    settings = load_settings()
    if not settings.spec:
        raise SettingsError("no document is given: set FUNCATRON_SPEC to one or more, separated by commas")
    globals()["app"] = made = make_celery(Funcatron(*settings.spec, settings=settings))
    return made
