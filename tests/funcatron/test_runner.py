"""One attempt of one execution: every way in, every way out, and what meets it on the way."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from funcatron import streams
from funcatron.calls import ThreadCalls
from funcatron.codec import StoredUpload, encode_input
from funcatron.errors import InvalidInput, Problem, Retry, Unavailable, UnknownFunction
from funcatron.event import CloudEvent
from funcatron.execution import Execution, LogLine, Progress, StoredResult, new_id
from funcatron.invocation import Context, Principal
from funcatron.invoker import Invoker
from funcatron.ports import Ending
from funcatron.registry import build_registry
from funcatron.runner import FinishLater, Runner
from funcatron.services import Services
from funcatron.spec.document import load
from funcatron.store.memory import MemoryStore
from tests.funcatron.functions import document, json_body, parameter

pytestmark = pytest.mark.anyio
ORDER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
RETRIES = {"mode": "async", "retry": {"attempts": 3, "backoff": 0, "jitter": False}}


class World:
    """One function ``f``, a store, and runners that stand for workers."""

    def __init__(self, handler: Callable[..., Any], calls: ThreadCalls, operation: dict[str, Any]) -> None:
        self.store = MemoryStore()
        self.dead: set[str] = set()
        self.killed: set[str] = set()
        self.ended: list[Execution] = []
        self.published: list[str] = []
        self.services = Services()
        self._handler, self._calls, self._operation = handler, calls, operation

    def runner(self, finish_later: FinishLater | None = None) -> Runner:
        registry = build_registry(
            [load(document(**self._operation))], handlers=lambda name: self._handler, services=self.services
        )
        return Runner(
            registry=registry,
            store=self.store,
            invoker=Invoker(services=self.services, calls=self._calls),
            alive=lambda worker: worker not in self.dead,
            killed=lambda worker: worker in self.killed,
            ended=self.ended.append,
            publish=lambda executions: self.publish(executions),
            finish_later=finish_later,
            redacted=("password",),
        )

    def publish(self, executions: Sequence[Execution]) -> None:
        self.published += [execution.id for execution in executions]

    def accept(self, arguments: Mapping[str, Any] | None = None, **members: Any) -> str:
        """Put an execution of ``f`` on record, as a door does, and return its id."""
        given = {"function": "f", "trigger": "async", "input": encode_input(arguments or {}), "created_at": time.time()}
        record = Execution(**{"id": new_id(), **given, **members})
        assert self.store.create([record]) == [True]
        return record.id

    def record(self, execution_id: str) -> Execution:
        found = self.store.get(execution_id)
        assert found is not None
        return found

    async def run(self, execution_id: str, worker: str = "w-1") -> Execution:
        after = await self.runner().run(execution_id, "f", worker=worker)
        assert after is not None
        assert after == self.store.get(execution_id)
        return after


@pytest.fixture
def calls() -> Iterator[ThreadCalls]:
    calls = ThreadCalls(4)
    yield calls
    calls.close()


@pytest.fixture
def world(calls: ThreadCalls) -> Callable[..., World]:
    """Return ``world(handler, **operation)``."""
    return lambda handler, **operation: World(handler, calls, operation)


def fail(error: BaseException) -> Callable[[], None]:
    def handler() -> None:
        raise error

    return handler


# Ends


async def test_success_is_on_record(world: Callable[..., World]) -> None:
    def handler(q: int, body: Any, context: Context) -> Any:
        return (
            {"q": q, "body": body, "id": context.id, "attempt": context.attempt},
            201,
            {"X-A": "1", "Set-Cookie": "s"},
        )

    here = world(handler, parameters=[parameter("q", schema={"type": "integer"})], requestBody=json_body(ORDER))
    execution_id = here.accept({"q": 1, "body": {"n": 2**70}})
    after = await here.run(execution_id)
    assert (after.state, after.attempt, after.worker, after.problem, after.failure) == (
        "succeeded",
        1,
        "w-1",
        None,
        None,
    )
    assert after.result == StoredResult(
        status=201,
        headers={"X-A": "1"},  # cookies are never at rest
        content_type="application/json",
        body={"q": 1, "body": {"n": 2**70}, "id": execution_id, "attempt": 1},
    )
    assert after.started_at is not None
    assert after.ended_at is not None
    assert here.ended == [after]


@pytest.mark.parametrize(
    ("returned", "stored", "content"),
    [
        (None, {"status": 204}, b""),
        ({"a": 1.0}, {"content_type": "application/json", "body": {"a": 1.0}}, b'{"a":1.0}'),
        ("text", {"content_type": "text/plain", "body": "text"}, b"text"),
        ("", {"content_type": "text/plain"}, b""),
        (b"\x00\xff", {"content_type": "application/octet-stream", "base64": "AP8="}, b"\x00\xff"),
        ((b"\xff", {"Content-Type": "text/plain"}), {"content_type": "text/plain", "base64": "/w=="}, b"\xff"),
        ((b"{", {"Content-Type": "application/json"}), {"content_type": "application/json", "base64": "ew=="}, b"{"),
        ((b"null", {"Content-Type": "application/json"}), {"content_type": "application/json", "base64": "bnVsbA=="},
         b"null"),
    ],
    ids=repr,
)  # fmt: skip
async def test_every_body_can_be_given_again(
    world: Callable[..., World], returned: Any, stored: dict[str, Any], content: bytes
) -> None:
    here = world(lambda: returned)
    result = (await here.run(here.accept())).result
    assert result is not None
    kept = msgspec.to_builtins(msgspec.structs.replace(result, headers={}))
    assert kept == stored
    assert result.to_bytes() == content


@pytest.mark.parametrize(
    ("error", "status", "failure"),
    [
        (Problem(409, "Taken", x=1), 409, "handler"),
        (Problem(499), 499, "handler"),
        (InvalidInput([]), 400, "invalid"),
    ],
    ids=repr,
)
async def test_a_refusal_is_final(world: Callable[..., World], error: Problem, status: int, failure: str) -> None:
    here = world(fail(error), extension=RETRIES)
    after = await here.run(here.accept())
    assert (after.state, after.failure, after.attempt) == ("failed", failure, 1)
    assert after.problem is not None
    assert after.problem["status"] == status
    assert after.result is not None
    assert (after.result.status, after.result.body) == (status, after.problem)
    assert here.ended == [after]


@pytest.mark.parametrize(
    "error",
    [Problem(503), Retry("busy"), ValueError("x"), SystemExit(1), Unavailable(retry_after=0), TimeoutError()],
    ids=repr,
)
async def test_what_may_pass_is_tried_as_often_as_the_policy_says(
    world: Callable[..., World], error: BaseException
) -> None:
    here = world(fail(error), extension=RETRIES)
    execution_id = here.accept()
    for attempt in (1, 2):
        after = await here.run(execution_id)
        assert (after.state, after.attempt, after.worker) == ("retrying", attempt, "w-1")
        assert after.due_at is not None
        assert after.due_at <= time.time()
        assert after.problem is not None
        assert after.result is None
        assert here.ended == []
    after = await here.run(execution_id)
    assert (after.state, after.attempt) == ("failed", 3)
    assert here.ended == [after]


async def test_an_attempt_that_succeeds_at_last_leaves_no_trace_of_the_others(world: Callable[..., World]) -> None:
    def handler(context: Context) -> Any:
        if context.attempt < 3:
            raise Problem(503)
        return context.attempt

    here = world(handler, extension=RETRIES)
    execution_id = here.accept()
    states = [(await here.run(execution_id)).state for _ in range(3)]
    assert states == ["retrying", "retrying", "succeeded"]
    after = here.record(execution_id)
    assert (after.problem, after.failure, after.due_at) == (None, None, None)


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (Retry(after=60), 60),
        (Problem(503, headers={"Retry-After": "90"}), 90),
        (Problem(503), 1),
        (Unavailable(retry_after=5), 5),
    ],
    ids=repr,
)
async def test_when_the_next_attempt_is_due(world: Callable[..., World], error: Exception, wait: float) -> None:
    here = world(fail(error), extension={"mode": "async", "retry": {"attempts": 2, "jitter": False}})
    before = time.time()
    after = await here.run(here.accept())
    assert after.due_at is not None
    assert wait <= after.due_at - before < wait + 5


@pytest.mark.parametrize(
    ("returned", "change", "status"),
    [(({"error": "no"}, 404), "failed", 404), (({"error": "no"}, 500), "retrying", 500), (("no", 400), "failed", 400),
     (({"title": "No", "status": 409, "x": 1}, 409), "failed", 409)],
)  # fmt: skip
async def test_a_handler_may_refuse_by_its_status(
    world: Callable[..., World], returned: Any, change: str, status: int
) -> None:
    here = world(lambda: returned, extension=RETRIES)
    after = await here.run(here.accept())
    assert (after.state, after.failure) == (change, "handler")
    assert after.problem is not None
    assert after.problem["status"] == status
    if "x" in str(returned):
        assert after.problem["x"] == 1
    else:
        assert after.problem["detail"] == f"f answered {status}"


async def test_a_handler_that_takes_too_long_is_a_timeout(world: Callable[..., World]) -> None:
    async def handler() -> None:
        await asyncio.sleep(30)

    here = world(handler, extension={"mode": "async", "timeout": 0.05, "retry": {"attempts": 1}})
    after = await here.run(here.accept())
    assert (after.state, after.failure) == ("failed", "timeout")
    assert after.problem is not None
    assert after.problem["status"] == 504


async def test_what_does_not_serialise_or_fit_is_a_failure(world: Callable[..., World]) -> None:
    described = {"200": {"description": "ok", "content": {"application/json": {"schema": ORDER}}}}
    for returned in (object(), {"n": "x"}):
        here = world(lambda returned=returned: returned, responses=described, extension={"retry": {"attempts": 1}})
        after = await here.run(here.accept())
        assert (after.state, after.failure) == ("failed", "handler")
        assert after.problem is not None
        assert after.problem["title"] == "Invalid response"


# Streams


def sync_stream() -> Iterator[str]:
    yield "a"
    yield "b"


async def async_stream() -> AsyncIterator[str]:
    yield "a"
    yield "b"


@pytest.mark.parametrize("handler", [sync_stream, async_stream, lambda: iter("ab")], ids=range(3))
async def test_a_stream_is_read_to_its_end(world: Callable[..., World], handler: Any) -> None:
    here = world(handler, responses={"200": {"description": "ok", "content": {"text/plain": {}}}})
    after = await here.run(here.accept())
    assert after.state == "succeeded"
    assert after.result is not None
    assert after.result.body == "ab"


async def test_a_stream_that_is_too_large_fails(world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_COLLECTED", 1)
    for handler in (sync_stream, async_stream):
        here = world(handler, extension={"retry": {"attempts": 1}})
        after = await here.run(here.accept())
        assert after.state == "failed"
        assert after.problem is not None
        assert after.problem["detail"].startswith("the streamed answer is larger than 1 bytes")
        assert after.failure == "handler"


async def test_a_stream_that_fails_in_the_middle_fails(world: Callable[..., World]) -> None:
    def handler() -> Iterator[str]:
        yield "a"
        raise ValueError

    here = world(handler, extension={"retry": {"attempts": 1}})
    assert (await here.run(here.accept())).state == "failed"


# What an attempt is given


async def test_the_input_comes_back_as_it_was_accepted(world: Callable[..., World]) -> None:
    def handler(body: Any) -> Any:
        assert isinstance(body["file"], StoredUpload)
        return [body["bytes"].decode(), body["file"].file.read().decode(), body["$x"]]

    here = world(handler, requestBody={"content": {"*/*": {}}})
    body = {"bytes": b"b", "file": StoredUpload(b"f", "name", None), "$x": "kept"}
    after = await here.run(here.accept({"body": body}))
    assert after.result is not None
    assert after.result.body == ["b", "f", "kept"]


async def test_the_body_is_judged_by_the_media_type_it_came_in(world: Callable[..., World]) -> None:
    content = {"application/json": {"schema": ORDER}, "text/plain": {"schema": {"type": "string"}}}
    here = world(lambda body: body, requestBody={"content": content})
    after = await here.run(here.accept({"body": "text"}, headers={"content-type": "text/plain; charset=utf-8"}))
    assert after.state == "succeeded"
    assert (await here.run(here.accept({"body": "text"}))).failure == "invalid"


async def test_who_called_and_how_is_told(world: Callable[..., World]) -> None:
    def handler(context: Context, event: CloudEvent, user: str, token_info: Any) -> Any:
        assert context.event == event
        return [context.trigger, context.principal, context.headers, event.id, user, token_info, context.attempt]

    here = world(handler)
    event = CloudEvent(id="e", source="/s", type="t", data=b"\x00")
    principal = Principal(id="me", project_id="p", roles=("r",))
    execution_id = here.accept(
        trigger="event", event=event.to_json(), principal=msgspec.to_builtins(principal), headers={"x-a": "1"}
    )
    result = (await here.run(execution_id)).result
    assert result is not None
    assert result.body == ["event", {"id": "me", "project_id": "p", "roles": ["r"]}, {"x-a": "1"}, "e", "me", None, 1]


async def test_input_that_is_not_valid_is_final_and_runs_nothing(world: Callable[..., World]) -> None:
    called: list[Any] = []
    here = world(lambda body: called.append(body), requestBody=json_body(ORDER), extension=RETRIES)
    after = await here.run(here.accept({"body": {"n": "x"}}))
    assert (after.state, after.failure, called) == ("failed", "invalid", [])
    assert after.problem is not None
    assert after.problem["errors"][0]["pointer"] == "/body/n"


@pytest.mark.parametrize(
    "members",
    [
        {"input": {"body": {"$bytes": "!"}}},
        {"event": {"id": 1}},
        {"principal": {"id": 5}},
        {"input": {"body": {"$file": 1}}},
    ],
)
async def test_a_record_that_is_not_ours_fails_and_stops_nobody(
    world: Callable[..., World], members: dict[str, Any]
) -> None:
    here = world(lambda body: None, requestBody={"content": {"*/*": {}}}, extension={"retry": {"attempts": 1}})
    assert (await here.run(here.accept(**members))).state == "failed"


async def test_an_unknown_function_fails_on_record(world: Callable[..., World]) -> None:
    here = world(lambda: None)
    execution_id = here.accept(function="gone")
    after = await here.run(execution_id)
    assert (after.state, after.failure) == ("failed", "infrastructure")
    assert after.problem is not None
    assert (after.problem["status"], after.problem["title"]) == (404, "Unknown function")
    assert here.ended == [after]


async def test_progress_and_logs_are_on_record_redacted(world: Callable[..., World]) -> None:
    def handler(context: Context) -> None:
        context.progress(1, 3, "a third")
        context.logger.warning("password=%s", "hunter2")
        logging.getLogger("library").warning("theirs")
        assert here.record(execution_id).progress == Progress(1, 3, "a third")

    here = world(handler)
    execution_id = here.accept()
    assert (await here.run(execution_id)).state == "succeeded"
    assert [(line.logger, line.level, line.message, line.attempt) for line in here.store.logs(execution_id)] == [
        ("funcatron.handler", "warning", "password=***", 1),
        ("library", "warning", "theirs", 1),
    ]


async def test_the_reason_of_a_failure_is_in_its_log(world: Callable[..., World]) -> None:
    here = world(fail(ValueError("the reason")), extension={"retry": {"attempts": 1}})
    execution_id = here.accept()
    await here.run(execution_id)
    (line,) = here.store.logs(execution_id)
    assert "ValueError: the reason" in line.message
    assert line.level == "error"


# Meetings


async def test_a_duplicate_does_nothing_but_follow_the_end_again(world: Callable[..., World]) -> None:
    calls: list[int] = []
    here = world(lambda: calls.append(1))
    execution_id = here.accept()
    after = await here.run(execution_id)
    assert await here.runner().run(execution_id, "f", worker="w-2") is None
    assert calls == [1]
    assert here.ended == [after, after]


async def test_an_execution_without_a_record_is_dropped(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    assert await world(lambda: None).runner().run("nowhere", "f", worker="w-1") is None
    assert "execution nowhere is not on record; its message is dropped" in caplog.text


async def test_two_workers_run_it_once(world: Callable[..., World]) -> None:
    calls: list[int] = []

    async def handler() -> None:
        calls.append(1)
        await asyncio.sleep(0)

    here = world(handler)
    execution_id = here.accept()
    results = await asyncio.gather(*(here.runner().run(execution_id, "f", worker=f"w-{n}") for n in range(5)))
    assert calls == [1]
    assert [result.state for result in results if result is not None] == ["succeeded"]


async def test_a_cancelled_execution_does_not_start(world: Callable[..., World]) -> None:
    here = world(fail(ValueError()))
    execution_id = here.accept()
    here.store.cancel(execution_id)
    assert await here.runner().run(execution_id, "f", worker="w-1") is None
    assert here.record(execution_id).state == "cancelled"


async def test_what_is_cancelled_in_mid_run_stays_cancelled(world: Callable[..., World]) -> None:
    def handler(context: Context) -> Any:
        here.store.cancel(context.id)
        return {"too": "late"}

    here = world(handler)
    execution_id = here.accept()
    assert await here.runner().run(execution_id, "f", worker="w-1") is None
    after = here.record(execution_id)
    assert (after.state, after.result) == ("cancelled", None)
    assert here.ended == []


async def test_an_execution_whose_time_to_start_has_passed_does_not_start(world: Callable[..., World]) -> None:
    here = world(fail(ValueError()))
    execution_id = here.accept(expires_at=time.time() - 1)
    assert await here.runner().run(execution_id, "f", worker="w-1") is None
    assert here.record(execution_id).state == "queued"


async def test_a_living_worker_is_left_alone(world: Callable[..., World]) -> None:
    here = world(lambda: None)
    execution_id = here.accept()
    here.store.start(execution_id, worker="w-1", deadline=time.time() + 60)
    assert await here.runner().run(execution_id, "f", worker="w-2") is None
    assert here.record(execution_id).worker == "w-1"


async def test_a_lost_worker_counts_and_its_execution_is_taken_over_at_once(world: Callable[..., World]) -> None:
    here = world(lambda context: context.attempt, extension={"mode": "async", "retry": {"attempts": 2, "backoff": 60}})
    execution_id = here.accept()
    here.store.start(execution_id, worker="w-1", deadline=time.time() + 60)
    here.dead.add("w-1")
    after = await here.run(execution_id, worker="w-2")
    assert (after.state, after.attempt) == ("succeeded", 2)
    assert after.result is not None
    assert after.result.body == 2


async def test_an_input_that_kills_its_workers_ends_as_failed(world: Callable[..., World]) -> None:
    here = world(lambda: None, extension=RETRIES)
    execution_id = here.accept()
    for number in range(3):
        here.store.start(execution_id, worker=f"w-{number}", deadline=time.time() + 60)
        here.dead.add(f"w-{number}")
        lost = here.runner().lose(here.record(execution_id))
        assert lost is not None
        assert lost.state == ("retrying" if number < 2 else "failed")
    after = here.record(execution_id)
    assert (after.failure, after.attempt) == ("lost", 3)
    assert after.problem is not None
    assert after.problem["detail"] == "the worker w-2 was lost in mid-run"
    assert here.ended == [after]


async def test_a_worker_that_was_ended_for_its_time_is_a_timeout(world: Callable[..., World]) -> None:
    here = world(lambda: None, extension={"mode": "async", "retry": {"attempts": 2, "backoff": 60, "jitter": False}})
    execution_id = here.accept()
    here.store.start(execution_id, worker="w-1", deadline=time.time() - 1)
    here.dead.add("w-1")
    here.killed.add("w-1")
    assert await here.runner().run(execution_id, "f", worker="w-2") is None
    after = here.record(execution_id)
    assert (after.state, after.failure, after.attempt) == ("retrying", "timeout", 1)
    assert after.due_at is not None
    assert after.due_at > time.time() + 50


async def test_a_worker_that_crashed_is_lost_however_late_that_is_noticed(world: Callable[..., World]) -> None:
    here = world(lambda: None, extension={"mode": "async", "retry": {"attempts": 1}})
    execution_id = here.accept()
    here.store.start(execution_id, worker="w-1", deadline=time.time() - 60)
    here.dead.add("w-1")
    after = here.runner().lose(here.record(execution_id))
    assert after is not None
    assert (after.state, after.failure) == ("failed", "lost")


async def test_a_living_worker_that_is_late_has_timed_out(world: Callable[..., World]) -> None:
    here = world(lambda: None, extension={"mode": "async", "retry": {"attempts": 1}})
    execution_id = here.accept()
    here.store.start(execution_id, worker="w-1", deadline=time.time() - 60)
    after = here.runner().lose(here.record(execution_id))
    assert after is not None
    assert (after.state, after.failure) == ("failed", "timeout")


async def test_a_worker_that_comes_back_changes_nothing(world: Callable[..., World]) -> None:
    here = world(lambda: None, extension=RETRIES)
    execution_id = here.accept()
    here.store.start(execution_id, worker="w-1", deadline=time.time() + 60)
    stale = here.record(execution_id)
    assert here.runner().lose(stale) is not None
    assert here.runner().lose(stale) is None
    assert (await here.run(execution_id, worker="w-2")).state == "succeeded"


# Gates


async def test_no_more_than_its_concurrency_run_and_the_next_is_published(world: Callable[..., World]) -> None:
    inside: list[str] = []

    async def handler(context: Context) -> None:
        inside.append(context.id)
        for other in ids:
            if other not in inside:
                assert await runner.run(other, "f", worker="w-2") is None
        assert here.published == []

    here = world(handler, extension={"mode": "async", "concurrency": 1})
    ids = [here.accept() for _ in range(3)]
    runner = here.runner()
    assert (await here.run(ids[0])).state == "succeeded"
    assert [here.record(each).gate for each in ids] == [None, "admitted", "concurrency"]
    assert here.published == ids[1:2]
    assert inside == ids[:1]


async def test_the_call_of_a_celery_client_waits_on_record(world: Callable[..., World]) -> None:
    here = world(lambda: None, extension={"mode": "async", "concurrency": 1})
    first = here.accept()
    here.store.start(first, worker="w-1", deadline=None, limit=1)
    assert await here.runner().adopt("task-1", "f", {}, worker="w-2") is None
    assert (here.record("task-1").state, here.record("task-1").gate) == ("queued", "concurrency")
    here.store.cancel(first)
    assert [one.id for one in here.store.admitted("f")] == ["task-1"]
    assert (await here.run("task-1")).state == "succeeded"


async def test_a_lost_attempt_makes_room(world: Callable[..., World]) -> None:
    here = world(lambda: None, extension={**RETRIES, "concurrency": 1})
    first, second = here.accept(), here.accept()
    here.store.start(first, worker="w-1", deadline=time.time() + 60, limit=1)
    assert await here.runner().run(second, "f", worker="w-2") is None
    here.runner().lose(here.record(first))
    assert here.published == [second]
    assert (await here.run(second)).state == "succeeded"


async def test_what_waits_in_line_is_published_when_the_one_before_ends(world: Callable[..., World]) -> None:
    here = world(lambda: None, extension={"mode": "async"})
    first, second = here.accept(order_key="k"), here.accept(order_key="k")
    assert await here.runner().run(second, "f", worker="w-2") is None
    assert here.record(second).state == "queued"
    await here.run(first)
    assert here.published == [second]


async def test_a_broker_that_is_away_leaves_the_next_to_the_sweep(world: Callable[..., World]) -> None:
    def unavailable(executions: Sequence[Execution]) -> None:
        raise Unavailable("the broker is away")

    here = world(lambda: None, extension={"mode": "async"})
    here.publish = unavailable
    first, second = here.accept(order_key="k"), here.accept(order_key="k")
    assert await here.runner().run(second, "f", worker="w-2") is None
    assert (await here.run(first)).state == "succeeded"
    assert [one.id for one in here.store.due(now=time.time(), stale=0.0, limit=9)] == [second]


# A store out of reach


class Flaky(MemoryStore):
    """A store that is out of reach for the methods it is told of."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: set[str] = set()

    def __getattribute__(self, name: str) -> Any:
        if name != "broken" and not name.startswith("_") and name in self.broken:
            raise Unavailable(f"cannot {name}")
        return super().__getattribute__(name)


