"""What comes twice is one execution, through every door that events have, also when it comes twice at once."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from funcatron import Funcatron
from funcatron.event import CloudEvent
from funcatron.execution import Execution
from funcatron.ports import ExecutionQuery
from funcatron.settings import Settings
from funcatron.store.lease import Lease
from funcatron_celery.clock import publishing

pytestmark = pytest.mark.anyio
THREADS = 20
SPEC = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "paths": {},
    "x-webhooks": {
        name: {
            "post": {
                "operationId": name,
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"204": {"description": ""}},
                "x-funcatron": {"triggers": [{"event": {"type": "order.*"}}, {"queue": {"name": "orders"}}]},
            }
        }
        for name in ("bill", "ship")
    },
}


class Ran:
    """Counts the calls of both handlers."""

    def __init__(self) -> None:
        self.calls = 0
        self._lock = threading.Lock()

    def __call__(self, body: Any) -> None:
        with self._lock:
            self.calls += 1


@pytest.fixture
def ran() -> Ran:
    return Ran()


@pytest.fixture
def processes(tmp_path: Path, ran: Ran) -> Iterator[list[Funcatron]]:
    """Two applications on one file, as two processes have them."""
    settings = Settings(data_dir=str(tmp_path))
    made = [Funcatron(SPEC, handlers={"bill": ran, "ship": ran}, settings=settings) for _ in range(2)]
    yield made
    for one in made:
        one.close()


def at_once(task: Callable[[int], Any]) -> list[Any]:
    barrier = threading.Barrier(THREADS)

    def run(number: int) -> Any:
        barrier.wait()
        return task(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def on_record(one: Funcatron) -> list[Execution]:
    return list(one.store.list(ExecutionQuery())[0])


def messages(tmp_path: Path) -> list[str]:
    connection = sqlite3.connect(tmp_path / "funcatron.db")
    try:
        return [name for (name,) in connection.execute("select execution from message")]
    finally:
        connection.close()


EVENT = CloudEvent(id="4711", source="/shop", type="order.paid", data={"n": 1})


def test_events_that_are_published(processes: list[Funcatron], tmp_path: Path) -> None:
    answers = at_once(lambda number: processes[number % 2].publish(EVENT))
    made = on_record(processes[0])
    assert sorted(one.function for one in made) == ["bill", "ship"]
    assert all({one.id for one in answer} == {one.id for one in made} for answer in answers)
    assert sorted(messages(tmp_path)) == sorted(one.id for one in made)


async def test_events_that_are_posted(processes: list[Funcatron], tmp_path: Path) -> None:
    headers = {"Content-Type": "application/cloudevents+json"}
    clients = [httpx.AsyncClient(transport=httpx.ASGITransport(one), base_url="http://t") for one in processes]
    answers = await asyncio.gather(
        *(
            clients[number % 2].post("/_funcatron/events", json=EVENT.to_json(), headers=headers)
            for number in range(THREADS)
        )
    )
    made = {one.id for one in on_record(processes[0])}
    assert [answer.status_code for answer in answers] == [202] * THREADS
    assert all({one["id"] for one in answer.json()["executions"]} == made for answer in answers)
    assert len(made) == len(messages(tmp_path)) == 2


def test_events_that_a_trigger_takes_from_its_source(processes: list[Funcatron], tmp_path: Path) -> None:
    bound = [next(b for b in one.triggers if b.kind == "queue" and b.function.name == "bill") for one in processes]
    doors = [publishing(one, trigger) for one, trigger in zip(processes, bound, strict=True)]
    at_once(lambda number: doors[number % 2](EVENT))
    (made,) = on_record(processes[0])
    assert (made.function, made.trigger, made.event_id) == ("bill", "queue", "4711")
    assert messages(tmp_path) == [made.id]


def test_tasks_of_celery_clients(processes: list[Funcatron], ran: Ran, tmp_path: Path) -> None:
    leases = [Lease.acquire(tmp_path / "funcatron.db.leases") for _ in range(THREADS)]

    def run(number: int) -> Execution | None:
        runner = processes[number % 2].runner
        return asyncio.run(runner.adopt("task-1", "bill", {"body": {}}, worker=leases[number].id))

    outcomes = at_once(run)
    (made,) = on_record(processes[0])
    assert (made.id, made.trigger, made.state, made.attempt) == ("task-1", "celery", "succeeded", 1)
    assert [one for one in outcomes if one is not None] == [made]
    assert ran.calls == 1
    for lease in leases:
        lease.release()
