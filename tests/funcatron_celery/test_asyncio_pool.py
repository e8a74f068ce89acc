"""The asyncio pool with tasks of any Celery application, on the embedded broker."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from celery.exceptions import ImproperlyConfigured, SoftTimeLimitExceeded, TaskRevokedError, TimeLimitExceeded

from funcatron_celery.asyncio_job import keep_apart
from tests.funcatron_celery.celery_world import PATIENCE, World, result, until, working

LIMIT = 8


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with working(World(tmp_path_factory.mktemp("world")), LIMIT) as made:
        yield made


def test_as_many_as_may_are_inside_at_once_on_one_thread(world: World) -> None:
    calls = [world.call("together", LIMIT) for _ in range(LIMIT)]
    (thread,) = {result(call) for call in calls}
    assert thread != threading.get_ident()


def test_every_task_has_its_own_request_and_so_has_what_it_begins(world: World) -> None:
    calls = [world.call("ids") for _ in range(2 * LIMIT)]
    for call in calls:
        assert set(result(call)) == {call.id}


def test_a_soft_limit_cancels_the_task_where_it_awaits(world: World) -> None:
    error = world.outcome("sleep", PATIENCE, "soft", soft_time_limit=0.1)
    assert isinstance(error, SoftTimeLimitExceeded)
    assert ("cancelled", "soft") in world.seen


def test_one_that_survives_its_cancellation_is_given_up_at_the_hard_limit(world: World) -> None:
    assert isinstance(world.outcome("stubborn", time_limit=0.1), TimeLimitExceeded)
    until(lambda: "stubborn" in world.seen)
    until(lambda: world.pool.info["running"] == 0)


@pytest.mark.parametrize("name", ["retrying", "autoretrying"])
def test_a_task_that_asks_for_it_runs_again(world: World, name: str) -> None:
    call = world.call(name)
    until(lambda: call.state not in {"PENDING", "RETRY"})
    assert result(call) == 1


@pytest.mark.parametrize(
    ("kind", "error", "says"),
    [("a key", KeyError, "a key"), ("cancel", RuntimeError, "from inside"), ("exit", RuntimeError, "SystemExit(3)")],
)
def test_whatever_is_raised_fails_that_task_alone(world: World, kind: str, error: type, says: str) -> None:
    raised = world.outcome("fail", kind)
    assert type(raised).__name__ == error.__name__
    assert says in str(raised)


def test_an_exit_in_what_a_task_has_begun_ends_no_worker(world: World) -> None:
    assert world.outcome("outlet") == "the loop goes on"
    assert world.outcome("add", 1, 2) == 3


def test_a_task_awaits_another_and_links_are_followed(world: World) -> None:
    assert world.outcome("adding", 1) == 2
    add = world.app.tasks["add"]
    assert result((add.s(1, 1) | add.s(2) | add.s(3)).apply_async()) == 7


def test_a_sync_task_runs_in_a_thread(world: World) -> None:
    on_loop = result(world.call("together", 1))
    call = world.call("sync")
    request, thread = result(call)
    assert request == call.id
    assert thread not in {on_loop, threading.get_ident()}


def test_what_is_revoked_is_cancelled_whether_it_has_begun_or_waits(world: World) -> None:
    running = [world.call("sleep", PATIENCE, f"running {n}") for n in range(LIMIT)]
    until(lambda: all(("begun", f"running {n}") in world.seen for n in range(LIMIT)))
    waiting = world.call("sleep", PATIENCE, "waiting")
    until(lambda: world.pool.info["waiting"] == 1)
    for call in (waiting, *running):
        call.revoke(terminate=True)
    for call in (waiting, *running):
        assert isinstance(result(call, propagate=False), TaskRevokedError)
    until(lambda: all(("cancelled", f"running {n}") in world.seen for n in range(LIMIT)))
    assert ("begun", "waiting") not in world.seen


def test_the_worker_knows_what_runs(world: World) -> None:
    call = world.call("sleep", PATIENCE, "shown")
    until(lambda: ("begun", "shown") in world.seen)
    inspect = world.app.control.inspect(timeout=PATIENCE, limit=1)
    (active,) = inspect.active().values()
    assert [request["id"] for request in active] == [call.id]
    (stats,) = inspect.stats().values()
    assert stats["pool"]["implementation"] == "funcatron_celery.asyncio_pool:TaskPool"
    assert (stats["pool"]["max-concurrency"], stats["pool"]["running"]) == (LIMIT, 1)
    call.revoke(terminate=True)
    until(lambda: ("cancelled", "shown") in world.seen)  # the next test makes Celery forget it


def test_the_limit_grows_and_shrinks(world: World) -> None:
    world.inside, world.opened = 0, None
    calls = [world.call("together", LIMIT + 2) for _ in range(LIMIT + 2)]
    until(lambda: world.inside == LIMIT)
    world.app.control.pool_grow(2)
    assert len([result(call) for call in calls]) == LIMIT + 2
    world.app.control.pool_shrink(2)
    until(lambda: world.pool.limit == LIMIT)


def test_stacks_that_cannot_be_kept_apart_are_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="USE_FAST_LOCALS"):
        keep_apart(object())
