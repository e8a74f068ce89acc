"""The ready-made services, as handlers of both kinds are given them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from funcatron import Funcatron, Problem
from funcatron.resources.clients import Clients
from funcatron.resources.openstack import openstack
from funcatron.resources.sessions import AsyncSessions, Sessions
from funcatron.testing import application

pytestmark = pytest.mark.anyio

OPERATIONS = ("add", "aadd", "fetch", "afetch", "cloud_of")
SPEC: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "paths": {
        f"/{name}": {"post": {
            "operationId": name, "responses": {"default": {"description": ""}},
            "parameters": [{"name": "n", "in": "query", "schema": {"type": "integer"}}]}}
        for name in OPERATIONS
    },
}  # fmt: skip


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def add(n: int, db: Session) -> Any:
    assert isinstance(db, Session)
    db.execute(text("insert into t values (:n)"), {"n": n})
    if n < 0:
        raise Problem(409)


async def aadd(n: int, adb: AsyncSession) -> Any:
    assert isinstance(adb, AsyncSession)
    await adb.execute(text("insert into t values (:n)"), {"n": n})
    if n < 0:
        raise Problem(409)


SEEN: list[Any] = []


def fetch(http: httpx.Client) -> Any:
    SEEN.append(http)
    return http.get("/").text


async def afetch(http: httpx.AsyncClient) -> Any:
    SEEN.append(http)
    return (await http.get("/")).text


def cloud_of(cloud: Any) -> Any:
    return repr(cloud)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Funcatron]:
    app = application(SPEC, handlers={"add": add, "aadd": aadd, "fetch": fetch, "afetch": afetch, "cloud_of": cloud_of})
    database = f"{tmp_path}/t.db"
    sessions = Sessions(f"sqlite:///{database}")
    with sessions.engine.begin() as connection:
        connection.execute(text("create table t (n integer not null, check (n <> 13))"))
    app.service("db")(sessions)
    app.service("adb")(AsyncSessions(f"sqlite+aiosqlite:///{database}"))
    answer = httpx.MockTransport(lambda request: httpx.Response(200, text=str(request.url)))
    app.service("http")(Clients(base_url="http://far", transport=answer))
    app.service("cloud")(openstack)
    SEEN.clear()
    yield app
    app.close()


def numbers(app: Funcatron) -> list[int]:
    sessions = next(one for one in app.services._objects() if isinstance(one, Sessions))
    with Session(sessions.engine) as session:
        return [row[0] for row in session.execute(text("select n from t order by n"))]


@pytest.mark.parametrize("function", ["add", "aadd"])
async def test_a_session_is_committed_or_rolled_back(app: Funcatron, function: str) -> None:
    for n, status in ((1, 204), (-1, 409), (13, 500), (2, 204)):
        assert (await app.invoke(function, {"n": n})).status == status, n
    assert numbers(app) == [1, 2]
    await app.stop()
    assert (await app.invoke(function, {"n": 3})).status == 204  # what was closed is made anew
    await app.stop()


@pytest.mark.parametrize(("function", "kind"), [("fetch", httpx.Client), ("afetch", httpx.AsyncClient)])
async def test_a_client_is_shared_by_all_calls(app: Funcatron, function: str, kind: type) -> None:
    for _ in range(2):
        assert (await app.invoke(function)).value == "http://far/"
    first, second = SEEN
    assert first is second
    assert type(first) is kind
    await app.stop()
    assert first.is_closed


def test_threads_share_a_client() -> None:
    clients = Clients()
    seen: list[httpx.Client] = []
    threads = [threading.Thread(target=lambda: seen.append(clients.client)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(client) for client in seen}) == 1
    clients.close()
    clients.close()


async def test_the_cloud_is_the_functions_own(app: Funcatron) -> None:
    with app.services.overridden(cloud=lambda context: contextlib.nullcontext(context.function)):
        assert (await app.invoke("cloud_of")).value == "'cloud_of'"
    assert (await app.invoke("cloud_of")).status == 500  # these settings name no cloud
