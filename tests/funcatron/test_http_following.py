"""Following executions: the events, who may, and what many clients cost."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from funcatron.errors import Unavailable
from funcatron.execution import Execution, Progress, Status, StoredResult, new_id
from funcatron.http.following import COMMENT, Following, version_of
from funcatron.ports import Ending
from funcatron.store.memory import MemoryStore

pytestmark = pytest.mark.anyio

LINKS = "/_funcatron"
SUCCEEDED = Ending(change="succeed", result=StoredResult())


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Counting(MemoryStore):
    """A store that counts what it is asked for, and may be out of reach."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.reachable = True

    def statuses(self, execution_ids: Sequence[str]) -> Sequence[Status]:
        self.asked.append(len(execution_ids))
        if not self.reachable:
            raise Unavailable("not now")
        return super().statuses(execution_ids)

    def running(self) -> Execution:  # type: ignore[override]
        execution = Execution(id=new_id(), function="f", trigger="async", created_at=time.time())
        self.create([execution])
        started = self.start(execution.id, worker="w", deadline=None)
        assert started is not None
        return started


@pytest.fixture
def store() -> Counting:
    return Counting()


def following(store: Counting, **options: Any) -> Following:
    return Following(store.statuses, **{"interval": 0.01, **options})


def read(event: bytes) -> tuple[str, Any]:
    fields = dict(line.split(": ", 1) for line in event.decode().strip().split("\n"))
    return fields["event"], json.loads(fields["data"])


async def test_an_execution_is_followed_to_its_end(store: Counting) -> None:
    execution = store.running()
    async with aclosing(following(store).events(Status.of(execution), LINKS)) as events:
        assert await anext(events) == b"retry: 1000\n\n"
        name, data = read(await anext(events))
        assert (name, data["state"], data["progress"]) == ("progress", "running", None)
        assert data["links"]["events"] == f"/_funcatron/executions/{execution.id}/events"
        store.progress(execution.id, 1, Progress(1, 2, "half"))
        name, data = read(await anext(events))
        assert (name, data["progress"]) == ("progress", {"done": 1, "total": 2, "note": "half"})
        store.finish(execution.id, 1, SUCCEEDED)
        name, data = read(await anext(events))
        assert (name, data["state"]) == ("end", "succeeded")
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_what_changes_while_a_client_reads_is_told_as_it_is_then(store: Counting) -> None:
    execution = store.running()
    async with aclosing(following(store).events(Status.of(execution), LINKS)) as events:
        await anext(events)
        await anext(events)
        for done in range(5):
            store.progress(execution.id, 1, Progress(done))
            asked = len(store.asked)
            while len(store.asked) < asked + 2:
                await asyncio.sleep(0.001)
        assert read(await anext(events))[1]["progress"]["done"] == 4
        store.finish(execution.id, 1, SUCCEEDED)
        assert read(await anext(events))[0] == "end"


async def test_an_end_that_comes_while_the_first_event_is_read_is_told(store: Counting) -> None:
    execution = store.running()
    async with aclosing(following(store).events(Status.of(execution), LINKS)) as events:
        await anext(events)
        await anext(events)
        store.finish(execution.id, 1, SUCCEEDED)
        asked = len(store.asked)
        while len(store.asked) < asked + 2:
            await asyncio.sleep(0.001)
        assert read(await anext(events))[0] == "end"


async def test_what_the_client_has_seen_is_not_told_again(store: Counting) -> None:
    execution = store.running()
    status = Status.of(execution)
    async with aclosing(following(store).events(status, LINKS, version_of(status))) as events:
        await anext(events)
        store.progress(execution.id, 1, Progress(1))
        assert read(await anext(events))[1]["progress"] == {"done": 1}


async def test_silence_is_broken(store: Counting) -> None:
    status = Status.of(store.running())
    async with aclosing(following(store, keep_alive=0.01).events(status, LINKS, version_of(status))) as events:
        await anext(events)
        assert [await anext(events) for _ in range(2)] == [COMMENT, COMMENT]


async def test_a_store_that_is_out_of_reach_is_asked_again(store: Counting, caplog: pytest.LogCaptureFixture) -> None:
    execution = store.running()
    async with aclosing(following(store).events(Status.of(execution), LINKS)) as events:
        await anext(events)
        store.reachable = False
        await anext(events)
        while len(store.asked) < 2:
            await asyncio.sleep(0.001)
        store.finish(execution.id, 1, SUCCEEDED)
        store.reachable = True
        assert read(await anext(events))[0] == "end"
    assert "1 executions that are followed: not now" in caplog.text


@pytest.mark.parametrize("why", ["gone", "stopping"])
async def test_a_stream_ends_without_an_end(store: Counting, why: str) -> None:
    execution = store.running()
    stopping = threading.Event()
    followed = following(store, stopping=stopping.is_set)
    async with aclosing(followed.events(Status.of(execution), LINKS)) as events:
        await anext(events)
        await anext(events)
        if why == "gone":
            store._records.clear()
        else:
            stopping.set()
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_a_thousand_clients_cost_one_task_and_one_question(store: Counting) -> None:
    executions = [store.running() for _ in range(1000)]
    followed = following(store, interval=0.05)
    before = len(asyncio.all_tasks()), threading.active_count()
    streams: list[AsyncIterator[bytes]] = [followed.events(Status.of(one), LINKS) for one in executions]
    for stream in streams:
        await anext(stream)
        await anext(stream)
    while len(store.asked) < 3:
        await asyncio.sleep(0.01)
    assert store.asked[-1] == 1000
    assert len(asyncio.all_tasks()) == before[0] + 1
    assert threading.active_count() <= before[1] + 1 + 1  # to ask in, and asyncio may keep one more
    for execution in executions:
        store.finish(execution.id, 1, SUCCEEDED)
    for stream in streams:
        assert read(await anext(stream))[0] == "end"
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    while len(asyncio.all_tasks()) > before[0]:  # with nobody left nothing is asked
        await asyncio.sleep(0.01)
