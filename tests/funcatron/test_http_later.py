"""Calls answered later: 202 when they are durable, the handler's own answer for those who wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from funcatron import Funcatron
from funcatron.errors import Unavailable
from funcatron.execution import Execution
from funcatron.http.waiting import wait_for_end
from funcatron.ports import ExecutionQuery
from funcatron.settings import load_settings
from funcatron.store.memory import MemoryStore
from funcatron.testing import application

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def client(app: Any, **more: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, **more), base_url="http://test")


BODY = {"required": True, "content": {"application/json": {"schema": {"type": "object", "required": ["n"]}}}}
SPEC = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}},
    "paths": {
        "/sync": {"post": {"operationId": "sync", "requestBody": BODY, "responses": {"200": {"description": ""}}}},
        "/async": {
            "post": {
                "operationId": "later",
                "x-funcatron": {"mode": "async", "queue": "images"},
                "requestBody": BODY,
                "responses": {"200": {"description": ""}},
            }
        },
    },
}


def answer(body: dict[str, Any]) -> Any:
    if body["n"] < 0:
        return {"type": "about:blank", "title": "No", "status": 409}, 409
    return {"twice": body["n"] * 2}, 201, {"X-Own": "yes"}


HANDLERS = {"sync": answer, "later": answer}


@pytest.fixture
def app() -> Funcatron:
    return application(SPEC, handlers=HANDLERS, max_message=1000, max_queued=2)


async def test_an_async_operation_is_accepted(app: Funcatron) -> None:
    async with client(app) as http:
        accepted = await http.post("/async", json={"n": 1, "password": "p"})
        assert accepted.status_code == 202
        record = accepted.json()
        assert accepted.headers["location"] == f"/_funcatron/executions/{record['id']}"
        assert accepted.headers["retry-after"] == "1"
        assert "preference-applied" not in accepted.headers
        assert (record["function"], record["state"], record["trigger"]) == ("later", "queued", "async")
        assert record["input"] == {"body": {"n": 1, "password": "***"}}
        assert (await http.get(accepted.headers["location"])).json() == {**record, "history": []}
        result = await http.get(accepted.headers["location"] + "/result")
        assert (result.status_code, result.json()) == (202, record)
        assert result.headers["x-funcatron-state"] == "queued"
        await app.dispatcher.run_all(app)  # type: ignore[attr-defined]
        result = await http.get(accepted.headers["location"] + "/result")
        assert (result.status_code, result.json()) == (201, {"twice": 2})
        assert (result.headers["x-own"], result.headers["x-funcatron-state"]) == ("yes", "succeeded")
    stored = app.store.get(record["id"])
    assert stored is not None
    assert (stored.queue, stored.input) == ("images", {"body": {"n": 1, "password": "p"}})


async def test_the_client_may_prefer_an_answer_later(app: Funcatron) -> None:
    async with client(app) as http:
        accepted = await http.post("/sync", json={"n": 1}, headers={"Prefer": "respond-async"})
        assert (accepted.status_code, accepted.headers["preference-applied"]) == (202, "respond-async")
        at_once = await http.post("/sync", json={"n": 1}, headers={"Prefer": "wait=5"})
        assert (at_once.status_code, at_once.json()) == (201, {"twice": 2})
        assert "preference-applied" not in at_once.headers


async def test_input_is_checked_first(app: Funcatron) -> None:
    async with client(app) as http:
        for path in ("/async", "/sync"):
            refused = await http.post(path, json={}, headers={"Prefer": "respond-async"})
            assert refused.status_code == 400
            assert refused.json()["errors"] == [{"pointer": "/body/n", "message": "is required"}]
    assert app.store.counts() == {} or not any(app.store.counts().values())


async def worker(app: Funcatron, *, until: Callable[[], bool]) -> None:
    while not until():
        await app.dispatcher.run_all(app)  # type: ignore[attr-defined]
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("path", "prefer", "applied"),
    [("/async", "wait=20", "wait=20"), ("/sync", "respond-async, wait=20", "respond-async, wait=20")],
)
async def test_who_waits_gets_the_handlers_own_answer(app: Funcatron, path: str, prefer: str, applied: str) -> None:
    done = False
    working = asyncio.create_task(worker(app, until=lambda: done))
    async with client(app) as http:
        result = await http.post(path, json={"n": 4}, headers={"Prefer": prefer})
        refused = await http.post(path, json={"n": -1}, headers={"Prefer": prefer})
    done = True
    await working
    assert (result.status_code, result.json()) == (201, {"twice": 8})
    assert (result.headers["x-own"], result.headers["preference-applied"]) == ("yes", applied)
    assert (refused.status_code, refused.json()["title"]) == (409, "No")


async def test_who_waits_in_vain_gets_202(app: Funcatron) -> None:
    async with client(app) as http:
        started = time.monotonic()
        accepted = await http.post("/async", json={"n": 1}, headers={"Prefer": "wait=0"})
        assert (accepted.status_code, accepted.headers["preference-applied"]) == (202, "wait=0")
        accepted = await http.post("/async", json={"n": 1}, headers={"Prefer": "wait=1"})
        assert accepted.status_code == 202
    assert time.monotonic() - started >= 1.0


async def test_a_client_that_goes_away_is_not_waited_for() -> None:
    execution = Execution(id="1", function="f", trigger="async", created_at=0.0)
    store = MemoryStore()
    store.create([execution])

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    async with asyncio.timeout(60):
        assert await wait_for_end(store, execution, 600.0, gone) == execution


async def test_a_call_with_a_declared_credential_is_answered_now_and_kept_without_it() -> None:
    operation = {
        "operationId": "who",
        "x-funcatron": {"record": True},
        "parameters": [
            {"name": "sid", "in": "cookie", "schema": {"type": "string"}},
            {"name": "X-Auth-Token", "in": "header", "schema": {"type": "string"}},
            {"name": "n", "in": "query", "schema": {"type": "integer"}},
        ],
        "responses": {"200": {"description": ""}},
    }
    document = {**SPEC, "paths": {"/who": {"get": operation}}}
    app = application(document, handlers={"who": lambda sid, x_auth_token, n: [sid, x_auth_token, n]})
    secrets = {"Prefer": "respond-async", "Cookie": "sid=s3", "X-Auth-Token": "t0ken"}
    async with client(app) as http:
        answer = await http.get("/who?n=1", headers=secrets)
    assert (answer.status_code, answer.json()) == (200, ["s3", "t0ken", 1])
    assert "preference-applied" not in answer.headers
    (record,), _ = app.store.list(ExecutionQuery())
    assert record.input == {"n": 1}


async def test_a_record_too_large_is_413_with_the_limit(app: Funcatron) -> None:
    async with client(app) as http:
        refused = await http.post("/async", json={"n": 1, "text": "x" * 1000})
    assert (refused.status_code, refused.json()["limit"]) == (413, 1000)
    assert refused.headers["content-type"] == "application/problem+json"


async def test_an_idempotency_key_makes_one_execution(app: Funcatron) -> None:
    async with client(app) as http:
        key = {"Idempotency-Key": "k1"}
        first = await http.post("/async", json={"n": 1}, headers=key)
        again = await http.post("/async", json={"n": 1}, headers=key)
        other = await http.post("/async", json={"n": 2}, headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert (other.status_code, other.json()["title"]) == (422, "Idempotency-Key reused")


class Failing:
    """A dispatcher whose broker is out of reach, or that takes its time."""

    def __init__(self, store: MemoryStore, release: asyncio.Event | None = None) -> None:
        self.store = store
        self.release = release

    async def dispatch(self, execution: Execution) -> bool:
        if self.release is None:
            raise Unavailable("the broker is out of reach", retry_after=2.5)
        await self.release.wait()
        return self.store.create([execution])[0]

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def submit(self, executions: Sequence[Execution]) -> list[bool]: ...  # type: ignore[empty-body]
    def republish(self, executions: Sequence[Execution]) -> None: ...
    def withdraw(self, execution_id: str) -> None: ...


def failing(release: asyncio.Event | None = None) -> Funcatron:
    store = MemoryStore()
    settings = load_settings({"max_queued": 2}, environ={})
    return Funcatron(SPEC, handlers=HANDLERS, settings=settings, store=store, dispatcher=Failing(store, release))


async def test_what_cannot_be_stored_is_503_never_202() -> None:
    async with client(failing()) as http:
        refused = await http.post("/async", json={"n": 1})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "3")
    assert refused.json()["detail"] == "the broker is out of reach"


async def test_overload_is_503_and_passes() -> None:
    release = asyncio.Event()
    async with client(failing(release)) as http:
        waiting = [asyncio.create_task(http.post("/async", json={"n": n})) for n in range(3)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        (refused,) = (task.result() for task in done)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        release.set()
        answers = await asyncio.gather(*waiting)
        assert sorted(answer.status_code for answer in answers) == [202, 202, 503]
        assert (await http.post("/async", json={"n": 1})).status_code == 202


async def test_credentials_are_not_on_record() -> None:
    secured = {
        **SPEC,
        "paths": {"/async": {"post": {**SPEC["paths"]["/async"]["post"], "security": [{"key": []}, {}]}}},
    }  # type: ignore[index]
    app = application(secured, handlers=HANDLERS)
    headers = {
        "X-Api-Key": "s3cret",
        "Authorization": "Bearer s3cret",
        "Cookie": "session=s3cret",
        "X-Auth-Token": "s3cret",
        "X-Request-Id": "r1",
    }
    async with client(app) as http:
        accepted = await http.post("/async", json={"n": 1}, headers=headers)
    stored = app.store.get(accepted.json()["id"])
    assert stored is not None
    assert stored.headers["x-request-id"] == "r1"
    assert "s3cret" not in repr(stored)


async def test_links_know_where_a_proxy_mounted_the_server(app: Funcatron) -> None:
    async with client(app, root_path="/proxied") as http:
        accepted = await http.post("/proxied/async", json={"n": 1})
        assert accepted.headers["location"].startswith("/proxied/_funcatron/executions/")
        assert accepted.json()["links"]["self"] == accepted.headers["location"]
        assert (await http.get(accepted.headers["location"])).json() == {**accepted.json(), "history": []}


async def test_a_callback_may_ask_for_the_url_but_not_for_its_key() -> None:
    callback = {"{$url}/done": {"post": {"responses": {"200": {"description": ""}}}}}
    operation = {
        **SPEC["paths"]["/async"]["post"],  # type: ignore[index]
        "callbacks": {"done": callback},
        "security": [{"key": []}, {}],
    }
    schemes = {"key": {"type": "apiKey", "in": "query", "name": "key"}}
    spec = {**SPEC, "components": {"securitySchemes": schemes}, "paths": {"/async": {"post": operation}}}
    app = application(spec, handlers=HANDLERS)
    async with client(app) as http:
        accepted = await http.post("/async?a=1&key=s3cret", json={"n": 1}, headers={"X-Funcatron-Url": "http://evil"})
    stored = app.store.get(accepted.json()["id"])
    assert stored is not None
    assert stored.headers["x-funcatron-url"] == "http://test/async?a=1"
    assert "s3cret" not in repr(stored)