async def test_without_a_store_nothing_starts_and_the_message_stays(world: Callable[..., World]) -> None:
    here = world(fail(ValueError()))
    here.store = store = Flaky()
    execution_id = here.accept()
    store.broken = {"start"}
    with pytest.raises(Unavailable):
        await here.runner().run(execution_id, "f", worker="w-1")
    store.broken = set()
    assert here.record(execution_id).state == "queued"


async def test_what_was_done_is_not_done_twice_for_a_store_that_was_away(world: Callable[..., World]) -> None:
    calls: list[int] = []
    here = world(lambda: calls.append(1))
    here.store = store = Flaky()
    execution_id = here.accept()
    runner = here.runner()
    store.broken = {"finish"}
    with pytest.raises(Unavailable):
        await runner.run(execution_id, "f", worker="w-1")
    store.broken = set()
    after = await runner.run(execution_id, "f", worker="w-1")
    assert after is not None
    assert (after.state, calls) == ("succeeded", [1])


async def test_lost_logs_and_progress_do_not_fail_the_run(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    def handler(context: Context) -> None:
        context.progress(1)
        context.logger.warning("hello")

    here = world(handler)
    here.store = store = Flaky()
    execution_id = here.accept()
    store.broken = {"log", "progress"}
    assert (await here.run(execution_id)).state == "succeeded"
    assert "log lines of" in caplog.text
    assert "the progress of" in caplog.text


# Calls of plain Celery clients


async def test_a_clients_call_gets_a_record_and_runs(world: Callable[..., World]) -> None:
    here = world(lambda body, q: [body, q], parameters=[parameter("q")], requestBody=json_body(ORDER))
    after = await here.runner().adopt("task-1", "f", {"body": {"n": 1}, "q": "x"}, worker="w-1", queue="other")
    assert after == here.store.get("task-1")
    assert after is not None
    assert (after.state, after.trigger, after.queue) == ("succeeded", "celery", "other")
    assert after.input == {"body": {"n": 1}, "q": "x"}
    assert after.result is not None
    assert after.result.body == [{"n": 1}, "x"]


@pytest.mark.parametrize(
    ("args", "kwargs", "pointer", "stored"),
    [
        ([1], {"body": {"n": 1}}, "/args", {"body": {"n": 1}}),
        ([], {"body": {"n": "x"}}, "/body/n", {"body": {"n": "x"}}),
        ([], {"bdy": 1, "body": {"n": 1}}, "/bdy", {"bdy": 1, "body": {"n": 1}}),
        ([], {"body": {"n": float("nan")}}, "/body/n", {"body": {"n": "nan"}}),
        ([], {"body": {"n": 1, "x": "\ud800"}}, "/body/x", {"body": {"n": 1, "x": "\\ud800"}}),
        ([], {"body": {"n": 1, "$bytes": b"\x00"}, "z": 1}, "/z",
         {"body": {"n": 1, "$$bytes": {"$bytes": "AA=="}}, "z": 1}),
    ],
)  # fmt: skip
async def test_a_clients_call_that_is_not_valid_is_on_record(
    world: Callable[..., World], args: list[Any], kwargs: dict[str, Any], pointer: str, stored: dict[str, Any]
) -> None:
    here = world(fail(ValueError()), requestBody=json_body(ORDER), extension=RETRIES)
    after = await here.runner().adopt("task-1", "f", kwargs, worker="w-1", args=args)
    assert after is not None
    assert (after.state, after.failure, after.attempt) == ("failed", "invalid", 0)
    assert after.problem is not None
    assert pointer in [error["pointer"] for error in after.problem["errors"]]
    assert after.input == stored
    assert json.loads(msgspec.json.encode(after))["input"] == stored
    assert here.ended == [after]


async def test_what_no_record_can_keep_is_refused_on_record(world: Callable[..., World]) -> None:
    here = world(lambda body: None, requestBody={"content": {"*/*": {}}})
    after = await here.runner().adopt("task-1", "f", {"body": {"x": float("nan")}}, worker="w-1")
    assert after is not None
    assert (after.state, after.failure) == ("failed", "invalid")
    assert after.problem is not None
    assert after.problem["errors"] == [{"pointer": "", "message": "/body/x: nan is not a finite number"}]


@dataclass
class Failing:
    n: int

    def __post_init__(self) -> None:
        raise KeyError("no such thing")


async def test_a_type_that_fails_to_load_ends_on_record(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    def handler(body: Failing) -> None: ...

    handler.__annotations__["body"] = Failing
    here = world(handler, requestBody=json_body(ORDER), extension={"retry": {"attempts": 1}})
    after = await here.runner().adopt("task-1", "f", {"body": {"n": 1}}, worker="w-1")
    assert after is not None
    assert (after.state, after.failure, after.input) == ("failed", "handler", {"body": {"n": 1}})
    assert "no such thing" in caplog.text
    assert (await here.run(here.accept({"body": {"n": 1}}))).state == "failed"


class Unreadable(dict[str, Any]):
    def keys(self) -> Any:
        raise LookupError("no such thing")

    items = __iter__ = keys


async def test_a_call_that_fails_in_a_way_nobody_foresaw_is_kept(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    here = world(lambda: None)
    after = await here.runner().adopt("task-1", "f", Unreadable(a=1), worker="w-1")
    assert after is not None
    assert (after.state, after.problem and after.problem["detail"]) == ("failed", "no such thing")
    assert "the input of the call task-1 of f cannot be kept" in caplog.text


async def test_positional_arguments_are_refused_with_the_way_out(world: Callable[..., World]) -> None:
    after = await world(lambda: None).runner().adopt("task-1", "f", {}, worker="w-1", args=[1, 2])
    assert after is not None
    assert after.problem is not None
    assert "2 positional argument(s) were given; call with keyword arguments" in after.problem["detail"]


async def test_a_clients_call_that_is_delivered_twice_runs_once(world: Callable[..., World]) -> None:
    calls: list[int] = []
    here = world(lambda: calls.append(1))
    first = await here.runner().adopt("task-1", "f", {}, worker="w-1")
    assert first is not None
    assert await here.runner().adopt("task-1", "f", {}, worker="w-2") is None
    assert calls == [1]
    assert here.store.get("task-1") == first


async def test_a_refused_call_that_is_delivered_twice_is_refused_once(world: Callable[..., World]) -> None:
    here = world(lambda: None)
    assert await here.runner().adopt("task-1", "f", {}, worker="w-1", args=[1]) is not None
    assert await here.runner().adopt("task-1", "f", {}, worker="w-1", args=[1]) is None
    assert len(here.ended) == 1


async def test_a_call_of_an_unknown_function_is_for_the_guard(world: Callable[..., World]) -> None:
    with pytest.raises(UnknownFunction):
        await world(lambda: None).runner().adopt("task-1", "gone", {}, worker="w-1")


def test_log_lines_know_their_attempt() -> None:
    assert LogLine(0.0, "info", "a", "b").attempt == 1


@pytest.mark.parametrize(
    ("callbacks", "takes", "way"), [(False, True, "later"), (False, False, "now"), (True, True, "now")]
)
async def test_an_end_after_which_nothing_follows_may_be_written_with_what_comes_next(
    calls: ThreadCalls, callbacks: bool, takes: bool, way: str
) -> None:
    described = {"callbacks": {"done": {"http://example.org/": {"post": {"responses": {"200": {"description": "o"}}}}}}}
    world = World(lambda: {"n": 1}, calls, {"x-funcatron": {"mode": "async"}, **(described if callbacks else {})})
    asked: list[str] = []

    def finish_later(running: Execution, ending: Ending) -> Execution | None:
        asked.append(running.id)
        return msgspec.structs.replace(running, state="succeeded", result=ending.result) if takes else None

    given = world.accept()
    after = await world.runner(finish_later=finish_later).run(given, "f", worker="w")
    assert after is not None
    assert after.state == "succeeded"
    assert asked == ([] if callbacks else [given])
    assert world.record(given).state == ("running" if way == "later" else "succeeded")
    assert [one.id for one in world.ended] == ([] if way == "later" else [given])
