"""Time limits and cancellation in every pool, with sync and async handlers; and the asyncio pool's own promises."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from celery import Celery
from kombu import Connection

from tests.integration.running import ask

Site = Any
POOLS = Path(__file__).parent / "pools"


class Pool(NamedTuple):
    """A pool, and how an application is told to use it for several executions at a time."""

    name: str
    options: tuple[str, ...]
    rabbitmq: bool = False


POOL_OPTIONS = [
    Pool("solo", ("--workers", "4")),
    Pool("threads", ("--concurrency", "4")),
    Pool("asyncio", ()),
    pytest.param(Pool("prefork", ("--concurrency", "4"), rabbitmq=True), marks=pytest.mark.service),
]


@pytest.fixture
def pool_site(site: Site) -> Site:
    """An application with the handlers of ``pools``."""
    site.spec = str(POOLS / "openapi.yaml")
    return site


@pytest.fixture
def pool(request: pytest.FixtureRequest, pool_site: Site) -> Iterator[Pool]:
    """A pool that serves."""
    made: Pool = request.param
    if made.rabbitmq:
        pool_site.settings["FUNCATRON_BROKER"] = request.getfixturevalue("vhost")
    pool_site.start("run", "--pool", made.name, *made.options)
    yield made
    pool_site.close()


def submit(site: Site, path: str) -> str:
    return str(ask("GET", f"{site.url}/{path}").json()["id"])


def begun(site: Site, execution: str) -> bool:
    return any(trace.get("begins") == execution for trace in site.traces())


@pytest.mark.parametrize("pool", POOL_OPTIONS, indirect=True, ids=lambda pool: pool.name)
def test_time_limits_and_cancellation(pool: Pool, pool_site: Site, until: Callable[..., Any]) -> None:
    """The table of docs/operations.md, line by line."""
    site = pool_site
    in_main_thread = pool.name in {"solo", "prefork"}
    soft_sync, soft_async, cancel_sync, cancel_async = (
        submit(site, path)
        for path in (
            "sync/sleep" if in_main_thread else "sync/late",  # a thread that is late, and not too late
            "async/sleep",
            "patient/sync/sleep",
            "patient/async/sleep",
        )
    )
    for execution in (cancel_sync, cancel_async):
        until(partial(begun, site, execution), "a handler to begin")
        assert ask("POST", f"{site.url}/_funcatron/executions/{execution}/cancel").json()["state"] == "cancelled"

    def interrupted() -> set[str]:
        return {trace["ends"] for trace in site.traces() if "ends" in trace}

    soft = {soft_sync, soft_async}
    reached = {soft_async, cancel_async} | ({soft_sync, cancel_sync} if in_main_thread else set())
    until(lambda: interrupted() >= reached, "the handlers to be interrupted")
    assert {(site.ended(each).state, site.ended(each).failure) for each in soft} == {("failed", "timeout")}
    assert {site.ended(each).state for each in (cancel_sync, cancel_async)} == {"cancelled"}
    assert "is started again" not in site.log(), "no process was killed for them"

    hard = [submit(site, path) for path in ("sync/stick", "async/swallow", "async/block")]
    for execution in hard:
        record = site.ended(execution)
        assert (record.state, record.failure) == ("failed", "timeout")
    for path in ("sync/well", "async/well"):
        assert site.ended(submit(site, path)).state == "succeeded", "the worker lives on, or another one"


def test_many_async_handlers_are_inside_at_once(pool_site: Site) -> None:
    site = pool_site
    site.start("run", "--pool", "asyncio", "--concurrency", "200")
    call = {"name": "pooled.together", "queue": "funcatron", "kwargs": {"many": 200}}
    together = site.send(*(dict(call) for _ in range(200)))
    assert {site.ended(each).state for each in together} == {"succeeded"}
    assert {trace["pid"] for trace in site.traces()} == set(site.children("worker"))
    assert site.log().count("is started again") == 0


def test_no_more_run_than_may_and_the_rest_is_left_to_others(pool_site: Site, until: Callable[..., Any]) -> None:
    site = pool_site
    site.start("run", "--pool", "asyncio", "--concurrency", "3")
    running = [submit(site, "patient/async/sleep") for _ in range(3)]
    for each in running:
        until(partial(begun, site, each), "a handler to begin")
    fourth = submit(site, "patient/async/sleep")
    site.start("worker", "--pool", "asyncio", "--concurrency", "3")
    until(partial(begun, site, fourth), "the fourth to begin")
    pids = {trace["begins"]: trace["pid"] for trace in site.traces() if "begins" in trace}
    assert len({pids[each] for each in running}) == 1
    assert pids[fourth] not in {pids[each] for each in running}
    for each in (*running, fourth):
        ask("POST", f"{site.url}/_funcatron/executions/{each}/cancel")


def test_neighbours_of_one_that_blocks_the_loop_are_lost_and_run_again(
    pool_site: Site, until: Callable[..., Any]
) -> None:
    site = pool_site
    site.start("run", "--pool", "asyncio")
    neighbours = [submit(site, "again/async/once") for _ in range(3)]
    for each in neighbours:
        until(partial(begun, site, each), "a neighbour to begin")
    blocking = submit(site, "async/block")
    ends = {(site.ended(each).state, site.ended(each).attempt) for each in neighbours}
    assert ends == {("succeeded", 2)}
    assert site.ended(blocking).failure == "timeout"
    assert "runs past its time limit and is killed; where it is stuck" in site.log()


@pytest.mark.parametrize("broker", ["embedded", pytest.param("rabbitmq", marks=pytest.mark.service)])
def test_a_worker_that_is_told_to_stop_lets_what_runs_end_and_begins_no_more(
    pool_site: Site, broker: str, request: pytest.FixtureRequest, until: Callable[..., Any]
) -> None:
    site = pool_site
    if broker == "rabbitmq":
        site.settings["FUNCATRON_BROKER"] = request.getfixturevalue("vhost")
    worker = site.start("worker", "--pool", "asyncio", "--concurrency", "5")
    site.start("serve")
    running = [submit(site, "async/nap") for _ in range(5)]
    waiting = [submit(site, "async/nap") for _ in range(15)]
    for each in running:
        until(partial(begun, site, each), "a handler to begin")
    assert site.stop(worker) == 0
    assert {(site.ended(each).state, site.ended(each).attempt) for each in running} == {("succeeded", 1)}
    states = {each.id: each.state for each in site.all()}
    assert {states[each] for each in waiting if begun(site, each)} <= {"succeeded"}, "what was begun was let end"
    assert "queued" in {states[each] for each in waiting}


@pytest.mark.service
@pytest.mark.parametrize("broker", ["rabbitmq", "redis"])
def test_the_asyncio_pool_by_celerys_own_command(
    pool_site: Site, broker: str, request: pytest.FixtureRequest, until: Callable[..., Any]
) -> None:
    site = pool_site
    server = request.getfixturevalue("vhost" if broker == "rabbitmq" else broker)
    site.broker = server
    site.settings |= {"FUNCATRON_BROKER": server, "FUNCATRON_SPEC": site.spec, "FUNCATRON_POOL": "asyncio"}
    celery = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "funcatron_celery.app", "worker"]
    worker = site.command(*celery, "-l", "INFO", "--concurrency", "30", name="celery.log")
    until(lambda: " ready." in site.log("celery.log"), "celery to be ready")
    assert "concurrency: 30 (asyncio_pool)" in site.log("celery.log")

    call = {"name": "pooled.together", "queue": "funcatron", "kwargs": {"many": 30}}
    assert {site.ended(each).state for each in site.send(*(dict(call) for _ in range(30)))} == {"succeeded"}

    def patiently(kind: str) -> dict[str, Any]:
        return {"name": f"pooled.{kind}_patiently", "queue": "funcatron", "kwargs": {"how": "sleep"}}

    (running,) = site.send(patiently("on_loop"))
    until(partial(begun, site, running), "a handler to begin")
    client = Celery(broker=server, set_as_current=False)
    (active,) = client.control.inspect(timeout=30, limit=1).active().values()
    assert [task["id"] for task in active] == [running]
    (stats,) = client.control.inspect(timeout=30, limit=1).stats().values()
    assert (stats["pool"]["max-concurrency"], stats["pool"]["running"]) == (30, 1)
    client.control.terminate(running)
    client.close()
    assert site.ended(running).state == "cancelled"
    until(lambda: any(trace.get("ends") == running for trace in site.traces()), "the handler to be interrupted")

    (after,) = site.send({"name": "pooled.on_loop_again", "queue": "funcatron", "kwargs": {"how": "nap"}})
    until(partial(begun, site, after), "a handler to begin")
    assert site.stop(worker) == 0
    assert (site.ended(after).state, site.ended(after).attempt) == ("succeeded", 1)
    with Connection(server) as connection, connection.channel() as channel:
        assert channel.basic_get("funcatron") is None, "all is acknowledged"
