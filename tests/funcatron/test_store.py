"""What every store does: one suite, run against each of them."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from funcatron.errors import TransitionError
from funcatron.execution import Execution, LogLine, Progress, Status, StoredResult, new_id
from funcatron.ports import Ending, ExecutionQuery, ExecutionStore, Reservation
from funcatron.store.memory import MemoryStore
from funcatron.store.postgres import PostgresStore
from funcatron.store.sqlite import SQLiteStore

SUCCEEDED = Ending(change="succeed", result=StoredResult(status=201, headers={"x-a": "b"}, body={"id": 7}))
FAILED = Ending(change="fail", problem={"status": 500, "title": "Boom"}, failure="handler")


@pytest.fixture(params=["sqlite", "memory", pytest.param("postgresql", marks=pytest.mark.service)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ExecutionStore]:
    made: ExecutionStore
    match request.param:
        case "sqlite":
            made = SQLiteStore(f"sqlite:///{tmp_path}/f.db")
        case "memory":
            made = MemoryStore()
        case _:
            made = PostgresStore(request.getfixturevalue("database"))
    yield made
    made.close()


def execution(**fields: Any) -> Execution:
    return Execution(**{"id": new_id(), "function": "f", "trigger": "async", "created_at": time.time(), **fields})


def accepted(store: ExecutionStore, **fields: Any) -> Execution:
    made = execution(**fields)
    assert store.create([made]) == [True]
    return made


def running(store: ExecutionStore, **fields: Any) -> Execution:
    started = store.start(accepted(store, **fields).id, worker="w1", deadline=None)
    assert started is not None
    return started


# Accepting


def test_a_record_comes_back_as_it_was_given(store: ExecutionStore) -> None:
    given = execution(
        queue="images",
        input={"id": 1, "body": {"name": "Zoë ☃ 漢字 \u0000 '\"\\", "big": 2**70, "f": 1.5, "n": None, "l": [True]}},
        event={"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"ä": 1}},
        headers={"user-agent": "curl"},
        principal={"id": "ann", "roles": ["admin"]},
        project_id="p1",
        event_source="/s",
        event_id="1",
        expires_at=time.time() + 60,
        due_at=time.time() + 1,
    )
    store.create([given])
    assert store.get(given.id) == given


def test_half_a_character_loses_nothing(store: ExecutionStore) -> None:
    half = "\ud83d"
    made = accepted(store, input={"a": f"☃ {half}"}, headers={"x": half})
    assert store.get(made.id) == made
    assert store.start(made.id, worker="w", deadline=None) is not None
    store.progress(made.id, 1, Progress(1, note=half))
    ended = store.finish(made.id, 1, Ending(change="fail", result=StoredResult(body=half), problem={"detail": half}))
    assert ended is not None
    assert (ended.result, ended.problem) == (StoredResult(body=half), {"detail": half})
    assert ended.progress == Progress(1, note=half)
    assert [attempt.problem for attempt in store.attempts(made.id)] == [{"detail": half}]


def test_an_input_of_a_megabyte_is_kept(store: ExecutionStore) -> None:
    given = accepted(store, input={"body": "é" * 500_000})
    assert store.get(given.id) == given
    assert store.start(given.id, worker="w", deadline=None) is not None


def test_statuses_are_those_of_the_records(store: ExecutionStore) -> None:
    waiting = [accepted(store) for _ in range(250)]
    started = running(store)
    store.progress(started.id, 1, Progress(1, 2, "ü"))
    failed = running(store)
    store.finish(failed.id, 1, FAILED)
    ids = [*(one.id for one in waiting), "unknown", started.id, failed.id]
    found = {status.id: status for status in store.statuses(ids)}
    assert set(found) == set(ids) - {"unknown"}
    for execution_id in (waiting[0].id, waiting[-1].id, started.id, failed.id):
        record = store.get(execution_id)
        assert record is not None
        assert found[execution_id] == Status.of(record)
    assert found[started.id].progress == Progress(1, 2, "ü")
    assert (found[failed.id].state, found[failed.id].failure, found[failed.id].ended) == ("failed", "handler", True)
    assert store.statuses([]) == []


def test_an_unknown_id_is_none(store: ExecutionStore) -> None:
    assert store.get("nobody") is None
    assert store.start("nobody", worker="w", deadline=None) is None
    assert store.finish("nobody", 1, SUCCEEDED) is None
    assert store.cancel("nobody") is None
    assert store.redrive("nobody") is None
    assert store.fail("nobody", {}, "lost") is None
    assert list(store.logs("nobody")) == []


def test_nothing_is_created_of_nothing(store: ExecutionStore) -> None:
    assert store.create([]) == []
    assert store.counts() == {}


def test_the_same_id_is_accepted_once(store: ExecutionStore) -> None:
    first = accepted(store)
    second = execution(id=first.id, function="other")
    third = execution()
    assert store.create([second, third]) == [False, True]
    assert store.get(first.id) == first
    assert store.get(third.id) == third


def test_the_same_event_is_accepted_once_for_each_function(store: ExecutionStore) -> None:
    def of(function: str, event_id: str | None, source: str | None = "/s") -> Execution:
        return execution(function=function, event_source=source, event_id=event_id)

    assert store.create([of("f", "1"), of("f", "1"), of("g", "1"), of("f", "2"), of("f", "1", "/t")]) == [
        True, False, True, True, True,
    ]  # fmt: skip
    assert store.create([of("f", None), of("f", None)]) == [True, True]
    found = store.find(function="g", event_source="/s", event_id="1")
    assert found is not None
    assert found.function == "g"
    assert store.find(function="g", event_source="/s", event_id="2") is None


# Idempotency keys


def reservation(**fields: Any) -> Reservation:
    now = time.time()
    given = {"function": "f", "key": "k", "principal_id": "", "fingerprint": "1", "execution_id": new_id()}
    return Reservation(**{**given, "deadline": now + 60, "expires_at": now + 60, **fields})


ANSWER = StoredResult(status=201, headers={"x-a": "b"}, content_type="text/plain", base64="aGk=")


def test_a_key_is_taken_once_by_each_caller_for_each_function(store: ExecutionStore) -> None:
    first = reservation()
    assert store.reserve(first) is None
    assert store.reserve(reservation(fingerprint="2")) == first
    for other in ({"function": "g"}, {"key": "l"}, {"principal_id": "ann"}):
        assert store.reserve(reservation(**other)) is None


def test_a_key_has_the_answer_that_it_was_settled_with(store: ExecutionStore) -> None:
    first = reservation(deadline=time.time() - 1)
    assert store.reserve(first) is None
    store.settle(first, ANSWER)
    assert store.reserve(reservation()) == replace(first, result=ANSWER)


def test_a_key_that_is_given_back_may_be_taken(store: ExecutionStore) -> None:
    first, second = reservation(), reservation()
    assert store.reserve(first) is None
    store.settle(first, None)
    assert store.reserve(second) is None
    store.settle(first, ANSWER)  # too late
    store.settle(first, None)
    assert store.reserve(reservation()) == second


@pytest.mark.parametrize("late", ["deadline", "expires_at"])
def test_a_key_of_a_call_that_is_past_its_time_may_be_taken(store: ExecutionStore, late: str) -> None:
    first, second = reservation(**{late: time.time() - 1}), reservation()
    assert store.reserve(first) is None
    assert store.reserve(second) is None
    store.settle(first, ANSWER)  # it lives after all, but the key is another call's
    assert store.reserve(reservation()) == second


def test_a_key_is_kept_for_an_execution_on_record_and_no_longer_than_its_time(store: ExecutionStore) -> None:
    made = accepted(store)
    first = reservation(execution_id=made.id, deadline=time.time() - 1)
    assert store.reserve(first) is None
    assert store.reserve(reservation()) == first
    old = reservation(key="old", execution_id=made.id, expires_at=time.time() - 1)
    assert store.reserve(old) is None
    store.settle(old, ANSWER)
    again = reservation(key="old")
    assert store.reserve(again) is None
    assert store.reserve(reservation(key="old")) == again  # nothing is left of the answer


def test_of_many_who_take_a_key_at_once_one_has_it(store: ExecutionStore) -> None:
    wanted = [reservation() for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        standing = list(pool.map(store.reserve, wanted))
    assert standing.count(None) == 1
    first = wanted[standing.index(None)]
    assert [one for one in standing if one is not None] == [first] * 19


def test_keys_that_have_expired_are_purged(store: ExecutionStore) -> None:
    expired, kept = reservation(expires_at=time.time() - 1), reservation(key="kept")
    store.reserve(expired)
    store.reserve(kept)
    store.purge(0)
    store.settle(expired, ANSWER)
    assert store.reserve(reservation(key="kept")) == kept
    assert store.reserve(reservation()) is None


# The lifecycle


def test_an_attempt_starts_and_succeeds(store: ExecutionStore) -> None:
    made = accepted(store)
    started = store.start(made.id, worker="w1", deadline=time.time() + 30)
    assert started is not None
    assert (started.state, started.attempt, started.worker) == ("running", 1, "w1")
    assert started.started_at is not None
    assert started.deadline is not None
    assert store.running() == [started]

    ended = store.finish(made.id, 1, SUCCEEDED)
    assert ended is not None
    assert (ended.state, ended.result, ended.worker, ended.deadline) == ("succeeded", SUCCEEDED.result, "w1", None)
    assert ended.ended_at is not None
    assert ended.input == made.input
    assert store.get(made.id) == ended
    assert store.running() == []


def test_what_runs_or_has_ended_does_not_start(store: ExecutionStore) -> None:
    started = running(store)
    assert store.start(started.id, worker="w2", deadline=None) is None
    store.finish(started.id, 1, SUCCEEDED)
    assert store.start(started.id, worker="w2", deadline=None) is None
    assert store.finish(started.id, 1, FAILED) is None


def test_what_has_expired_does_not_start(store: ExecutionStore) -> None:
    assert store.start(accepted(store, expires_at=time.time() - 1).id, worker="w", deadline=None) is None
    assert store.start(accepted(store, expires_at=time.time() + 60).id, worker="w", deadline=None) is not None


def test_an_expiry_does_not_stop_a_retry(store: ExecutionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    made = accepted(store, expires_at=now + 60)
    assert store.start(made.id, worker="w", deadline=None) is not None
    assert store.finish(made.id, 1, Ending(change="retry")) is not None
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert store.start(made.id, worker="w", deadline=None) is not None


def test_a_failed_attempt_waits_for_the_next_and_keeps_why(store: ExecutionStore) -> None:
    started = running(store)
    due = time.time() + 5
    waiting = store.finish(
        started.id, 1, Ending(change="retry", problem={"status": 500}, failure="handler", due_at=due)
    )
    assert waiting is not None
    assert (waiting.state, waiting.due_at, waiting.worker, waiting.ended_at) == ("retrying", due, "w1", None)
    assert (waiting.problem, waiting.failure) == ({"status": 500}, "handler")

    again = store.start(started.id, worker="w2", deadline=None)
    assert again is not None
    assert (again.state, again.attempt, again.due_at) == ("running", 2, None)
    assert (again.problem, again.failure) == (None, None)
    assert store.finish(started.id, 1, SUCCEEDED) is None, "the first attempt no longer runs"
    assert store.finish(started.id, 2, SUCCEEDED) is not None


def test_a_retry_without_a_time_is_due_at_once(store: ExecutionStore) -> None:
    started = running(store)
    store.finish(started.id, 1, Ending(change="retry"))
    assert [one.id for one in store.due(now=time.time(), stale=0, limit=9)] == [started.id]


def test_an_attempt_is_lost_with_its_worker(store: ExecutionStore) -> None:
    started = running(store)
    lost = store.lose(started.id, 1, Ending(change="retry", failure="lost", due_at=1.0))
    assert lost is not None
    assert (lost.state, lost.failure, lost.worker) == ("retrying", "lost", "w1")
    assert store.lose(started.id, 1, Ending(change="fail", failure="lost")) is None


def test_only_an_end_of_an_attempt_finishes_one(store: ExecutionStore) -> None:
    started = running(store)
    with pytest.raises(TransitionError):
        store.finish(started.id, 1, Ending(change="redrive"))
    assert store.get(started.id) == started


def test_cancel_ends_what_waits_and_what_runs(store: ExecutionStore) -> None:
    for made in (accepted(store), running(store)):
        cancelled = store.cancel(made.id)
        assert cancelled is not None
        assert (cancelled.state, cancelled.worker) == ("cancelled", made.worker)
        assert cancelled.ended_at is not None
        assert store.finish(made.id, 1, SUCCEEDED) is None
        with pytest.raises(TransitionError, match="cancelled cannot be cancelled"):
            store.cancel(made.id)


def test_redrive_begins_anew(store: ExecutionStore) -> None:
    made = running(store, expires_at=time.time() + 60)
    with pytest.raises(TransitionError, match="running cannot be redriven"):
        store.redrive(made.id)
    store.finish(made.id, 1, FAILED)
    again = store.redrive(made.id)
    assert again is not None
    assert again == execution(id=made.id, created_at=made.created_at)
    assert [one.id for one in store.due(now=time.time(), stale=time.time() + 1, limit=9)] == [made.id]
    started = store.start(made.id, worker="w", deadline=None)
    assert started is not None
    assert started.attempt == 1


def test_the_history_has_every_attempt_that_failed(store: ExecutionStore) -> None:
    started = running(store)
    problem = {"type": "about:blank", "title": "Boom", "status": 500, "detail": "d" * 600, "errors": []}
    store.finish(started.id, 1, Ending(change="retry", problem=problem, failure="handler", due_at=1.0))
    store.start(started.id, worker="w2", deadline=None)
    store.lose(started.id, 2, Ending(change="fail", problem={"title": "Lost"}, failure="lost"))
    store.redrive(started.id)
    store.start(started.id, worker="w3", deadline=None)
    store.finish(started.id, 1, SUCCEEDED)
    first, second = store.attempts(started.id)
    assert (first.attempt, first.worker, first.failure, first.started_at) == (1, "w1", "handler", started.started_at)
    assert first.problem == {"title": "Boom", "status": 500, "detail": "d" * 500 + "..."}
    assert started.started_at is not None
    assert first.ended_at >= started.started_at
    assert (second.attempt, second.worker, second.failure, second.problem) == (2, "w2", "lost", {"title": "Lost"})


def test_what_never_ran_has_its_reason_in_the_history(store: ExecutionStore) -> None:
    made = accepted(store)
    store.fail(made.id, {"title": "Poison", "status": 400}, "invalid")
    (only,) = store.attempts(made.id)
    assert (only.attempt, only.started_at, only.worker, only.failure) == (0, None, None, "invalid")
    assert list(store.attempts("nobody")) == []


def test_fail_ends_what_waits_alone(store: ExecutionStore) -> None:
    made, busy = accepted(store), running(store)
    failed = store.fail(made.id, {"status": 404}, "invalid")
    assert failed is not None
    assert (failed.state, failed.problem, failed.failure) == ("failed", {"status": 404}, "invalid")
    assert store.fail(busy.id, {"status": 404}, "invalid") is None
    assert store.fail(made.id, {"status": 404}, "invalid") is None


def test_progress_belongs_to_the_running_attempt(store: ExecutionStore) -> None:
    made = running(store)
    store.progress(made.id, 1, Progress(3, 10, "half way"))
    store.progress(made.id, 2, Progress(9))
    now = store.get(made.id)
    assert now is not None
    assert now.progress == Progress(3, 10, "half way")
    store.finish(made.id, 1, SUCCEEDED)
    store.progress(made.id, 1, Progress(10))
    now = store.get(made.id)
    assert now is not None
    assert now.progress == Progress(3, 10, "half way")


def test_one_of_many_threads_starts_an_execution(store: ExecutionStore) -> None:
    made = [accepted(store) for _ in range(20)]
    barrier = threading.Barrier(8)

    def start_all(worker: int) -> list[Execution | None]:
        barrier.wait()
        return [store.start(one.id, worker=f"w{worker}", deadline=None) for one in made]

    with ThreadPoolExecutor(8) as threads:
        columns = list(zip(*threads.map(start_all, range(8)), strict=True))
    assert [sum(one is not None for one in column) for column in columns] == [1] * 20


def test_one_of_many_threads_creates_an_event(store: ExecutionStore) -> None:
    barrier = threading.Barrier(8)

    def create(_: int) -> list[bool]:
        barrier.wait()
        return store.create([execution(event_source="/s", event_id=str(number)) for number in range(20)])

    with ThreadPoolExecutor(8) as threads:
        columns = list(zip(*threads.map(create, range(8)), strict=True))
    assert [sum(column) for column in columns] == [1] * 20


# Looking


@pytest.fixture
def listed(store: ExecutionStore) -> list[Execution]:
    made = [
        execution(id=f"e{n}", created_at=float(n // 2), function="fg"[n % 2], trigger=["async", "celery"][n % 2],
                  project_id=["p", None][n % 2])
        for n in range(10)
    ]  # fmt: skip
    store.create(made)
    store.start("e3", worker="w", deadline=None)
    return made


def pages(store: ExecutionStore, **query: Any) -> list[str]:
    found: list[str] = []
    marker: str | None = None
    while True:
        page, marker = store.list(ExecutionQuery(**query, marker=marker))
        found += [one.id for one in page]
        if marker is None:
            return found


@pytest.mark.parametrize("limit", [1, 3, 9, 10, 11])
def test_pages_lead_from_the_newest_to_the_oldest(store: ExecutionStore, listed: list[Execution], limit: int) -> None:
    assert pages(store, limit=limit) == [f"e{n}" for n in reversed(range(10))]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"function": "f"}, ["e8", "e6", "e4", "e2", "e0"]),
        ({"state": "running"}, ["e3"]),
        ({"trigger": "celery", "since": 3.0}, ["e9", "e7"]),
        ({"since": 1.0, "until": 2.0}, ["e3", "e2"]),
        ({"project_id": "p", "until": 1.0}, ["e0"]),
        ({"function": ""}, []),
        ({"marker": "gone"}, []),
    ],
)
def test_a_query_leaves_out_what_it_does_not_ask_for(
    store: ExecutionStore, listed: list[Execution], query: dict[str, Any], ids: list[str]
) -> None:
    assert [one.id for one in store.list(ExecutionQuery(**query))[0]] == ids


def test_counts_are_per_state(store: ExecutionStore, listed: list[Execution]) -> None:
    store.cancel("e0")
    assert store.counts() == {"queued": 8, "running": 1, "cancelled": 1}


def test_log_lines_keep_their_order(store: ExecutionStore) -> None:
    made = accepted(store)
    lines = [LogLine(time=float(-n), level="info", logger="l", message=f"{n} ☃", attempt=1 + n // 2) for n in range(4)]
    store.log(made.id, lines[:3])
    store.log(made.id, [])
    store.log(made.id, lines[3:])
    assert list(store.logs(made.id)) == lines


# Publishing


def due(store: ExecutionStore, **at: Any) -> list[str]:
    return [one.id for one in store.due(**{"now": 1000.0, "stale": 900.0, "limit": 10, **at})]


def test_what_was_accepted_long_ago_and_never_published_is_due(store: ExecutionStore) -> None:
    old, older, new = (accepted(store, created_at=at) for at in (800.0, 700.0, 950.0))
    assert due(store) == [older.id, old.id]
    assert due(store, limit=1) == [older.id]
    assert due(store, stale=960.0) == [older.id, old.id, new.id]
    store.published([old, older], 1000.0)
    assert due(store) == []
    assert due(store, stale=1001.0) == [older.id, old.id, new.id], "published, and then nothing came of it"
    store.start(old.id, worker="w", deadline=None)
    assert old.id not in due(store, stale=1001.0)


def test_a_retry_is_due_in_its_time_and_then_published_once(store: ExecutionStore) -> None:
    made = accepted(store, created_at=1.0)
    store.published([made], 990.0)
    store.start(made.id, worker="w", deadline=None)
    store.published([made], 999.0)  # too late: it runs
    store.finish(made.id, 1, Ending(change="retry", due_at=999.0))
    assert due(store, now=998.0) == []
    assert due(store) == [made.id]
    store.published([made], 1000.0)
    assert due(store) == [made.id], "noted too late: it is the retry that is to be published now"
    store.published(store.due(now=1000.0, stale=900.0, limit=1), 1000.0)
    assert due(store, now=1005.0) == []
    assert due(store, now=2000.0, stale=1900.0) == [made.id]


def test_a_delayed_start_is_not_due_before_its_time(store: ExecutionStore) -> None:
    made = accepted(store, created_at=1.0, due_at=999.0)
    assert due(store, now=998.0) == []
    assert due(store) == [made.id]


def test_what_waits_too_long_expires(store: ExecutionStore) -> None:
    gone, kept, busy = accepted(store, expires_at=500.0), accepted(store), running(store, expires_at=time.time() + 60)
    assert store.expire(time.time() + 100) == 1
    expired = store.get(gone.id)
    assert expired is not None
    assert (expired.state, expired.ended_at is None) == ("expired", False)
    assert store.counts() == {"expired": 1, "queued": 1, "running": 1}
    assert store.expire(time.time() + 100) == 0
    assert store.redrive(gone.id) is not None
    assert store.expire(time.time() + 100) == 0, "a redrive is wanted, however late"
    assert [one.id for one in (kept, busy) if store.get(one.id) is None] == []


# Gates


def begin(store: ExecutionStore, execution_id: str, limit: int | None = None) -> str | None:
    """Try to start it; return its state, or its gate where it is held."""
    found = store.start(execution_id, worker="w", deadline=None, limit=limit)
    return None if found is None else found.gate or found.state


def gates(store: ExecutionStore, *made: Execution) -> list[str | None]:
    return [found.gate for one in made if (found := store.get(one.id)) is not None]


def admitted(store: ExecutionStore, function: str = "f") -> list[str]:
    return [one.id for one in store.admitted(function)]


def test_no_more_than_the_limit_run_at_a_time(store: ExecutionStore) -> None:
    made = [accepted(store) for _ in range(4)]
    other = accepted(store, function="g")
    assert [begin(store, one.id, 2) for one in made] == ["running", "running", "concurrency", "concurrency"]
    assert begin(store, other.id, 1) == "running"
    assert gates(store, *made) == [None, None, "concurrency", "concurrency"]
    held = store.get(made[2].id)
    assert held is not None
    assert (held.state, held.attempt, held.started_at) == ("queued", 0, None)
    assert admitted(store) == []

    store.finish(made[0].id, 1, SUCCEEDED)
    assert gates(store, *made) == [None, None, "admitted", "concurrency"]
    assert admitted(store) == [made[2].id]
    store.published(store.admitted("f"), time.time())
    assert admitted(store) == []
    assert begin(store, made[3].id, 2) == "running", "whoever comes first takes the place"
    assert begin(store, made[2].id, 2) == "concurrency"
    assert begin(store, made[2].id, 3) == "running", "the limit may have grown"


def test_what_is_held_needs_no_message_until_it_is_let_through(store: ExecutionStore) -> None:
    first, second, third = (accepted(store, created_at=1.0 + n) for n in range(3))
    store.published([first, second, third], 10.0)
    assert [begin(store, one.id, 1) for one in (first, second, third)] == ["running", "concurrency", "concurrency"]
    ever: dict[str, float] = {"now": time.time() + 60, "stale": time.time() + 60}
    assert due(store, **ever) == []
    store.finish(first.id, 1, Ending(change="retry", due_at=time.time() + 3600))
    assert due(store, **ever) == [second.id], "a retry leaves its place"
    assert begin(store, second.id, 1) == "running"


@pytest.mark.parametrize(
    "end",
    [
        lambda store, made: store.finish(made, 1, SUCCEEDED),
        lambda store, made: store.finish(made, 1, FAILED),
        lambda store, made: store.lose(made, 1, Ending(change="fail", failure="lost")),
        lambda store, made: store.cancel(made),
    ],
    ids=["succeeded", "failed", "lost", "cancelled"],
)
def test_every_end_of_what_runs_lets_the_next_one_through(
    store: ExecutionStore, end: Callable[[ExecutionStore, str], object]
) -> None:
    first, second, third = (accepted(store, order_key="k") for _ in range(3))
    assert [begin(store, one.id, 1) for one in (first, third, second)] == ["running", "order", "order"]
    end(store, first.id)
    assert gates(store, second, third) == ["admitted", "order"]
    assert begin(store, third.id, 1) == "order"
    assert begin(store, second.id, 1) == "running"


@pytest.mark.parametrize(
    "end",
    [
        lambda store, made: store.cancel(made),
        lambda store, made: store.fail(made, {"status": 404}, "invalid"),
        lambda store, made: store.expire(1000.0),
    ],
    ids=["cancelled", "failed", "expired"],
)
def test_every_end_of_what_waits_lets_the_next_one_through(
    store: ExecutionStore, end: Callable[[ExecutionStore, str], object]
) -> None:
    first, second = (accepted(store, order_key="k", expires_at=at) for at in (500.0, None))
    assert begin(store, first.id) is None
    assert begin(store, second.id) == "order"
    end(store, first.id)
    assert admitted(store) == [second.id]
    assert begin(store, second.id) == "running"


def test_a_retry_holds_the_rest_of_its_line_back(store: ExecutionStore) -> None:
    first, second, other = (accepted(store, order_key=key) for key in ("k", "k", "l"))
    assert [begin(store, one.id) for one in (second, first, other)] == ["order", "running", "running"]
    store.finish(first.id, 1, Ending(change="retry"))
    assert gates(store, second) == ["order"]
    assert begin(store, second.id) == "order"
    assert begin(store, first.id) == "running"
    store.finish(first.id, 2, SUCCEEDED)
    assert begin(store, second.id) == "running"


def test_the_line_is_in_the_order_of_acceptance_whatever_the_clock_says(store: ExecutionStore) -> None:
    made = [execution(order_key="k", created_at=at, id=name) for at, name in ((9.0, "b"), (9.0, "a"), (1.0, "c"))]
    assert store.create(made) == [True] * 3
    assert [begin(store, one.id) for one in reversed(made)] == ["order", "order", "running"]


def test_a_duplicate_takes_no_place_in_the_line(store: ExecutionStore) -> None:
    first = accepted(store, order_key="k", event_source="/s", event_id="1")
    assert store.create([execution(order_key="k", event_source="/s", event_id="1")]) == [False]
    second = accepted(store, order_key="k")
    begin(store, first.id)
    store.finish(first.id, 1, SUCCEEDED)
    assert begin(store, second.id) == "running"


def test_a_redrive_takes_the_last_place_in_the_line(store: ExecutionStore) -> None:
    first, second, third = (accepted(store, order_key="k") for _ in range(3))
    begin(store, first.id, 5)
    store.finish(first.id, 1, FAILED)
    assert store.redrive(first.id) is not None
    assert [begin(store, one.id) for one in (first, third, second)] == ["order", "order", "running"]
    store.finish(second.id, 1, SUCCEEDED)
    assert [begin(store, one.id) for one in (first, third)] == ["order", "running"]


def test_what_waits_in_a_line_takes_no_place_from_others(store: ExecutionStore) -> None:
    first, second, free = accepted(store, order_key="k"), accepted(store, order_key="k"), accepted(store)
    last = accepted(store)
    assert [begin(store, one.id, 2) for one in (first, second, free, last)] == [
        "running", "order", "running", "concurrency",
    ]  # fmt: skip
    store.finish(free.id, 1, SUCCEEDED)
    assert admitted(store) == [last.id]


def test_a_gate_that_nobody_opened_is_found(store: ExecutionStore) -> None:
    made = [accepted(store) for _ in range(4)]
    assert store.admit({"f": 1}, time.time()) == 0
    assert [begin(store, one.id, 1) for one in made] == ["running", *["concurrency"] * 3]
    assert store.admit({"f": 1}, time.time()) == 0
    assert store.admit({"f": 2}, time.time()) == 1, "the limit has grown"
    assert store.admit({"f": 2}, time.time()) == 0, "one is on its way"
    store.cancel(made[1].id)
    assert store.admit({"f": 2}, time.time()) == 1, "and will not come"
    assert store.admit({}, time.time()) == 1, "there is no limit any more"
    assert gates(store, *made) == [None, None, "admitted", "admitted"]


def test_what_was_let_through_long_ago_is_not_waited_for(store: ExecutionStore) -> None:
    first, second, third = (accepted(store) for _ in range(3))
    assert [begin(store, one.id, 1) for one in (first, second, third)] == ["running", "concurrency", "concurrency"]
    store.finish(first.id, 1, SUCCEEDED)
    assert store.admit({"f": 1}, time.time()) == 0
    assert store.admit({"f": 1}, time.time() + 60) == 1


def test_threads_never_pass_a_gate_together(store: ExecutionStore) -> None:
    made = [accepted(store) for _ in range(24)]
    barrier = threading.Barrier(6)

    def start_some(worker: int) -> list[str | None]:
        barrier.wait()
        return [begin(store, one.id, 3) for one in made[worker::6]]

    with ThreadPoolExecutor(6) as threads:
        found = [state for states in threads.map(start_some, range(6)) for state in states]
    assert sorted(map(str, found)) == ["concurrency"] * 21 + ["running"] * 3


def test_threads_that_start_and_end_leave_nobody_behind(store: ExecutionStore) -> None:
    """Every start that is held is followed by an end that lets it through, whatever comes between."""
    for one in [execution(order_key=f"k{number % 3}") for number in range(60)]:
        assert store.create([one]) == [True]
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for one in reversed(store.list(ExecutionQuery(limit=60))[0]):
        waiting.put(one.id)

    def work(_: int) -> None:
        while store.counts().get("succeeded", 0) < 60 and time.monotonic() < end:
            with contextlib.suppress(queue.Empty):
                one = store.start(waiting.get_nowait(), worker="w", deadline=None, limit=2)
                if one is not None and one.state == "running":
                    assert store.finish(one.id, 1, SUCCEEDED) is not None
            fresh = store.admitted("f")
            store.published(fresh, time.time())
            for one in fresh:
                waiting.put(one.id)

    end = time.monotonic() + 60
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert store.counts() == {"succeeded": 60}


# Deleting


def test_purge_deletes_what_ended_and_keeps_the_failed(store: ExecutionStore) -> None:
    endings: dict[str, Callable[[str], object]] = {
        "succeeded": lambda made: store.finish(made, 1, SUCCEEDED),
        "failed": lambda made: store.finish(made, 1, FAILED),
        "cancelled": store.cancel,
        "running": lambda made: None,
    }
    made = {state: running(store, event_source="/s", event_id=state, created_at=1.0).id for state in endings}
    for state, end in endings.items():
        end(made[state])
        store.log(made[state], [LogLine(time=1.0, level="info", logger="l", message="m")])
    assert store.purge(time.time() - 60) == 0
    assert store.purge(time.time() + 60) == 2
    assert {state: store.get(made[state]) is not None for state in made} == {
        "succeeded": False, "failed": True, "cancelled": False, "running": True,
    }  # fmt: skip
    assert {state: len(store.logs(made[state])) for state in made} == {
        "succeeded": 0, "failed": 1, "cancelled": 0, "running": 1,
    }  # fmt: skip
    again = execution(event_source="/s", event_id="succeeded")
    assert store.create([again]) == [True], "what is deleted is forgotten"


def test_purge_deletes_any_number(store: ExecutionStore) -> None:
    store.create([execution(created_at=1.0, expires_at=2.0) for _ in range(1203)])
    assert store.expire(3.0) == 1203
    assert store.purge(time.time() + 1) == 1203
    assert store.counts() == {}
