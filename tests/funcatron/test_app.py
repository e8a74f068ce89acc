"""The composition root: its two verbs, its parts, and a callback all the way to its receiver."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standardwebhooks.webhooks import Webhook
from starlette.datastructures import Headers, UploadFile

from funcatron import Funcatron
from funcatron.errors import (
    FuncatronError,
    InvalidInput,
    Problem,
    SettingsError,
    SpecError,
    Unavailable,
    UnknownFunction,
)
from funcatron.event import CloudEvent
from funcatron.execution import Execution
from funcatron.invocation import Context, Invocation, Principal, Result
from funcatron.ports import ExecutionQuery, Message
from funcatron.settings import Settings
from funcatron.store.memory import MemoryStore
from funcatron.testing import application
from funcatron.testing.doors import finish
from tests.funcatron.functions import document, json_body, parameter

pytestmark = pytest.mark.anyio
ORDER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
ORDERS: dict[str, Any] = {"parameters": [parameter("maxItems")], "requestBody": json_body(ORDER)}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def app(handler: Callable[..., Any], *, settings: dict[str, Any] | None = None, **described: Any) -> Funcatron:
    """Return an application of one function ``f``, its store in memory."""
    return application(
        document(**described), handlers=lambda name: handler if name == "f" else None, **(settings or {})
    )


def records(one: Funcatron) -> Sequence[Execution]:
    found, _ = one.store.list(ExecutionQuery(limit=1000))
    return found


# Documents and parts


def test_at_least_one_document_is_needed() -> None:
    with pytest.raises(FuncatronError, match="give at least one OpenAPI document"):
        Funcatron(settings=Settings())


def test_the_mistakes_of_all_documents_are_told_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("openapi: 3.0.3\npaths: {}\n")
    with pytest.raises(SpecError) as raised:
        Funcatron(tmp_path / "a.yaml", str(tmp_path / "b.yaml"), settings=Settings())
    assert {Path(mistake.file).name for mistake in raised.value.mistakes} == {"a.yaml", "b.yaml"}


async def test_handlers_are_bound_when_a_door_opens_so_that_services_come_before() -> None:
    def handler(db: Any) -> Any:
        return db

    one = app(handler)

    @one.service("db")
    def db() -> Iterator[str]:
        yield "session"

    assert (await one.invoke("f")).value == "session"
    with pytest.raises(FuncatronError, match="the service 'late' comes too late"):
        one.service("late")(db)


async def test_a_mistake_of_a_handler_is_told_at_start() -> None:
    def handler(nobody: Any) -> None: ...

    one = app(handler)
    with pytest.raises(SpecError, match="'nobody' can be filled by nothing"):
        await one.start()


def test_parts_are_made_once_even_by_many_threads() -> None:
    one = app(lambda: None)
    together, made = threading.Barrier(8), []

    def use() -> None:
        together.wait(10)
        made.append((one.registry, one.invoker, one.runner))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({tuple(map(id, parts)) for parts in made}) == 1
    assert Funcatron.registry is Funcatron.__dict__["registry"]


async def test_store_and_dispatcher_are_what_the_settings_name(tmp_path: Path) -> None:
    described = document(extension={"mode": "async"})
    one = Funcatron(described, handlers={"f": lambda: None}, settings=Settings(data_dir=str(tmp_path)))
    await one.start()
    record, new = await one.dispatch("f")
    assert new
    assert one.store.alive("nobody who ever lived") is False
    await one.stop()
    assert (tmp_path / "funcatron.db").exists()
    again = Funcatron(described, handlers={"f": lambda: None}, settings=Settings(data_dir=str(tmp_path)))
    assert again.store.get(record.id) == record
    again.close()


@pytest.mark.parametrize(("setting", "part"), [("store", "store"), ("broker", "dispatcher")])
def test_an_unknown_store_or_broker_is_told_with_those_there_are(tmp_path: Path, setting: str, part: str) -> None:
    settings = Settings(**{"data_dir": str(tmp_path), setting: "odd://host"})  # type: ignore[arg-type]
    one = Funcatron(document(), settings=settings)
    with pytest.raises(FuncatronError, match=r"no plugin 'odd' in funcatron.*; installed are: .*sqlite"):
        getattr(one, part)
    one.close()


async def test_start_and_stop_may_be_called_twice() -> None:
    one = app(lambda: None, extension={"mode": "async"})
    for _ in range(2):
        await one.start()
    for _ in range(2):
        await one.stop()
    assert (await one.invoke("f")).status == 204


async def test_callbacks_bring_a_function_of_ours() -> None:
    assert "funcatron.callbacks.deliver" not in app(lambda: None).registry.functions
    one = app(lambda: None, **calling_back("http://x/"))
    assert [function.name for function in one.registry] == ["f"]
    assert one.registry.get("funcatron.callbacks.deliver").extension.retry.attempts == 10


def test_a_secret_that_cannot_sign_stops_the_start() -> None:
    one = app(lambda: None, settings={"callback_secret": "nonsense!"}, **calling_back("http://x/"))
    with pytest.raises(SettingsError, match="callback_secret must be whsec_"):
        _ = one.registry


# invoke


async def test_invoke_calls_now() -> None:
    seen: list[Any] = []

    async def middleware(call_next: Any, invocation: Invocation) -> Result:
        seen.append((invocation.trigger, invocation.principal, dict(invocation.headers), invocation.deadline is None))
        result: Result = await call_next(invocation)
        return result

    def handler(max_items: str, body: Any, context: Context) -> Any:
        return [max_items, body, context.id]

    described = document(**ORDERS)
    one = application(described, handlers={"f": handler}, middleware=[middleware])
    principal = Principal(id="me")
    result = await one.invoke(
        "f", {"maxItems": "5", "body": {"n": 1}}, execution_id="i", headers={"x": "1"}, principal=principal
    )
    assert result.value == ["5", {"n": 1}, "i"]
    assert seen == [("http", principal, {"x": "1"}, False)]
    assert (await one.invoke(one.registry.get("f"), {"body": {"n": 1}})).value[0] is None
    assert records(one) == []


async def test_invoke_refuses_what_is_not_valid() -> None:
    result = await app(lambda: None, **ORDERS).invoke("f", {"body": {}, "odd": 1}, execution_id="i")
    assert (result.status, result.failure) == (400, "invalid")
    assert [error["pointer"] for error in result.value["errors"]] == ["/odd", "/body/n"]
    with pytest.raises(UnknownFunction):
        await app(lambda: None).invoke("gone")


async def test_a_body_that_fails_to_load_is_our_fault() -> None:
    def handler(body: Failing) -> None: ...

    handler.__annotations__["body"] = Failing
    result = await app(handler, requestBody=json_body(ORDER)).invoke("f", {"body": {"n": 1}})
    assert (result.status, result.failure) == (500, "infrastructure")
    assert result.value["detail"] == "the body could not be loaded into its type; the log has the reason"


@dataclass
class Failing:
    n: int

    def __post_init__(self) -> None:
        raise KeyError("secret")


async def test_the_time_of_a_call_is_the_functions() -> None:
    async def handler() -> None:
        await asyncio.sleep(30)

    assert (await app(handler, extension={"timeout": 0.05}).invoke("f")).status == 504


RECORD = {"record": True}


async def test_a_call_may_be_kept_on_record() -> None:
    one = app(lambda body: body, extension=RECORD, **ORDERS)
    result = await one.invoke("f", {"body": {"n": 1}}, principal=Principal(id="me"))
    (record,) = records(one)
    assert (record.state, record.trigger, record.attempt, record.input) == ("succeeded", "http", 1, {"body": {"n": 1}})
    assert record.result is not None
    assert record.result.body == result.value == {"n": 1}
    assert record.principal == {"id": "me"}


async def test_the_record_has_what_came_in_not_what_the_handler_made_of_it() -> None:
    def handler(body: Any) -> None:
        body["n"] = "changed"
        body["file"].file.close()

    one = app(handler, extension=RECORD, requestBody={"content": {"*/*": {}}})
    upload = UploadFile(io.BytesIO(b"a"), filename="a", headers=Headers({}))
    assert (await one.invoke("f", {"body": {"n": 1, "file": upload}})).status == 204
    (record,) = records(one)
    assert record.input == {"body": {"n": 1, "file": {"$file": "YQ==", "filename": "a", "content_type": None}}}


async def test_a_call_that_was_done_is_done_though_its_record_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    class Away(MemoryStore):
        def create(self, executions: Sequence[Execution], messages: Sequence[Message] = ()) -> list[bool]:
            raise Unavailable("the store is away")

    one = Funcatron(
        document(extension=RECORD), handlers=lambda name: lambda: {"a": 1}, settings=Settings(), store=Away()
    )
    assert (await one.invoke("f", execution_id="i")).value == {"a": 1}
    assert "the call i of f is not on record: the store is away" in caplog.text


# dispatch


async def test_dispatch_checks_stores_and_publishes() -> None:
    one = app(lambda body: body, extension={"queue": "q"}, **ORDERS)
    principal = Principal(id="me", project_id="p", roles=("r",))
    record, new = await one.dispatch("f", {"body": {"n": 1}}, headers={"x-a": "1"}, principal=principal)
    assert new
    assert (record.state, record.trigger, record.queue, record.project_id) == ("queued", "async", "q", "p")
    assert record.input == {"body": {"n": 1}}
    assert one.store.get(record.id) == record
    await finish(one)
    after = one.store.get(record.id)
    assert after is not None
    assert after.state == "succeeded"


async def test_dispatch_refuses_and_then_nothing_was_accepted() -> None:
    one = app(lambda body: None, requestBody={"content": {"application/json": {"schema": {"type": "object"}}}})
    for arguments in ({"body": 1}, {"odd": 1}):
        with pytest.raises(InvalidInput):
            await one.dispatch("f", arguments)
    with pytest.raises(UnknownFunction):
        await one.dispatch("gone")
    assert records(one) == []


async def test_what_no_record_can_keep_is_invalid() -> None:
    one = app(lambda body: None, requestBody={"content": {"*/*": {}}})
    for value in (float("nan"), "\ud800", object()):
        with pytest.raises(InvalidInput, match="/body"):
            await one.dispatch("f", {"body": value})
    assert records(one) == []


async def test_what_is_too_large_for_a_record_is_413() -> None:
    one = app(lambda body: None, settings={"max_message": 100}, requestBody={"content": {"*/*": {}}})
    with pytest.raises(Problem, match=r"at most 100 can be kept for later \(FUNCATRON_MAX_MESSAGE\)") as problem:
        await one.dispatch("f", {"body": b"x" * 90})  # base64 makes 120 of it
    assert (problem.value.status, problem.value.extensions) == (413, {"limit": 100})
    record, _ = await one.dispatch("f", {"body": b"x" * 30})
    assert one.store.get(record.id) is not None


async def test_a_call_with_the_id_of_another_is_not_dispatched() -> None:
    one = app(lambda body: None, **ORDERS)
    first, new = await one.dispatch("f", {"body": {"n": 1}}, execution_id="e")
    assert (new, first.id) == (True, "e")
    assert await one.dispatch("f", {"body": {"n": 2}}, execution_id="e") == (first, False)


# publish

ORDER_EVENTS = {"triggers": [{"event": {"type": "order.*", "input": {"maxItems": "$event#/subject"}}}]}


def event(id_: str = "e-1", type_: str = "order.created", **more: Any) -> CloudEvent:
    return CloudEvent(id=id_, source="/shop", type=type_, **{"data": {"n": 1}, "subject": "s", **more})


async def test_an_event_is_given_to_who_wants_it() -> None:
    def handler(max_items: str, body: Any, event: CloudEvent) -> Any:
        return [max_items, body, event.id]

    one = app(handler, extension=ORDER_EVENTS, **ORDERS)
    (record,) = await one.apublish(event())
    assert (record.event_source, record.event_id, record.trigger) == ("/shop", "e-1", "event")
    assert one.publish(event(type_="other")) == []
    await finish(one)
    after = one.store.get(record.id)
    assert after is not None
    assert after.result is not None
    assert after.result.body == ["s", {"n": 1}, "e-1"]


@pytest.mark.parametrize(
    ("extensions", "project"),
    [({"projectid": "p"}, "p"), ({}, None), ({"projectid": ""}, None), ({"projectid": 7}, None)],
)
async def test_an_events_source_says_whose_it_is(extensions: dict[str, Any], project: str | None) -> None:
    one = app(lambda max_items, body: None, extension=ORDER_EVENTS, **ORDERS)
    (record,) = await one.apublish(msgspec.structs.replace(event(), extensions=extensions))
    assert (record.project_id, record.principal) == (project, None)


@pytest.mark.parametrize("data", [{"n": 1, "text": "x" * 900}, b"x" * 900, "x" * 900])
async def test_the_data_of_an_event_are_kept_once(data: Any) -> None:
    seen = []

    def handler(body: Any, event: CloudEvent) -> None:
        seen.append((dict(body) if isinstance(body, dict) else body, event.extensions))
        if isinstance(body, dict):
            body.clear()
        seen.append(event.data)

    one = app(handler, settings={"max_message": 1500}, requestBody={"content": {"*/*": {}}}, extension=ORDER_EVENTS)
    (record,) = await one.apublish(event(data=data, extensions={"$data": "other", "own": "1"}))
    assert "data" not in (record.event or {})
    await one.dispatcher.run_all(one)  # type: ignore[attr-defined]
    assert seen == [(data, {"own": "1"}), data]


async def test_the_same_event_makes_one_execution() -> None:
    one = app(lambda body: None, extension=ORDER_EVENTS, **ORDERS)
    (first,) = one.publish(event())
    assert one.publish(event(data={"n": 2})) == [first]
    assert one.publish(event("e-2")) != [first]
    assert len(records(one)) == 2


async def test_events_of_one_subject_are_in_one_line() -> None:
    one = app(lambda max_items: None, extension={**ORDER_EVENTS, "ordering": "subject"}, **ORDERS)
    made = [
        one.publish(event(f"e-{n}", subject=subject))[0].order_key for n, subject in enumerate(["a", "a", "b", None])
    ]
    assert made[0] is not None
    assert made[0] == made[1] != made[2]
    assert made[3] is None
    free = app(lambda max_items: None, extension=ORDER_EVENTS, **ORDERS)
    assert free.publish(event())[0].order_key is None


async def test_an_event_may_be_meant_for_one_function() -> None:
    one = app(lambda max_items: max_items, **ORDERS)
    (record,) = one.publish(event(), function="f", trigger="queue", mapping={"maxItems": "fixed"})
    assert (record.trigger, record.input) == ("queue", {"max_items": "fixed", "body": {"n": 1}})
    with pytest.raises(UnknownFunction):
        one.publish(event(), function="gone")


async def test_an_event_that_is_not_valid_ends_as_a_dead_letter() -> None:
    one = app(lambda body: None, extension=ORDER_EVENTS, **ORDERS)
    (record,) = one.publish(event(data={"n": "x"}))
    await finish(one)
    after = one.store.get(record.id)
    assert after is not None
    assert (after.state, after.failure, after.input["body"]) == ("failed", "invalid", {"n": "x"})


async def test_an_event_that_no_record_can_keep_is_refused() -> None:
    one = app(lambda body: None, settings={"max_message": 1000}, extension=ORDER_EVENTS, **ORDERS)
    with pytest.raises(InvalidInput):
        one.publish(event(data={"x": float("inf")}))
    with pytest.raises(InvalidInput):
        one.publish(event("\ud800"))
    with pytest.raises(Problem) as problem:
        one.publish(event(data="x" * 1000))
    assert problem.value.status == 413
    assert records(one) == []


# show


async def test_what_is_shown_is_redacted() -> None:
    one = app(lambda body: {"token": "t", "a": 1}, requestBody={"content": {"*/*": {}}})
    record, _ = await one.dispatch("f", {"body": {"password": "p", "user": "u"}})
    await finish(one)
    after = one.store.get(record.id)
    assert after is not None
    shown = one.show(after)
    assert shown["input"] == {"body": {"password": "***", "user": "u"}}
    assert shown["result"] == {"token": "***", "a": 1}
    assert shown["links"]["self"] == f"/_funcatron/executions/{record.id}"


# A callback, all the way


def calling_back(expression: str) -> dict[str, Any]:
    item = {"post": {"responses": {"200": {"description": "ok"}}}}
    return {"requestBody": json_body({"type": "object"}), "callbacks": {"done": {expression: item}}}


@pytest.fixture
def receiver(free_port: Callable[[], int]) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A server that takes the second delivery; yields its URL and what came."""
    received: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            received.append(({name.lower(): value for name, value in self.headers.items()}, content))
            self.send_response(503 if len(received) == 1 else 204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", free_port()), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", received
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_result_reaches_who_asked_for_it(receiver: Any) -> None:
    url, received = receiver
    settings = {"callback_secret": SECRET, "callback_allow_private": True}
    one = app(lambda body: {"sum": body["n"] + 1}, settings=settings, **calling_back("{$request.body#/callbackUrl}"))
    record, _ = await one.dispatch("f", {"body": {"n": 1, "callbackUrl": url}})
    await finish(one)
    (delivery,) = [found for found in records(one) if found.function == "funcatron.callbacks.deliver"]
    assert (delivery.state, delivery.attempt) == ("succeeded", 2)
    first, second = received
    assert first[1] == second[1] == b'{"sum":2}'
    assert first[0]["webhook-id"] == second[0]["webhook-id"] == delivery.id
    assert second[0]["x-funcatron-execution"] == record.id
    for headers, content in received:
        assert Webhook(SECRET).verify(content, headers) == {"sum": 2}


async def test_a_private_address_is_refused_for_good() -> None:
    one = app(lambda body: None, **calling_back("{$request.body#/url}"))
    await one.dispatch("f", {"body": {"url": "http://127.0.0.1:1/"}})
    await finish(one)
    (delivery,) = [found for found in records(one) if found.function == "funcatron.callbacks.deliver"]
    assert (delivery.state, delivery.attempt) == ("failed", 1)
    assert delivery.problem is not None
    assert delivery.problem["status"] == 422
