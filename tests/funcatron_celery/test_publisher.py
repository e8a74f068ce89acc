"""The dispatcher on the embedded broker: record and message together, in batches."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from celery import Celery

from funcatron.errors import Unavailable
from funcatron.execution import Execution, new_id
from funcatron.settings import Settings
from funcatron.store.sqlite import SQLiteStore
from funcatron_celery import envelope
from funcatron_celery.broker import connect
from funcatron_celery.publisher import CeleryDispatcher

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path))


@pytest.fixture
def store(settings: Settings) -> Iterator[SQLiteStore]:
    made = SQLiteStore(settings.store_url)
    yield made
    made.close()


@pytest.fixture
def dispatcher(settings: Settings, store: SQLiteStore) -> Iterator[CeleryDispatcher]:
    made = CeleryDispatcher(settings, store)
    made.start()
    yield made
    made.stop()


def execution(**given: Any) -> Execution:
    return Execution(**{"id": new_id(), "function": "shop.buy", "trigger": "async", "created_at": time.time(), **given})


def messages(store: SQLiteStore) -> list[dict[str, Any]]:
    with sqlite3.connect(store.path) as connection:
        rows = connection.execute("select queue, payload from message order by id").fetchall()
    connection.close()
    return [{"queue": queue, **orjson.loads(payload)} for queue, payload in rows]


async def test_record_and_message_are_there_when_dispatch_returns(
    dispatcher: CeleryDispatcher, store: SQLiteStore
) -> None:
    made = execution(queue="images")
    assert await dispatcher.dispatch(made) is True
    assert store.get(made.id) == made
    (message,) = messages(store)
    assert message["queue"] == "images"
    assert message["headers"]["id"] == message["properties"]["correlation_id"] == made.id


async def test_a_duplicate_is_told_and_has_no_second_message(dispatcher: CeleryDispatcher, store: SQLiteStore) -> None:
    first = execution(event_source="/s", event_id="1")
    again = execution(event_source="/s", event_id="1")
    assert await dispatcher.dispatch(first) is True
    assert await dispatcher.dispatch(again) is False
    assert len(messages(store)) == 1


async def test_many_at_once_share_transactions_and_none_is_mixed_up(
    dispatcher: CeleryDispatcher, store: SQLiteStore
) -> None:
    made = [execution(input={"n": n}) for n in range(300)]
    assert await asyncio.gather(*(dispatcher.dispatch(each) for each in made)) == [True] * 300
    assert {message["headers"]["id"] for message in messages(store)} == {each.id for each in made}
    assert [store.get(each.id).input["n"] for each in made] == list(range(300))


async def test_the_event_loop_is_not_blocked(dispatcher: CeleryDispatcher, store: SQLiteStore) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    with sqlite3.connect(store.path) as other:
        store.counts()
        other.execute("begin immediate")
        ticking = asyncio.create_task(tick())
        dispatching = asyncio.create_task(dispatcher.dispatch(execution()))
        async with asyncio.timeout(60):
            while ticks < 20:
                await asyncio.sleep(0.001)
        assert not dispatching.done(), "the file is locked by another"
        other.rollback()
    other.close()
    assert await dispatching is True
    ticking.cancel()


def test_submit_blocks_until_it_is_durable(dispatcher: CeleryDispatcher, store: SQLiteStore) -> None:
    made = [execution(), execution()]
    assert dispatcher.submit([*made, made[0]]) == [True, True, False]
    assert len(messages(store)) == 2


def test_republish_adds_messages_to_records(dispatcher: CeleryDispatcher, store: SQLiteStore) -> None:
    made = execution()
    store.create([made])
    dispatcher.republish([made])
    dispatcher.republish([])
    assert [message["headers"]["id"] for message in messages(store)] == [made.id]


async def test_too_many_waiting_are_refused(settings: Settings, store: SQLiteStore) -> None:
    dispatcher = CeleryDispatcher(Settings(data_dir=settings.data_dir, max_queued=3), store)
    try:
        results = await asyncio.gather(*(dispatcher.dispatch(execution()) for _ in range(10)), return_exceptions=True)
        refused = [result for result in results if isinstance(result, Unavailable)]
        assert len(refused) == 7
        assert len(messages(store)) == 3
    finally:
        dispatcher.stop()


async def test_a_store_that_is_out_of_reach_refuses(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("in the way")
    settings = Settings(data_dir=str(folder))
    store = SQLiteStore(settings.store_url)
    dispatcher = CeleryDispatcher(settings, store)
    try:
        with pytest.raises(Unavailable):
            await dispatcher.dispatch(execution())
    finally:
        dispatcher.stop()
        store.close()


async def test_with_a_broker_of_its_own_the_record_comes_first_and_the_message_after(
    tmp_path: Path, settings: Settings, store: SQLiteStore
) -> None:
    broker = f"sqlite:///{tmp_path / 'broker.db'}"
    dispatcher = CeleryDispatcher(Settings(data_dir=settings.data_dir, broker=broker), store)
    made, later = execution(), execution(due_at=time.time() + 100)
    try:
        assert await dispatcher.dispatch(made) is True
        assert await dispatcher.dispatch(later) is True
        with connect(broker) as connection, connection.channel() as channel:
            message = channel.basic_get("funcatron")
            assert message.headers["id"] == made.id
            assert channel.basic_get("funcatron") is None, "what is due later is published when it is due"
            message.ack()
        assert messages(store) == []
        assert store.due(now=time.time(), stale=0, unpublished=time.time() + 1, limit=9) == []
    finally:
        dispatcher.stop()


async def test_a_broker_that_is_out_of_reach_refuses_nothing(settings: Settings, store: SQLiteStore) -> None:
    dispatcher = CeleryDispatcher(Settings(data_dir=settings.data_dir, broker="amqp://127.0.0.1:1//"), store)
    made = execution()
    try:
        assert await dispatcher.dispatch(made) is True
        assert store.due(now=time.time(), stale=0, unpublished=time.time() + 1, limit=9) == [made]
        with pytest.raises(Unavailable):
            dispatcher.republish([made])
    finally:
        dispatcher.stop()


def test_the_message_is_one_that_celery_could_have_sent() -> None:
    app = Celery(set_as_current=False)
    theirs = app.amqp.as_task_v2("the-id", "shop.buy", args=[], kwargs={})
    ours = orjson.loads(envelope.payload(execution(id="the-id")))
    assert orjson.loads(ours["body"]) == orjson.loads(orjson.dumps(theirs.body))
    expected = {**orjson.loads(orjson.dumps(theirs.headers)), "ignore_result": None}  # the worker decides
    for header in expected.keys() - {"origin"}:
        assert ours["headers"][header] == expected[header], header
    assert ours["properties"]["correlation_id"] == theirs.properties["correlation_id"]
    assert ours["headers"][envelope.MARK] == "execution"


@pytest.mark.parametrize("name", ["plain", 'quo"te', "back\\slash", "ünïcode", "new\nline"])
def test_any_id_fits_in_an_envelope(name: str) -> None:
    message = orjson.loads(envelope.payload(execution(id=name)))
    assert message["headers"]["id"] == message["headers"]["root_id"] == name
    assert message["properties"]["correlation_id"] == name
