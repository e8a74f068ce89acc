"""The middle: middleware, services, handler, reply, and what every exception becomes."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest
from starlette.exceptions import HTTPException

import funcatron.http  # noqa: F401 - imports connexion without its warnings
from funcatron.calls import Cancelled, ThreadCalls
from funcatron.errors import (
    InvalidInput,
    Problem,
    Retry,
    SettingsError,
    StoreUnavailable,
    TimeLimitExceeded,
    Unavailable,
    Violation,
)
from funcatron.event import CloudEvent
from funcatron.failures import refusal
from funcatron.invocation import Context, Invocation, Principal, Result
from funcatron.invoker import Invoker
from funcatron.registry import Function
from funcatron.services import Services
from funcatron.streams import Stream
from tests.funcatron.functions import json_body, make, parameter

pytestmark = pytest.mark.anyio
OBJECT = {"type": "object", "required": ["a"]}
connexion = sys.modules["connexion"]


@pytest.fixture
def calls() -> Iterator[ThreadCalls]:
    calls = ThreadCalls(4)
    yield calls
    calls.close()


@pytest.fixture
def services() -> Services:
    return Services()


Invoke = Callable[..., Awaitable[Result]]


@pytest.fixture
def invoke(calls: ThreadCalls, services: Services) -> Invoke:
    """Return ``invoke(handler, arguments, middleware=(), timeout=None, ...)`` for a handler of its own function."""

    async def run(
        handler: Callable[..., Any],
        arguments: dict[str, Any] | None = None,
        *,
        middleware: Sequence[Any] = (),
        timeout: float | None = None,
        streaming: bool = True,
        described: dict[str, Any] | None = None,
        **more: Any,
    ) -> Result:
        function = make(handler, services=services, **(described or {}))
        invoker = Invoker(services=services, calls=calls, middleware=middleware)
        return await invoker.invoke(function, invocation(function, arguments or {}, timeout, streaming, **more))

    return run


def invocation(
    function: Function, arguments: dict[str, Any], timeout: float | None = None, streaming: bool = True, **more: Any
) -> Invocation:
    return Invocation(
        id="i-1",
        function=function.name,
        trigger="http",
        arguments=function.binder.check(arguments),
        deadline=None if timeout is None else time.monotonic() + timeout,
        streaming=streaming,
        **more,
    )


def both(sync: Callable[..., Any]) -> list[Callable[..., Any]]:
    """Return a handler twice: as it is, and as a coroutine function of the same signature."""

    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        return sync(*args, **kwargs)

    asynchronous.__wrapped__ = sync  # type: ignore[attr-defined]
    return [sync, asynchronous]


def members(result: Result) -> dict[str, Any]:
    assert result.content_type == "application/problem+json"
    found: dict[str, Any] = json.loads(result.body)
    assert found == result.value
    return found


# Success


@pytest.mark.parametrize("handler", both(lambda q, body: {"q": q, "body": body}))
async def test_a_handler_is_called_with_its_arguments(invoke: Invoke, handler: Any) -> None:
    described = {"parameters": [parameter("q")], "requestBody": json_body({})}
    result = await invoke(handler, {"q": "x", "body": [1]}, described=described)
    assert (result.ok, result.status, result.body) == (True, 200, b'{"q":"x","body":[1]}')
    assert result.value == {"q": "x", "body": [1]}


async def test_who_is_alone_is_called_without_an_invocation(calls: ThreadCalls, services: Services) -> None:
    async def soon(q: str) -> Any:
        return q

    async def later(q: str) -> Any:
        await asyncio.sleep(0)
        return q

    async def never(q: str) -> Any:
        await asyncio.Event().wait()

    async def failing(q: str) -> Any:
        raise LookupError("deep inside")

    invoker = Invoker(services=services, calls=calls)
    limit = time.monotonic() + 60
    for handler, deadline, status in ((soon, None, 200), (later, limit, 200), (never, 0.0, 504), (failing, limit, 500)):
        attempt = invoker.attempt(make(handler, parameters=[parameter("q")]))
        assert attempt is not None
        begun = attempt({"q": "x"}, deadline, None)
        assert isinstance(begun, Result) is (handler in (soon, failing))
        result = begun if isinstance(begun, Result) else await begun
        assert result.status == status
        assert (result.value == "x") if result.ok else (len(result.value["execution"]) == 36)


async def test_who_needs_an_invocation_is_not_called_without(calls: ThreadCalls, services: Services) -> None:
    async def through(call_next: Any, invocation: Invocation) -> Result:
        result: Result = await call_next(invocation)
        return result

    async def plain(q: str) -> None: ...

    async def curious(q: str, context: Context) -> None: ...

    async def served(q: str, unit: Unit) -> None: ...

    def sync(q: str) -> None: ...

    register(services, AsyncUnit, [])
    for handler, middleware in ((plain, [through]), (curious, []), (served, []), (sync, [])):
        function = make(handler, services=services, parameters=[parameter("q")])
        assert Invoker(services=services, calls=calls, middleware=middleware).attempt(function) is None


async def test_sync_handlers_run_in_threads_and_async_ones_on_the_loop(invoke: Invoke) -> None:
    def sync() -> Any:
        return threading.current_thread().name

    async def on_loop() -> Any:
        return threading.current_thread().name

    assert (await invoke(sync)).value.startswith("funcatron-handler")
    assert (await invoke(on_loop)).value == threading.current_thread().name


async def test_what_context_tells(invoke: Invoke) -> None:
    seen: dict[str, Any] = {}
    noted: list[Any] = []

    def handler(context: Context, event: CloudEvent) -> None:
        for name in ("id", "function", "trigger", "attempt", "principal", "headers"):
            seen[name] = getattr(context, name)
        seen["events"] = (context.event, event)
        seen["remaining"] = context.remaining()
        seen["deadline"] = context.deadline
        context.logger.info("logged")
        context.progress(1, 2, "half")
        with pytest.raises(AttributeError, match="needs a cloud"):
            _ = context.openstack

    given = CloudEvent(id="e", source="/s", type="t")
    principal = Principal(id="me", roles=("admin",))
    result = await invoke(
        handler, timeout=20, event=given, attempt=3, principal=principal, headers={"x-a": "1"},
        progress=lambda *noting: noted.append(noting),
    )  # fmt: skip
    assert result.ok
    assert seen["id"] == "i-1"
    assert (seen["function"], seen["trigger"], seen["attempt"]) == ("f", "http", 3)
    assert (seen["principal"], seen["headers"]) == (principal, {"x-a": "1"})
    assert seen["events"] == (given, given)
    assert 10 < seen["remaining"] <= 20
    assert 10 < seen["deadline"].timestamp() - time.time() <= 20
    assert noted == [(1, 2, "half")]


async def test_context_without_limit_or_record(invoke: Invoke) -> None:
    def handler(context: Context) -> Any:
        context.progress(1)
        return [context.remaining(), context.deadline, context.event, context.principal]

    assert (await invoke(handler)).value == [None, None, None, None]


async def test_the_logger_of_context_names_the_execution(invoke: Invoke, caplog: pytest.LogCaptureFixture) -> None:
    def handler(context: Context) -> None:
        context.logger.warning("look")

    await invoke(handler)
    (record,) = [record for record in caplog.records if record.name == "funcatron.handler"]
    assert (record.message, record.__dict__["execution"], record.__dict__["function"]) == ("look", "i-1", "f")


# Refusals


def raising(error: BaseException) -> list[Callable[..., Any]]:
    def handler() -> None:
        raise error

    return both(handler)


@pytest.mark.parametrize(
    ("error", "expected", "failure"),
    [
        (Problem(409, "Taken", "why", x=1), {"status": 409, "title": "Taken", "detail": "why", "x": 1}, "handler"),
        (Problem(503), {"status": 503, "title": "Service Unavailable", "execution": "i-1"}, "handler"),
        (
            InvalidInput([Violation("/body/a", "is bad")]),
            {"status": 400, "detail": "/body/a: is bad", "errors": [{"pointer": "/body/a", "message": "is bad"}]},
            "invalid",
        ),
        (Retry("busy"), {"status": 503, "detail": "busy"}, "handler"),
        (Retry(), {"status": 503, "detail": "f asks to be called again later"}, "handler"),
        (TimeLimitExceeded(), {"status": 504, "title": "Timeout", "detail": "f did not end in its time"}, "timeout"),
        (Unavailable("no broker"), {"status": 503, "detail": "no broker"}, "infrastructure"),
        (
            StoreUnavailable("postgresql://db.internal:5432/shop: connection refused"),
            {"status": 503, "detail": "the store is out of reach; the log has the reason under this execution"},
            "infrastructure",
        ),
        (SettingsError("no secret"), {"status": 500, "detail": "no secret"}, "infrastructure"),
        (
            ValueError("secret"),
            {"status": 500, "detail": "f failed; the log has the reason under this execution", "execution": "i-1"},
            "handler",
        ),
        (TimeoutError("own"), {"status": 500, "title": "Internal Server Error"}, "handler"),
        (SystemExit(3), {"status": 500, "detail": "f asked the process to exit; only this call was ended"}, "handler"),
        (StopIteration(), {"status": 500}, "handler"),
        (KeyboardInterrupt(), {"status": 500, "execution": "i-1"}, "handler"),
        (GeneratorExit(), {"status": 500}, "handler"),
        (BaseException("of no kind"), {"status": 500}, "handler"),
        (ExceptionGroup("two", [ValueError(), KeyError()]), {"status": 500}, "handler"),
        (HTTPException(404, "gone"), {"status": 404, "title": "Not Found", "detail": "gone"}, "handler"),
        (HTTPException(429, headers={"Retry-After": "7"}), {"status": 429}, "handler"),
        (
            connexion.ProblemException(
                status=418, title="No", detail="tea", type="/tea", instance="/pot", ext={"status": 1, "x": 2}
            ),
            {"status": 418, "title": "No", "detail": "tea", "type": "/tea", "instance": "/pot", "x": 2},
            "handler",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)  # fmt: skip
async def test_what_every_exception_becomes(
    invoke: Invoke, error: BaseException, expected: dict[str, Any], failure: str
) -> None:
    for handler in raising(error):
        result = await invoke(handler, timeout=20)
        found = members(result)
        assert {name: found.get(name) for name in expected} == expected
        assert found["status"] == result.status
        assert result.failure == failure
        assert not result.ok
        assert "secret" not in str(found) or isinstance(error, SettingsError)


@pytest.mark.parametrize(
    ("error", "header", "after"),
    [
        (Retry(after=2.2), "3", 2.2),
        (Retry(after=-5), "0", -5.0),
        (Retry(), None, None),
        (Unavailable(retry_after=0.5), "1", 0.5),
        (Problem(503, headers={"retry-after": "9"}), "9", 9.0),
        (Problem(503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), "Wed, 21 Oct 2015 07:28:00 GMT", None),
        (Problem(503, headers={"Retry-After": "²"}), "²", None),
    ],
    ids=repr,
)
def test_when_to_try_again(error: Exception, header: str | None, after: float | None) -> None:
    result = refusal(error, "i-1", "f")
    assert {name.lower(): value for name, value in result.headers.items()}.get("retry-after") == header
    assert result.retry_after == after


async def test_a_problem_may_be_raised_again_and_again(invoke: Invoke) -> None:
    problem = Problem(503, "Closed", x=1)
    for handler in raising(problem):
        await invoke(handler)
    assert problem.extensions == {"x": 1}
    assert members(refusal(problem, "other", "f"))["execution"] == "other"


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (Problem(400, detail="d", x=object()), "d"),
        (Problem(400, detail="\ud800"), "\\ud800"),
        (InvalidInput([Violation("/\udfff", "bad")]), "/\\udfff: bad"),
        (Unavailable("\ud800"), "\\ud800"),
    ],
)
def test_a_refusal_that_does_not_serialise_is_told_as_well_as_it_can_be(error: Exception, detail: str) -> None:
    assert members(refusal(error, "i-1", "f"))["detail"] == detail


def test_a_problem_that_holds_itself_is_told_too() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert members(refusal(Problem(400, detail="d", x=endless), "i-1", "f")) == {
        "type": "about:blank", "title": "Bad Request", "status": 400, "detail": "d",
    }  # fmt: skip


async def test_the_log_has_the_traceback_and_the_execution(invoke: Invoke, caplog: pytest.LogCaptureFixture) -> None:
    for handler in raising(ValueError("the reason")):
        caplog.clear()
        await invoke(handler)
        (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert record.message == "f failed (execution i-1)"
        assert "the reason" in caplog.text
    for handler in raising(SystemExit(3)):
        await invoke(handler)
    assert "the handler called sys.exit(3)" in caplog.text


async def test_a_subclass_of_a_problem_is_one(invoke: Invoke) -> None:
    class Missing(Problem):
        def __init__(self, name: str) -> None:
            super().__init__(404, detail=f"no {name}")

    for handler in raising(Missing("dog")):
        assert members(await invoke(handler))["detail"] == "no dog"


async def test_an_invalid_reply_is_our_fault(invoke: Invoke, caplog: pytest.LogCaptureFixture) -> None:
    described = {"responses": {"200": {"description": "ok", "content": {"application/json": {"schema": OBJECT}}}}}
    for handler in both(dict):
        found = members(await invoke(handler, described=described))
        assert (found["status"], found["title"]) == (500, "Invalid response")
        assert found["detail"].startswith("f: the answer does not fit the document's 200 response: /body/a: ")
        assert [error["pointer"] for error in found["errors"]] == ["/body/a"]
    for handler in both(lambda: object()):
        found = members(await invoke(handler))
        assert found["detail"] == "f: the answer does not serialise: the value: object does not serialise as JSON"
    assert "does not serialise" in caplog.text


async def test_a_sync_handler_that_returns_an_awaitable_is_told(invoke: Invoke) -> None:
    async def coroutine() -> None: ...

    result = await invoke(lambda: coroutine())
    assert members(result)["detail"] == "f: the handler returned an awaitable: declare it with async def"


# Time


async def test_a_handler_that_takes_too_long(invoke: Invoke) -> None:
    ended = threading.Event()

    async def on_loop() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    result = await invoke(on_loop, timeout=0.05)
    assert (result.status, result.failure) == (504, "timeout")
    assert ended.is_set()

    go = threading.Event()
    result = await invoke(lambda: go.wait(10), timeout=0.05)
    assert (result.status, result.failure) == (504, "timeout")
    go.set()


async def test_what_is_too_late_does_not_begin(invoke: Invoke) -> None:
    begun: list[int] = []
    for handler in both(lambda: begun.append(1)):
        assert (await invoke(handler, timeout=-1)).failure == "timeout"
    assert begun == []


async def test_what_ends_too_late_is_rolled_back(invoke: Invoke, services: Services) -> None:
    ends: list[Any] = []
    go, over = threading.Event(), threading.Event()

    def unit() -> Iterator[None]:
        try:
            yield
        except TimeLimitExceeded:
            ends.append("rolled back")
            raise
        else:
            ends.append("committed")
        finally:
            over.set()

    services.register("unit", unit)

    def handler(unit: Any) -> None:
        go.wait(10)

    assert (await invoke(handler, timeout=0.05)).failure == "timeout"
    go.set()
    assert await asyncio.to_thread(over.wait, 10)
    assert ends == ["rolled back"]


async def test_cancellation_from_outside_is_not_held_up(invoke: Invoke) -> None:
    begun = asyncio.Event()

    async def handler() -> None:
        begun.set()
        await asyncio.sleep(30)

    task = asyncio.ensure_future(invoke(handler))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancellation_from_inside_is_a_failure(invoke: Invoke) -> None:
    async def handler() -> None:
        inner = asyncio.create_task(asyncio.sleep(30))
        inner.cancel()
        await inner

    result = await invoke(handler)
    assert (result.status, result.failure) == (500, "handler")


# Services


class Unit:
    """A service that notes what becomes of it, and may fail or swallow."""

    def __init__(self, journal: list[str], name: str = "unit", *, fails: str = "", swallows: bool = False) -> None:
        self.journal, self.name, self.fails, self.swallows = journal, name, fails, swallows

    def note(self, what: str) -> None:
        self.journal.append(f"{what} {self.name}")
        if self.fails == what:
            raise OSError(f"cannot {what}")

    def end(self, kind: Any) -> bool:
        self.note("roll back" if kind else "commit")
        return self.swallows


class SyncUnit(Unit):
    def __enter__(self) -> str:
        self.note("open")
        return self.name

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        return self.end(kind)


class AsyncUnit(Unit):
    async def __aenter__(self) -> str:
        self.note("open")
        return self.name

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> bool:
        return self.end(kind)


@pytest.fixture
def journal() -> list[str]:
    return []


KINDS = [pytest.param(SyncUnit, id="sync service"), pytest.param(AsyncUnit, id="async service")]


def register(services: Services, kind: type[Unit], journal: list[str], **how: Any) -> None:
    """Register a service ``unit`` of a kind, as a class, so that its kind is known before it is made."""

    class Own(kind):  # type: ignore[valid-type, misc]
        def __init__(self) -> None:
            super().__init__(journal, **how)

    services.register("unit", Own)


def using(outcome: Callable[[], Any]) -> list[Callable[..., Any]]:
    def handler(unit: Any) -> Any:
        return outcome()

    return both(handler)


def fail() -> None:
    raise Problem(422)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asynchronous", [0, 1], ids=["def", "async def"])
class TestServices:
    """Every kind of service with every kind of handler."""

    async def test_success_commits(
        self, invoke: Invoke, services: Services, journal: list[str], kind: type[Unit], asynchronous: int
    ) -> None:
        register(services, kind, journal)
        result = await invoke(using(lambda: {"a": 1})[asynchronous])
        assert result.body == b'{"a":1}'
        assert journal == ["open unit", "commit unit"]

    async def test_a_refusal_rolls_back(
        self, invoke: Invoke, services: Services, journal: list[str], kind: type[Unit], asynchronous: int
    ) -> None:
        register(services, kind, journal)
        assert (await invoke(using(fail)[asynchronous])).status == 422
        assert journal == ["open unit", "roll back unit"]

    async def test_an_invalid_reply_rolls_back(
        self, invoke: Invoke, services: Services, journal: list[str], kind: type[Unit], asynchronous: int
    ) -> None:
        register(services, kind, journal)
        assert (await invoke(using(object)[asynchronous])).status == 500
        assert journal == ["open unit", "roll back unit"]

    async def test_exit_rolls_back(
        self, invoke: Invoke, services: Services, journal: list[str], kind: type[Unit], asynchronous: int
    ) -> None:
        register(services, kind, journal)
        assert (await invoke(using(sys.exit)[asynchronous])).status == 500
        assert journal == ["open unit", "roll back unit"]

    @pytest.mark.parametrize(("fails", "outcome"), [("open", dict), ("commit", dict), ("roll back", fail)])
    async def test_its_own_failure_is_a_failure(
        self,
        invoke: Invoke,
        services: Services,
        journal: list[str],
        kind: type[Unit],
        asynchronous: int,
        fails: str,
        outcome: Any,
    ) -> None:
        register(services, kind, journal, fails=fails)
        result = await invoke(using(outcome)[asynchronous])
        assert (result.status, result.failure) == (500, "handler")
        assert journal == ["open unit", f"{fails} unit"][fails == "open" :]

    async def test_it_cannot_swallow_an_exception(
        self, invoke: Invoke, services: Services, journal: list[str], kind: type[Unit], asynchronous: int
    ) -> None:
        register(services, kind, journal, swallows=True)
        result = await invoke(using(fail)[asynchronous])
        assert members(result)["detail"] == "f: a service of f swallowed an exception of the handler"

    async def test_it_is_opened_for_those_who_name_it_alone(
        self, invoke: Invoke, services: Services, journal: list[str], kind: type[Unit], asynchronous: int
    ) -> None:
        register(services, kind, journal)
        assert (await invoke(both(dict)[asynchronous])).ok
        assert journal == []

    async def test_it_stays_open_for_a_stream(
        self, invoke: Invoke, services: Services, journal: list[str], kind: type[Unit], asynchronous: int
    ) -> None:
        register(services, kind, journal)

        def chunks() -> Iterator[str]:
            yield "a"
            journal.append("between")
            yield "b"

        result = await invoke(using(chunks)[asynchronous])
        assert isinstance(result.body, Stream)
        assert journal == ["open unit"]
        assert [chunk async for chunk in result.body] == [b"a", b"b"]
        assert journal == ["open unit", "between", "commit unit"]

    async def test_it_stays_open_for_a_stream_that_is_collected(
        self, invoke: Invoke, services: Services, journal: list[str], kind: type[Unit], asynchronous: int
    ) -> None:
        register(services, kind, journal)

        def chunks() -> Iterator[str]:
            journal.append("between")
            yield "a"

        result = await invoke(using(chunks)[asynchronous], streaming=False)
        assert result.body == b"a"
        assert journal == ["open unit", "between", "commit unit"]


async def test_a_sync_service_is_entered_and_left_in_the_handlers_thread(invoke: Invoke, services: Services) -> None:
    threads: list[int] = []

    def unit() -> Iterator[None]:
        threads.append(threading.get_ident())
        yield
        threads.append(threading.get_ident())

    services.register("unit", unit)

    def handler(unit: Any) -> None:
        threads.append(threading.get_ident())

    def generator(unit: Any) -> Iterator[str]:
        threads.append(threading.get_ident())
        yield "a"

    await invoke(handler)
    assert len({*threads}) == 1
    assert threading.get_ident() not in threads
    threads.clear()
    result = await invoke(generator)
    assert await result.body.acollect() == b"a"
    assert len(threads) == 3
    assert len({*threads}) == 1


async def test_services_are_closed_in_reverse(invoke: Invoke, services: Services, journal: list[str]) -> None:
    for name in ("a", "b"):
        services.register(name, lambda name=name: SyncUnit(journal, name))

    def handler(b: Any, a: Any) -> Any:
        return [b, a]

    for one in both(handler):
        journal.clear()
        assert (await invoke(one)).value == ["b", "a"]
        assert journal == ["open b", "open a", "commit a", "commit b"]


async def test_a_failed_commit_rolls_back_the_ones_before(
    invoke: Invoke, services: Services, journal: list[str]
) -> None:
    services.register("a", lambda: SyncUnit(journal, "a"))
    services.register("b", lambda: SyncUnit(journal, "b", fails="commit"))

    def handler(a: Any, b: Any) -> None: ...

    for one in both(handler):
        journal.clear()
        assert (await invoke(one)).status == 500
        assert journal == ["open a", "open b", "commit b", "roll back a"]


# Streams


async def test_generators_of_both_kinds_are_streamed(invoke: Invoke) -> None:
    def sync() -> Iterator[str]:
        yield "a"

    async def asynchronous() -> AsyncIterator[str]:
        yield "a"

    for handler in (sync, asynchronous):
        result = await invoke(handler)
        assert isinstance(result.body, Stream)
        assert await result.body.acollect() == b"a"
        assert (await invoke(handler, streaming=False)).body == b"a"


async def test_a_collected_stream_that_fails_is_a_failure(invoke: Invoke) -> None:
    def sync() -> Iterator[str]:
        yield "a"
        raise Problem(409)

    async def asynchronous() -> AsyncIterator[str]:
        yield "a"
        raise Problem(409)

    for handler in (sync, asynchronous):
        assert (await invoke(handler, streaming=False)).status == 409


async def test_a_collected_stream_has_its_time(invoke: Invoke) -> None:
    async def handler() -> AsyncIterator[str]:
        while True:
            yield ""
            await asyncio.sleep(0.001)

    assert (await invoke(handler, streaming=False, timeout=0.05)).failure == "timeout"


# Middleware


def tracer(journal: list[str], name: str) -> Any:
    async def middleware(call_next: Any, invocation: Invocation) -> Result:
        journal.append(f"{name} in")
        result: Result = await call_next(invocation)
        journal.append(f"{name} out {result.status}")
        return result

    return middleware


async def test_the_first_middleware_is_the_outermost(invoke: Invoke, journal: list[str]) -> None:
    middleware = [tracer(journal, "a"), tracer(journal, "b")]
    await invoke(dict, middleware=middleware)
    assert journal == ["a in", "b in", "b out 200", "a out 200"]
    journal.clear()
    await invoke(fail, middleware=middleware)
    assert journal == ["a in", "b in", "b out 422", "a out 422"]


async def test_a_middleware_may_answer_itself(invoke: Invoke, journal: list[str]) -> None:
    async def closed(call_next: Any, invocation: Invocation) -> Result:
        return Result(value={"closed": True}, status=503, headers={"Retry-After": "60"})

    result = await invoke(fail, middleware=[tracer(journal, "a"), closed, tracer(journal, "b")])
    assert (result.status, result.body, result.content_type) == (503, b'{"closed":true}', "application/json")
    assert journal == ["a in", "a out 503"]


async def test_a_middleware_may_change_what_comes_in_and_out(invoke: Invoke) -> None:
    async def louder(call_next: Any, invocation: Invocation) -> Result:
        changed = msgspec.structs.replace(invocation, arguments={"q": "loud"})
        result: Result = await call_next(changed)
        return msgspec.structs.replace(result, headers={"X-Loud": "1"})

    result = await invoke(lambda q: q, {"q": "x"}, middleware=[louder], described={"parameters": [parameter("q")]})
    assert (result.value, result.headers) == ("loud", {"X-Loud": "1"})


async def test_a_middleware_may_call_twice(invoke: Invoke) -> None:
    calls: list[int] = []

    def handler() -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise Problem(503)
        return {"a": 1}

    async def again(call_next: Any, invocation: Invocation) -> Result:
        result: Result = await call_next(invocation)
        return await call_next(invocation) if not result.ok else result

    assert (await invoke(handler, middleware=[again])).value == {"a": 1}


@pytest.mark.parametrize("error", [Problem(401), KeyError("x"), SystemExit(1)], ids=repr)
async def test_what_a_middleware_raises_is_a_result_for_the_one_around_it(
    invoke: Invoke, journal: list[str], error: BaseException
) -> None:
    async def broken(call_next: Any, invocation: Invocation) -> Result:
        raise error

    result = await invoke(dict, middleware=[tracer(journal, "a"), broken])
    assert result.status == (401 if isinstance(error, Problem) else 500)
    assert journal == ["a in", f"a out {result.status}"]


async def test_a_middleware_that_returns_no_result_is_told(invoke: Invoke) -> None:
    async def forgetful(call_next: Any, invocation: Invocation) -> Any:
        await call_next(invocation)

    result = await invoke(dict, middleware=[forgetful])
    assert members(result)["detail"].endswith("forgetful returned a NoneType, not a Result")


async def test_a_middleware_may_wrap_a_stream(invoke: Invoke) -> None:
    async def shouting(call_next: Any, invocation: Invocation) -> Result:
        result: Result = await call_next(invocation)

        async def louder() -> AsyncIterator[bytes]:
            async for chunk in result.body:
                yield chunk.upper()

        return msgspec.structs.replace(result, body=louder())

    result = await invoke(lambda: iter("ab"), middleware=[shouting])
    assert isinstance(result.body, Stream)
    assert await result.body.acollect() == b"AB"


async def test_a_middleware_may_be_an_object(invoke: Invoke) -> None:
    class Stamp:
        async def __call__(self, call_next: Any, invocation: Invocation) -> Result:
            result: Result = await call_next(invocation)
            return msgspec.structs.replace(result, headers={"X-Stamp": "1"})

    assert (await invoke(dict, middleware=[Stamp()])).headers == {"X-Stamp": "1"}


# Many at once


async def test_one_invoker_serves_many_functions_of_one_name(calls: ThreadCalls, services: Services) -> None:
    invoker = Invoker(services=services, calls=calls)
    functions = [make(lambda: 1), make(lambda: 2)]
    results = [await invoker.invoke(function, invocation(function, {})) for function in functions]
    assert [result.value for result in results] == [1, 2]


async def test_invocations_do_not_mix(calls: ThreadCalls, services: Services) -> None:
    async def handler(n: int, context: Context) -> Any:
        await asyncio.sleep(0)
        return [n, context.id]

    function = make(handler, parameters=[parameter("n", schema={"type": "integer"})])
    invoker = Invoker(services=services, calls=calls)
    given = [msgspec.structs.replace(invocation(function, {"n": n}), id=f"i-{n}") for n in range(50)]
    results = await asyncio.gather(*(invoker.invoke(function, one) for one in given))
    assert [result.value for result in results] == [[n, f"i-{n}"] for n in range(50)]


class Inline:
    """Calls that run where they are called."""

    inline = True

    async def run(self, call: Callable[[], Any], timeout: float | None) -> Any:
        return call()


def straight(handler: Callable[..., Any], timeout: float | None = None) -> Result:
    """Invoke a sync handler without an event loop; whatever waited would end in an error."""
    function = make(handler)
    invoker = Invoker(services=Services(), calls=Inline())
    assert invoker.is_straight(function)
    coroutine = invoker.invoke(function, invocation(function, {}, timeout, streaming=False))
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)  # type: ignore[attr-defined]
    result: Result = done.value.value
    return result


def test_a_sync_handler_that_runs_in_place_needs_no_loop_and_may_have_its_own() -> None:
    async def answer() -> str:
        await asyncio.sleep(0)
        return "mine"

    assert straight(lambda: asyncio.run(answer())).value == "mine"


def test_what_runs_in_place_may_return_an_async_stream() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    assert straight(lambda: numbers()).body == b"0\n1\n2\n"


def test_what_runs_in_place_does_not_begin_past_its_deadline() -> None:
    begun: list[int] = []
    assert straight(lambda: begun.append(1), timeout=-1.0).failure == "timeout"
    assert begun == []


def test_only_who_runs_the_call_can_cancel_it_in_place() -> None:
    def cancel() -> None:
        raise asyncio.CancelledError

    def be_cancelled() -> None:
        raise Cancelled

    assert straight(cancel).failure == "handler"
    function = make(be_cancelled)
    coroutine = Invoker(services=Services(), calls=Inline()).invoke(function, invocation(function, {}))
    with pytest.raises(Cancelled):
        coroutine.send(None)  # type: ignore[attr-defined]


async def test_what_may_wait_is_not_run_in_place(services: Services, calls: ThreadCalls) -> None:
    async def service() -> AsyncIterator[int]:
        yield 1

    services.register("db", service)

    async def asynchronous() -> None: ...

    async def middleware(call_next: Any, invocation: Invocation) -> Result:
        return await call_next(invocation)  # type: ignore[no-any-return]

    def sync() -> None: ...

    def with_service(db: int) -> int:
        return db

    assert not Invoker(services=services, calls=Inline()).is_straight(make(asynchronous))
    assert not Invoker(services=services, calls=Inline()).is_straight(make(with_service, services=services))
    assert not Invoker(services=services, calls=Inline(), middleware=[middleware]).is_straight(make(sync))
    assert not Invoker(services=services, calls=calls).is_straight(make(sync))
