"""More than can be stored or run: refused at once, counted, and over when the load is."""

from __future__ import annotations

import asyncio
import gc
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from funcatron import Funcatron
from funcatron.errors import Unavailable
from funcatron.execution import Execution, new_id
from funcatron.ports import Message
from funcatron.settings import Settings
from funcatron.store.sqlite import SQLiteStore
from funcatron_celery.publisher import CeleryDispatcher

pytestmark = pytest.mark.anyio
LIMIT = 50
RESPONSES = {"200": {"description": "done"}, "202": {"description": "accepted"}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/later": {"post": {"operationId": "overloaded", "x-funcatron": {"mode": "async"}, "responses": RESPONSES}},
        "/now": {"post": {"operationId": "now", "responses": RESPONSES}},
    },
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class SlowStore(SQLiteStore):
    """A store that takes no record before it is told to."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.passing = threading.Event()

    def create(self, executions: Sequence[Execution], messages: Sequence[Message] = ()) -> list[bool]:
        self.passing.wait()
        return super().create(executions, messages)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SlowStore]:
    made = SlowStore(f"sqlite:///{tmp_path / 'funcatron.db'}")
    yield made
    made.passing.set()
    made.close()


@pytest.fixture
def release() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


@pytest.fixture
async def http(store: SlowStore, release: threading.Event, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = Funcatron(
        DOCUMENT,
        handlers={"overloaded": lambda: None, "now": release.wait},
        store=store,
        settings=Settings(data_dir=str(tmp_path), max_queued=LIMIT, threads=2),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client
    store.passing.set()
    release.set()
    await app.stop()


async def all_but(count: int, calls: Sequence[asyncio.Task[httpx.Response]]) -> list[httpx.Response]:
    """Wait until no more than ``count`` calls are unanswered; return the answers."""
    while len(left := [call for call in calls if not call.done()]) > count:
        await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
    return [call.result() for call in calls if call.done()]


def assert_refused(answers: Sequence[httpx.Response]) -> None:
    for answer in answers:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 503


def records_in_memory() -> int:
    """Return how many records of the function ``overloaded`` there are in this process."""
    gc.collect()
    return sum(isinstance(thing, Execution) and thing.function == "overloaded" for thing in gc.get_objects())


async def test_what_cannot_be_stored_in_time_is_refused_and_nothing_accepted_is_lost(
    http: httpx.AsyncClient, store: SlowStore
) -> None:
    calls = [asyncio.create_task(http.post("/later")) for _ in range(10 * LIMIT)]
    assert_refused(await all_but(LIMIT, calls))
    assert 0 < records_in_memory() <= LIMIT, "what waits is bounded, however much comes"
    more = [asyncio.create_task(http.post("/later")) for _ in range(LIMIT)]
    assert_refused(await all_but(0, more))
    assert records_in_memory() <= LIMIT

    store.passing.set()
    answers = await asyncio.gather(*calls)
    assert Counter(answer.status_code for answer in answers) == {202: LIMIT, 503: 9 * LIMIT}
    accepted = {answer.json()["id"] for answer in answers if answer.status_code == 202}
    with sqlite3.connect(store.path) as connection:
        queued = {name for (name,) in connection.execute("select execution from message")}
    connection.close()
    assert queued == accepted
    assert store.counts() == {"queued": LIMIT}
    assert (await http.post("/later")).status_code == 202, "it is over when the load is"


async def test_sync_calls_that_find_no_thread_are_refused(http: httpx.AsyncClient, release: threading.Event) -> None:
    most = 2 + LIMIT
    calls = [asyncio.create_task(http.post("/now")) for _ in range(3 * most)]
    assert_refused(await all_but(most, calls))
    release.set()
    answers = await asyncio.gather(*calls)
    assert Counter(answer.status_code for answer in answers) == {200: most, 503: 2 * most}
    assert (await http.post("/now")).status_code == 200


async def test_a_broker_that_does_not_answer_piles_nothing_up(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Records are durable before they are published: while the broker hangs, no more than the limit wait for it."""
    port = free_port()
    silent = socket.create_server(("127.0.0.1", port))
    settings = Settings(data_dir=str(tmp_path), broker=f"amqp://127.0.0.1:{port}", max_queued=LIMIT)
    store = SQLiteStore(settings.store_url)
    dispatcher = CeleryDispatcher(settings, store)
    made = [Execution(id=new_id(), function="f", trigger="async", created_at=1.0) for _ in range(4 * LIMIT)]
    orders = [asyncio.create_task(dispatcher.dispatch(one)) for one in made]
    while sum(order.done() for order in orders) < 3 * LIMIT:
        await asyncio.wait([order for order in orders if not order.done()], return_when=asyncio.FIRST_COMPLETED)
    silent.close()
    results = await asyncio.gather(*orders, return_exceptions=True)
    refused = [result for result in results if isinstance(result, Unavailable)]
    assert len(refused) == 3 * LIMIT
    assert all("overloaded" in str(error) for error in refused)
    assert results.count(True) == LIMIT, "they are on record, and the sweep publishes them"
    assert store.counts() == {"queued": LIMIT}
    assert len(store.due(now=2.0, stale=0.0, unpublished=2.0, limit=9 * LIMIT)) == LIMIT
    dispatcher.stop()
    store.close()
