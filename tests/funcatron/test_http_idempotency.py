"""Idempotency-Key: one call, whoever sends it again, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from funcatron import Funcatron, Problem, Retry
from funcatron.errors import Unavailable
from funcatron.http import idempotency, later
from funcatron.ports import Reservation
from funcatron.store.memory import MemoryStore
from funcatron.store.sqlite import SQLiteStore
from funcatron.testing import application
from funcatron.testing.inline import InlineDispatcher

pytestmark = pytest.mark.anyio

BODY = {"content": {"application/json": {"schema": {"type": "object"}}, "multipart/form-data": {"schema": {
    "type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}}}}  # fmt: skip
KEY = {"Idempotency-Key": "k1"}


def basic(username: str, password: str) -> dict[str, str] | None:
    return {"sub": username}


def spec(extension: Mapping[str, Any], **operation: Any) -> dict[str, Any]:
    described = {"operationId": "f", "x-funcatron": extension, "responses": {"default": {"description": ""}}}
    scheme = {"type": "http", "scheme": "basic", "x-basicInfoFunc": f"{__name__}.basic"}
    return {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "components": {"securitySchemes": {"basic": scheme}},
        "paths": {
            "/f": {
                "post": {"requestBody": BODY, **described, **operation},
                "get": {**described, "operationId": "g", "x-funcatron": {}},
            }
        },
    }


class Counted:
    """A handler that counts its calls; ``answers`` are returned or raised, one after another, the last for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers) or [None]
        self.calls = 0

    def __call__(self, body: Any) -> Any:
        self.calls += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


def served(handler: Callable[..., Any], store: Any = None, /, *, extension: Any = None, **operation: Any) -> Funcatron:
    document = spec(extension or {}, **operation)
    handlers = {"f": handler, "g": lambda: {"now": time.perf_counter_ns()}}
    if store is None:
        return application(document, handlers=handlers)
    return Funcatron(document, handlers=handlers, store=store, dispatcher=InlineDispatcher(store))


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_the_first_answer_is_given_again() -> None:
    made = Counted(({"id": 1, "big": 2**70}, 201, {"X-Own": "yes", "Set-Cookie": "s=1"}), "never seen")
    async with client(served(made)) as http:
        first = await http.post("/f", json={"a": 1, "b": 2}, headers=KEY)
        again = await http.post("/f", json={"b": 2, "a": 1}, headers={"Idempotency-Key": '"k1"'})
    assert (first.status_code, first.headers["x-own"], "set-cookie" in first.headers) == (201, "yes", True)
    assert (again.status_code, again.content, again.headers["x-own"]) == (201, first.content, "yes")
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "set-cookie" not in again.headers  # credentials never rest
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert made.calls == 1


@pytest.mark.parametrize("answer", [b"\x00\xff", "text", None, (None, 204), Problem(409, detail="sold"), ([], 302)])
async def test_every_kind_of_answer_is_given_again(answer: Any) -> None:
    made = Counted(answer, ({"another": "one"}, 299))
    async with client(served(made)) as http:
        first, again = [await http.post("/f", json={}, headers=KEY) for _ in range(2)]
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers.get("content-type") == first.headers.get("content-type")
    assert made.calls == 1


async def test_another_payload_is_refused() -> None:
    made = Counted({"id": 1})
    async with client(served(made)) as http:
        await http.post("/f", json={"n": 1}, headers=KEY)
        refused = await http.post("/f", json={"n": 2}, headers=KEY)
    assert (refused.status_code, refused.json()["title"]) == (422, "Idempotency-Key reused")
    assert made.calls == 1


async def test_an_upload_is_part_of_the_payload() -> None:
    made = Counted({"id": 1})
    async with client(served(made)) as http:
        answers = [await http.post("/f", files={"file": ("a", data)}, headers=KEY) for data in (b"1", b"1", b"2")]
    assert [answer.status_code for answer in answers] == [200, 200, 422]
    assert made.calls == 1


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_of_many_at_once_one_runs_and_the_others_are_told(kind: str, tmp_path: Path) -> None:
    store = SQLiteStore(f"sqlite:///{tmp_path}/f.db") if kind == "sqlite" else MemoryStore()
    running, release = 0, asyncio.Event()

    async def handler(body: Any) -> Any:
        nonlocal running
        running += 1
        await release.wait()
        return {"id": running}

    async with client(served(handler, store)) as http:
        refused: set[asyncio.Task[httpx.Response]] = set()
        waiting = {asyncio.create_task(http.post("/f", json={}, headers=KEY)) for _ in range(20)}
        while len(waiting) > 1:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
        told = {
            (one.status_code, one.json()["title"], one.headers["retry-after"])
            for one in (task.result() for task in refused)
        }
        assert told == {(409, "Call in progress", "1")}
        release.set()
        first = await waiting.pop()
        again = await http.post("/f", json={}, headers=KEY)
    assert running == 1
    assert (first.json(), again.json()) == ({"id": 1}, {"id": 1})
    store.close()


