"""The way of our own messages through a Celery worker: short where nobody watches, Celery's own where someone does."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import signals
from celery.worker import state
from kombu import Connection

from funcatron import Funcatron
from funcatron.errors import Unavailable
from funcatron.execution import Execution, new_id
from funcatron.settings import Settings
from funcatron.store.sqlite import SQLiteStore
from funcatron_celery.app import FunctionsApp, make_celery
from funcatron_celery.strategy import Request
from funcatron_celery.worker import serve_tasks

NAME = "shop.work"
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/work": {
            "post": {
                "operationId": NAME,
                "x-funcatron": {"mode": "async", "retry": {"attempts": 1}},
                "responses": {"200": {"description": "ok"}},
            }
        }
    },
}

Handler = Callable[[Any], Any]


class Work:
    """One worker in this process, and what its handler saw of Celery's state."""

    def __init__(self, folder: Path, handler: Handler, **settings: Any) -> None:
        self.seen: list[tuple[str, Any, dict[str, Any]]] = []
        self.left = 0
        self.file = folder / "data" / "funcatron.db"
        self._handler = handler
        self.funcatron = Funcatron(
            DOCUMENT, handlers={NAME: self._handle}, settings=Settings(data_dir=str(folder / "data"), **settings)
        )

    def _handle(self, context: Any) -> Any:
        request = state.requests.get(context.id)
        active = request in state.active_requests
        self.seen.append((context.id, type(request), {"active": active, **(request.info() if request else {})}))
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return self._handler(context)

    def accept(self, count: int) -> list[str]:
        self.left += count
        records = [Execution(id=new_id(), function=NAME, trigger="async", created_at=0.0) for _ in range(count)]
        self.funcatron.dispatcher.submit(records)
        return [record.id for record in records]

    def run(self, prepare: Callable[[FunctionsApp], None] = lambda app: None) -> None:
        """Work until the last of what was accepted has been handled."""
        app = make_celery(self.funcatron, supervised=True)
        prepare(app)
        assert serve_tasks(app, name="w", ready=lambda: None) == 0

    def records(self, ids: list[str]) -> list[Execution | None]:
        with contextlib.closing(SQLiteStore(f"sqlite:///{self.file}")) as store:
            return [store.get(each) for each in ids]

    def waiting(self) -> int:
        with Connection(f"sqlite:///{self.file}") as connection:
            return int(connection.default_channel._size("funcatron"))


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """A worker changes signal handlers and log levels: as before, afterwards."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)}
    levels = {name: logging.getLogger(name).level for name in ("celery", "kombu", "amqp")}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def work(tmp_path: Path) -> Callable[..., Work]:
    return lambda handler=lambda context: None, **settings: Work(tmp_path, handler, **settings)


def test_an_execution_is_run_at_once_and_known_to_the_workers_state(work: Callable[..., Work]) -> None:
    worker = work(lambda context: {"id": context.id})
    ids = worker.accept(3)
    worker.run()
    assert [record.state for record in worker.records(ids) if record] == ["succeeded"] * 3
    assert [(each, kind) for each, kind, _ in worker.seen] == [(each, Request) for each in ids]
    info = worker.seen[0][2]
    assert (info["active"], info["name"], info["acknowledged"], info["worker_pid"]) == (True, NAME, False, os.getpid())
    assert info["hostname"].startswith("w.")
    assert state.total_count[NAME] == state.all_total_count[0] == 3
    assert not state.requests
    assert not state.active_requests
    assert worker.waiting() == 0


def test_a_failure_is_on_record_and_its_message_gone(work: Callable[..., Work]) -> None:
    worker = work(lambda context: 1 // 0)
    ids = worker.accept(1)
    worker.run()
    (record,) = worker.records(ids)
    assert record is not None
    assert (record.state, record.failure, worker.waiting()) == ("failed", "handler", 0)


def listen_to_signal(app: FunctionsApp) -> None:
    signals.task_postrun.connect(heard, sender=app.tasks[NAME])


def heard(**told: Any) -> None:
    HEARD.append(told["task_id"])


HEARD: list[str] = []


def send_events(app: FunctionsApp) -> None:
    app.conf.worker_send_task_events = True


def limit_rate(app: FunctionsApp) -> None:
    app.tasks[NAME].rate_limit = "1000/s"


def log_more(app: FunctionsApp) -> None:
    logging.getLogger("celery.worker.strategy").setLevel(logging.INFO)


@pytest.mark.parametrize("watch", [listen_to_signal, send_events, limit_rate, log_more])
def test_who_watches_gets_what_celery_gives(work: Callable[..., Work], watch: Callable[[FunctionsApp], None]) -> None:
    worker = work()
    ids = worker.accept(2)
    HEARD.clear()
    try:
        worker.run(watch)
    finally:
        signals.task_postrun.receivers.clear()
        logging.getLogger("celery.worker.strategy").setLevel(logging.NOTSET)
    assert [record.state for record in worker.records(ids) if record] == ["succeeded"] * 2
    assert all(kind is not Request for _, kind, _ in worker.seen)
    assert [told["id"] for _, _, told in worker.seen] == ids
    assert (ids if watch is listen_to_signal else []) == HEARD


def test_where_results_are_kept_celery_keeps_them(work: Callable[..., Work], tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    worker = work(lambda context: {"n": 1}, result_backend=f"file://{tmp_path}/results")
    (execution,) = worker.accept(1)
    worker.run()
    assert worker.seen[0][1] is not Request
    assert [file.name for file in (tmp_path / "results").iterdir()] == [f"celery-task-meta-{execution}"]


def test_what_was_revoked_is_not_run_but_cancelled_on_record(work: Callable[..., Work]) -> None:
    worker = work()
    revoked, last = worker.accept(2)
    worker.left = 1
    worker.run(lambda app: state.revoked.add(revoked))
    assert [record.state for record in worker.records([revoked, last]) if record] == ["cancelled", "succeeded"]
    assert [each for each, *_ in worker.seen] == [last]
    assert worker.waiting() == 0


def test_a_message_goes_back_where_the_store_stays_away_and_the_worker_stops(
    work: Callable[..., Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = work()
    (execution,) = worker.accept(1)

    def away(*args: Any, **kwargs: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        raise Unavailable("the store is away")

    monkeypatch.setattr(worker.funcatron.store, "start", away)
    worker.run()
    (record,) = worker.records([execution])
    assert record is not None
    assert (record.state, worker.waiting(), worker.seen) == ("queued", 1, [])


def test_what_only_looks_like_ours_is_refused(work: Callable[..., Work]) -> None:
    worker = work()
    worker.accept(1)
    with Connection(f"sqlite:///{worker.file}") as connection:
        for execution in (5, "", "a\nb", "x" * 256, ["id"]):
            connection.Producer().publish(
                '[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]',
                routing_key="funcatron",
                headers={"task": NAME, "id": execution, "funcatron": "execution"},
                content_type="application/json",
                content_encoding="utf-8",
            )
    worker.accept(1)
    worker.run()
    with Connection(f"sqlite:///{worker.file}") as connection:
        assert connection.default_channel._size("funcatron.dead") == 5
    assert len(worker.seen) == 2
    assert worker.waiting() == 0
