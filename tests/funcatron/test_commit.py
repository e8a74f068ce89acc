"""A service that fails to commit turns success into failure, on every door: no client sees a 200."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from funcatron import Funcatron
from funcatron.resources.sessions import Sessions
from funcatron.testing import application, assert_same_on_every_door

pytestmark = pytest.mark.anyio

ANSWER = {"responses": {"200": {"description": "", "content": {"application/json": {}}}}}
TEXT = {"responses": {"200": {"description": "", "content": {"text/plain": {}}}}}
RETRY = {"retry": {"attempts": 1}}
KINDS = ("plain", "aplain", "with_status", "stream", "astream", "file")


def spec(**more: Any) -> dict[str, Any]:
    paths = {
        f"/{name}": {"post": {
            "operationId": name, "x-funcatron": {**RETRY, **more},
            **(ANSWER if name in ("plain", "aplain", "with_status") else TEXT),
        }}
        for name in KINDS
    }  # fmt: skip
    return {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths}


def plain(unit: str) -> Any:
    return {"unit": unit}


async def aplain(unit: str) -> Any:
    return {"unit": unit}


def with_status(unit: str) -> Any:
    return {"unit": unit}, 201


def stream(unit: str) -> Iterator[str]:
    yield unit
    yield "last"


async def astream(unit: str) -> AsyncIterator[str]:
    yield unit
    yield "last"


def file(unit: str) -> Any:
    return Path(__file__)


HANDLERS = {f.__name__: f for f in (plain, aplain, with_status, stream, astream, file)}


def sync_unit() -> Iterator[str]:
    yield "unit"
    raise OSError("the disk is full")


async def async_unit() -> AsyncIterator[str]:
    yield "unit"
    raise OSError("the disk is full")


class Exiting:
    """Not an exception that one expects at a commit."""

    def __enter__(self) -> str:
        return "unit"

    def __exit__(self, *error: object) -> None:
        raise SystemExit(3)


UNITS = [sync_unit, async_unit, Exiting]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("kind", ["plain", "aplain", "with_status", "file"])
def test_on_every_door(kind: str, unit: Callable[[], Any]) -> None:
    outcome = assert_same_on_every_door(
        spec(), kind, handlers=HANDLERS, setup=lambda app: app.services.register("unit", unit)
    )
    assert outcome.status == 500


def made(unit: Callable[[], Any], **more: Any) -> Funcatron:
    app = application(spec(**more), handlers=HANDLERS)
    app.services.register("unit", unit)
    return app


def client_of(app: Funcatron) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize("unit", UNITS)
async def test_with_a_record_and_with_a_key(unit: Callable[[], Any]) -> None:
    app = made(unit, record=True)
    async with client_of(app) as client:
        for _ in range(2):  # the key is free again: nothing was done
            answer = await client.post("/plain", headers={"Idempotency-Key": "k"})
            assert answer.status_code == 500
            assert "idempotency-replayed" not in answer.headers
        records = (await client.get("/_funcatron/executions")).json()["executions"]
    assert [(record["state"], record["result"]) for record in records] == [("failed", None)] * 2


@pytest.mark.parametrize("unit", [sync_unit, async_unit])
@pytest.mark.parametrize("kind", ["stream", "astream"])
async def test_what_is_streamed_is_never_whole(
    kind: str, unit: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""} if not sent else await forever()

    scope = {
        "type": "http", "method": "POST", "path": f"/{kind}", "raw_path": b"", "query_string": b"", "root_path": "",
        "scheme": "http", "server": ("test", 80), "headers": [],
    }  # fmt: skip
    await made(unit)(scope, receive, send)
    start, *bodies = sent
    assert start["status"] == 200
    assert [body["body"] for body in bodies] == [b"unit", b"last"]
    assert all(body["more_body"] for body in bodies)  # the server closes the connection before the end
    assert "the disk is full" in caplog.text


async def forever() -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize("unit", [sync_unit, async_unit])
@pytest.mark.parametrize("kind", ["stream", "astream"])
async def test_what_is_streamed_into_a_record_fails(kind: str, unit: Callable[[], Any]) -> None:
    async with client_of(app := made(unit)) as client:
        location = (await client.post(f"/{kind}", headers={"Prefer": "respond-async"})).headers["location"]
        await app.dispatcher.run_all(app)  # type: ignore[attr-defined]
        assert (await client.get(location)).json()["state"] == "failed"
        assert (await client.get(location + "/result")).status_code == 500


async def test_a_database_that_refuses_the_commit(tmp_path: Path) -> None:
    sessions = Sessions(f"sqlite:///{tmp_path}/t.db")
    event.listen(sessions.engine, "connect", lambda connection, _: connection.execute("pragma foreign_keys = on"))
    with sessions.engine.begin() as connection:
        connection.execute(text("create table parent (id integer primary key)"))
        child = "create table child (parent integer references parent (id) deferrable initially deferred)"
        connection.execute(text(child))

    def plain(unit: Session) -> Any:
        unit.execute(text("insert into child values (7)"))
        return {"done": True}

    app = application(spec(), handlers={**HANDLERS, "plain": plain})
    app.service("unit")(sessions)
    async with client_of(app) as client:
        answer = await client.post("/plain")
        assert answer.status_code == 500
        assert "done" not in answer.text
    with contextlib.closing(sessions.engine.raw_connection()) as raw:
        assert raw.cursor().execute("select count(*) from child").fetchone() == (0,)
    app.close()