def stream() -> Iterator[str]:
    yield "a"
    yield "b"


@pytest.mark.parametrize(
    "answer", [RuntimeError("boom"), Problem(503), Problem(429), Retry(after=3), ("no", 502), stream]
)
async def test_what_asks_for_another_try_may_be_tried_again(answer: Any) -> None:
    made = Counted(answer, {"id": 2})
    async with client(served(made)) as http:
        await http.post("/f", json={}, headers=KEY)
        second, third = [await http.post("/f", json={}, headers=KEY) for _ in range(2)]
    assert (second.status_code, second.json()) == (200, {"id": 2})
    assert (third.content, made.calls) == (second.content, 2)


async def test_what_is_refused_before_the_handler_takes_no_key() -> None:
    made = Counted({"id": 1})
    async with client(served(made)) as http:
        assert (await http.post("/f", content=b"[]", headers={**KEY, "Content-Type": "application/json"})).is_error
        assert (await http.post("/f", json={}, headers=KEY)).status_code == 200


@pytest.mark.parametrize("key", ["", '""', "k" * 256])
async def test_a_key_that_is_none_is_refused(key: str) -> None:
    made = Counted({"id": 1})
    async with client(served(made)) as http:
        refused = await http.post("/f", json={}, headers={"Idempotency-Key": key})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/header/Idempotency-Key")
    assert made.calls == 0


async def test_keys_are_of_one_caller() -> None:
    made = Counted({"id": 1}, {"id": 2}, {"id": 3})
    async with client(served(made, security=[{"basic": []}, {}])) as http:
        answers = [
            (await http.post("/f", json={}, headers=KEY, auth=auth)).json()["id"]
            for auth in (("ann", "x"), ("bob", "x"), None, ("ann", "x"), ("bob", "x"), None)
        ]
    assert answers == [1, 2, 3, 1, 2, 3]


async def test_a_safe_method_is_called_again() -> None:
    async with client(served(Counted())) as http:
        first, again = [await http.get("/f", headers=KEY) for _ in range(2)]
    assert first.json() != again.json()


async def test_a_key_is_forgotten_after_its_time() -> None:
    made = Counted({"id": 1}, {"id": 2})
    app = served(made, extension={"idempotency": {"key": "header", "ttl": 1e-6}})
    async with client(app) as http:
        answers = [(await http.post("/f", json={}, headers=KEY)).json()["id"] for _ in range(2)]
    assert answers == [1, 2]


async def test_a_call_whose_process_was_killed_does_not_keep_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "GRACE", -31.0)  # as if its timeout had passed
    made = Counted({"id": 1})
    release = asyncio.Event()

    async def killed(body: Any) -> Any:
        await release.wait()

    store = MemoryStore()
    async with client(served(killed, store)) as http, client(served(made, store)) as other:
        call = asyncio.create_task(http.post("/f", json={}, headers=KEY))
        while not store._keys:
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert (await other.post("/f", json={}, headers=KEY)).json() == {"id": 1}


async def test_a_process_that_is_gone_does_not_keep_a_key(tmp_path: Path) -> None:
    began, release = asyncio.Event(), asyncio.Event()

    async def slow(body: Any) -> dict[str, int]:
        began.set()
        await release.wait()
        return {"id": 0}

    made = Counted({"id": 1}, {"id": 2})
    stores = [SQLiteStore(f"sqlite:///{tmp_path / 'f.db'}") for _ in range(2)]
    dying, living = (served(handler, store) for handler, store in zip((slow, made), stores, strict=True))
    async with client(dying) as http, client(living) as other:
        call = asyncio.create_task(http.post("/f", json={}, headers=KEY))
        await began.wait()
        assert (await other.post("/f", json={}, headers=KEY)).status_code == 409
        assert dying._lease is not None
        dying._lease.release()  # as the kernel does for a process that has ended
        assert (await other.post("/f", json={}, headers=KEY)).json() == {"id": 1}
        release.set()
        assert (await call).json() == {"id": 0}  # not dead after all: what it came to changes nothing
        assert (await other.post("/f", json={}, headers=KEY)).json() == {"id": 1}
    for end in (dying, living, *stores):
        end.close()


