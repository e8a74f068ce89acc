"""The sweep, step by step, on the store that it will meet."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from funcatron import Funcatron
from funcatron.errors import Unavailable
from funcatron.execution import Execution, new_id
from funcatron.ports import Ending
from funcatron.settings import Settings
from funcatron.store.lease import Lease
from funcatron.store.sqlite import SQLiteStore
from funcatron_celery.sweep import Sweep

DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/work": {
            "post": {
                "operationId": "work",
                "x-funcatron": {"mode": "async", "retry": {"attempts": 2, "backoff": 0}},
                "responses": {"200": {"description": "ok"}},
            }
        }
    },
}


class Published:
    """A Dispatcher that notes what it is told to publish."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.away = False

    def start(self) -> None: ...

    def stop(self) -> None: ...

    async def dispatch(self, execution: Execution) -> bool:
        raise NotImplementedError

    def submit(self, executions: Sequence[Execution]) -> list[bool]:
        raise NotImplementedError

    def republish(self, executions: Sequence[Execution]) -> None:
        if self.away:
            raise Unavailable("the broker is away")
        self.ids += [execution.id for execution in executions]

    def withdraw(self, execution_id: str) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    made = SQLiteStore(f"sqlite:///{tmp_path / 'f.db'}")
    yield made
    made.close()


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def sweep(store: SQLiteStore, published: Published, tmp_path: Path) -> Iterator[Sweep]:
    app = Funcatron(
        DOCUMENT,
        handlers={"work": lambda: None},
        store=store,
        dispatcher=published,
        settings=Settings(data_dir=str(tmp_path), keep=100.0),
    )
    yield Sweep(app)
    app.close()


def add(store: SQLiteStore, **given: Any) -> Execution:
    made = Execution(**{"id": new_id(), "function": "work", "trigger": "async", "created_at": time.time(), **given})
    assert store.create([made]) == [True]
    return made


def test_what_was_accepted_and_never_published_is_published(
    sweep: Sweep, store: SQLiteStore, published: Published
) -> None:
    old, _fresh = add(store, created_at=time.time() - 60), add(store)
    assert sweep.publish_due() == 1
    assert published.ids == [old.id]


def test_what_is_due_is_published_and_what_is_not_waits(sweep: Sweep, store: SQLiteStore, published: Published) -> None:
    due, _later = add(store, due_at=time.time() - 1), add(store, due_at=time.time() + 60)
    assert sweep.publish_due() == 1
    assert published.ids == [due.id]


def test_a_retry_is_published_when_it_is_due(
    sweep: Sweep, store: SQLiteStore, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = add(store)
    store.start(made.id, worker="w", deadline=None)
    due = time.time() + 60
    store.finish(made.id, 1, Ending(change="retry", due_at=due, failure="handler"))
    assert sweep.publish_due() == 0
    monkeypatch.setattr(time, "time", lambda: due)
    assert sweep.publish_due() == 1
    assert published.ids == [made.id]


def test_a_running_attempt_whose_worker_is_gone_is_retried_then_failed(sweep: Sweep, store: SQLiteStore) -> None:
    made = add(store)
    for attempt, state in ((1, "retrying"), (2, "failed")):
        lease = Lease.acquire(store.leases)
        store.start(made.id, worker=lease.id, deadline=time.time() + 60)
        assert sweep.reap() == 0, "the worker lives"
        lease.release()
        assert sweep.reap() == 1
        record = store.get(made.id)
        assert record is not None
        assert (record.state, record.attempt, record.failure) == (state, attempt, "lost")
    assert sweep.reap() == 0


def test_a_running_attempt_past_its_deadline_is_given_up_though_its_worker_lives(
    sweep: Sweep, store: SQLiteStore
) -> None:
    lease = Lease.acquire(store.leases)
    late, recent = add(store), add(store)
    store.start(late.id, worker=lease.id, deadline=time.time() - 60)
    store.start(recent.id, worker=lease.id, deadline=time.time() - 1)
    assert sweep.reap() == 1
    record = store.get(late.id)
    assert record is not None
    assert (record.state, record.failure) == ("retrying", "timeout")
    assert store.finish(late.id, 1, Ending(change="succeed")) is None, "what it comes to is too late"


def test_two_sweeps_of_one_store_end_an_attempt_once(sweep: Sweep, store: SQLiteStore) -> None:
    made = add(store)
    store.start(made.id, worker="gone", deadline=None)
    running = store.running()
    assert sweep._funcatron.runner.lose(running[0]) is not None
    assert sweep._funcatron.runner.lose(running[0]) is None
    record = store.get(made.id)
    assert record is not None
    assert record.attempt == 1


def test_what_nobody_wants_any_more_expires(sweep: Sweep, store: SQLiteStore) -> None:
    made, _wanted = add(store, expires_at=time.time() - 1), add(store, expires_at=time.time() + 60)
    assert sweep.expire() == 1
    record = store.get(made.id)
    assert record is not None
    assert record.state == "expired"


def test_old_records_go_and_failed_ones_stay(sweep: Sweep, store: SQLiteStore) -> None:
    old = time.time() - 1000
    ended = add(store, created_at=old, state="succeeded", ended_at=old)
    failed = add(store, created_at=old, state="failed", ended_at=old)
    assert sweep.purge() == 1
    assert store.get(ended.id) is None
    assert store.get(failed.id) is not None


def test_a_step_that_cannot_be_done_now_does_not_keep_the_others_back(
    sweep: Sweep, store: SQLiteStore, published: Published, caplog: pytest.LogCaptureFixture
) -> None:
    published.away = True
    add(store, created_at=time.time() - 60)
    expired = add(store, expires_at=time.time() - 1)
    sweep.once()
    assert "the broker is away" in caplog.text
    record = store.get(expired.id)
    assert record is not None
    assert record.state == "expired"


def test_an_unforeseen_error_does_not_end_the_thread(
    sweep: Sweep, store: SQLiteStore, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [True]
    find = store.due

    def due(**given: Any) -> Any:
        if broken:
            broken.clear()
            raise KeyError("surprise")
        return find(**given)

    monkeypatch.setattr(store, "due", due)
    made = add(store, created_at=time.time() - 60)
    sweep.start()
    end = time.monotonic() + 10
    while made.id not in published.ids:
        assert time.monotonic() < end
        time.sleep(0.01)
    sweep.stop()


def test_what_is_held_at_an_open_gate_is_let_through_and_published(
    sweep: Sweep, store: SQLiteStore, published: Published
) -> None:
    made = [add(store) for _ in range(3)]
    started = [store.start(one.id, worker="w", deadline=None, limit=1) for one in made]
    assert [one and one.gate for one in started] == [None, "concurrency", "concurrency"]
    assert sweep.admit() == 2, "the function has no limit any more"
    assert sweep.publish_due() == 2
    assert sorted(published.ids) == sorted(one.id for one in made[1:])
    assert sweep.admit() == 0