class Away(MemoryStore):
    """A store that is out of reach for keys, from a certain call on."""

    def __init__(self, reserve: bool, settle: bool) -> None:
        super().__init__()
        self.away = {"reserve": reserve, "settle": settle}

    def reserve(self, wanted: Reservation) -> Reservation | None:
        if self.away["reserve"]:
            raise Unavailable("the store is out of reach")
        return super().reserve(wanted)

    def settle(self, reservation: Reservation, result: Any) -> None:
        if self.away["settle"]:
            raise Unavailable("the store is out of reach")
        super().settle(reservation, result)


async def test_without_the_store_nothing_runs() -> None:
    made = Counted({"id": 1})
    async with client(served(made, Away(reserve=True, settle=False))) as http:
        refused = await http.post("/f", json={}, headers=KEY)
        assert (refused.status_code, "retry-after" in refused.headers, made.calls) == (503, True, 0)
        assert (await http.post("/f", json={})).status_code == 200


async def test_what_was_done_is_answered_though_it_cannot_be_kept() -> None:
    made = Counted({"id": 1})
    async with client(served(made, Away(reserve=False, settle=True))) as http:
        assert (await http.post("/f", json={}, headers=KEY)).json() == {"id": 1}
        assert (await http.post("/f", json={}, headers=KEY)).status_code == 409  # until its timeout has passed
    assert made.calls == 1


# Later


async def test_a_later_call_is_accepted_once(tmp_path: Path) -> None:
    made, store = Counted({"id": 1}), SQLiteStore(f"sqlite:///{tmp_path}/f.db")
    app = served(made, store, extension={"mode": "async"})
    async with client(app) as http:
        answers = await asyncio.gather(*(http.post("/f", json={}, headers=KEY) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
        assert store.counts() == {"queued": 1}
        other = await http.post("/f", json={"n": 1}, headers=KEY)
        assert (other.status_code, other.json()["title"]) == (422, "Idempotency-Key reused")
    store.close()


async def test_a_key_is_the_same_now_and_later() -> None:
    made = Counted({"id": 1})
    async with client(served(made)) as http:
        respond_async = {"Prefer": "respond-async"}
        first = await http.post("/f", json={}, headers={**KEY, **respond_async})
        again = await http.post("/f", json={}, headers=KEY)
        assert (first.status_code, again.status_code, made.calls) == (202, 202, 0)
        assert again.headers["location"] == first.headers["location"]
        now = await http.post("/f", json={}, headers={"Idempotency-Key": "k2"})
        once_more = await http.post("/f", json={}, headers={"Idempotency-Key": "k2", **respond_async})
        assert (now.json(), once_more.json(), once_more.status_code, made.calls) == ({"id": 1}, {"id": 1}, 200, 1)


async def test_a_later_call_waits_no_longer_than_a_record_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "PATIENCE", 0.05)
    release = asyncio.Event()

    async def handler(body: Any) -> Any:
        await release.wait()

    store = MemoryStore()
    async with client(served(handler, store)) as http:
        now = asyncio.create_task(http.post("/f", json={}, headers=KEY))
        while not store._keys:
            await asyncio.sleep(0)
        refused = await http.post("/f", json={}, headers={**KEY, "Prefer": "respond-async"})
        assert (refused.status_code, refused.headers["retry-after"]) == (409, "1")
        release.set()
        assert (await now).status_code == 204


async def test_what_was_not_accepted_takes_no_key() -> None:
    app = application(spec({"mode": "async"}), handlers={"f": Counted(), "g": Counted}, max_message=100)
    large = {"n": "x" * 200}
    async with client(app) as http:
        answers = [(await http.post("/f", json=body, headers=KEY)).status_code for body in (large, large, {})]
    assert answers == [413, 413, 202]
