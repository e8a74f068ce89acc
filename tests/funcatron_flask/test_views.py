from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest
from flask import Flask

from funcatron import Funcatron
from funcatron.invocation import Invocation, Result
from funcatron.ports import CallNext, ExecutionQuery
from funcatron.testing.doors import CeleryDoor, Outcome, QueueDoor, decode, ended
from tests.funcatron_flask.asking import adapted, asking, told
from tests.funcatron_flask.rough import make_app

pytestmark = pytest.mark.anyio

BOUNDARY = "bound"
FORM = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = (
    b'--bound\r\nContent-Disposition: form-data; name="word"\r\n\r\nblue\r\n'
    b'--bound\r\nContent-Disposition: form-data; name="word"\r\n\r\ngr\xc3\xbcn\r\n'
    b'--bound\r\nContent-Disposition: form-data; name="file"; filename="a b.txt"\r\nContent-Type: text/x-odd\r\n\r\n'
    b"\x00\xff\r\n\r\n"
    b'--bound\r\nContent-Disposition: form-data; name="file"; filename="b"\r\nContent-Type: a/b\r\n\r\n\r\n'
    b"--bound--\r\n"
)

PLAIN: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/", {}),
    ("GET", "/echo", {}),
    ("GET", "/echo?a=1&a=2&b=&c=%20x+y&%C3%BC=%C3%B6&d", {}),
    ("GET", "/echo", {"headers": {"x-custom": "one", "accept": "text/*;q=0.5, application/json"}}),
    ("POST", "/echo", {"json": {"a": [1, 2.5, None, "ü"]}}),
    ("POST", "/echo", {"content": b"a=1&a=2&b=x+y%26", "headers": FORM}),
    ("POST", "/raw", {"content": b"\x00\xff raw", "headers": {"content-type": "application/x-odd"}}),
    ("POST", "/raw", {"content": "grün".encode(), "headers": {"content-type": "text/plain; charset=utf-8"}}),
    (
        "POST",
        "/upload",
        {"content": MULTIPART, "headers": {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}},
    ),
    ("GET", "/slash/", {}),
    ("GET", "/number/42", {}),
    ("GET", "/number/-42", {}),
    ("GET", "/measure/1.0", {}),
    ("GET", "/measure/12345.678", {}),
    ("GET", "/uuid/12345678-1234-5678-1234-567812345678", {}),
    ("GET", "/colour/light%20blue", {}),
    ("GET", "/file/a/b/c.txt", {}),
    ("GET", "/file/%C3%BC/%3F%23", {}),
    ("GET", "/text/a%20b%25", {}),
    ("GET", "/listed/a+b+c", {}),
    ("GET", "/items/7", {}),
    ("PUT", "/items/7", {"json": {"name": "seven"}}),
    ("DELETE", "/items/7", {}),
    ("GET", "/area/north/", {}),
    ("GET", "/area/north/2?q=a%20b", {}),
    ("GET", "/away", {}),
    ("GET", "/refused", {}),
    ("GET", "/abort/403", {}),
    ("GET", "/tea", {}),
    ("GET", "/stream?word=gr%C3%BCn", {}),
    ("GET", "/download", {}),
    ("GET", "/echo?stop=1", {}),
]
"""Requests whose answers do not depend on who carries them."""

AWKWARD: list[tuple[str, str, dict[str, Any]]] = [
    ("HEAD", "/echo", {}),
    ("HEAD", "/download", {}),
    ("HEAD", "/stream", {}),
    ("OPTIONS", "/echo", {}),
    ("OPTIONS", "/tea", {}),
    ("OPTIONS", "/nowhere", {}),
    ("PROPFIND", "/echo", {}),
    ("DELETE", "/slash/", {}),
    ("GET", "/slash", {}),
    ("POST", "/slash", {"content": b"x"}),
    ("GET", "/slash/?a=%2F", {}),
    ("GET", "//slash//", {}),
    ("GET", "/nowhere", {}),
    ("GET", "/items/", {}),
    ("GET", "/items/seven", {}),
    ("GET", "/number/501", {}),
    ("GET", "/colour/green", {}),
    ("GET", "/text/" + "x" * 21, {}),
    ("GET", "/file/a%2Fb/c", {}),
    ("GET", "/text/a%2Fb", {}),
    ("GET", "/cookies", {}),
    ("GET", "/flashes", {}),
    ("GET", "/broken", {}),
    ("GET", "/abort/429", {}),
    ("GET", "/bare", {}),
    ("GET", "/not-modified", {"headers": {"if-none-match": '"v1"'}}),
    ("GET", "/download", {"headers": {"range": "bytes=10-19"}}),
    ("GET", "/download", {"headers": {"range": "bytes=5000-"}}),
    ("GET", "/download", {"headers": {"if-none-match": '"fixed"'}}),
    ("GET", "/echo", {"headers": {"cookie": 'a=1; b="2"; a=3'}}),
    ("GET", "/echo", {"headers": [("x-custom", "one"), ("x-custom", "two")]}),
    ("POST", "/echo", {"content": b"{broken", "headers": {"content-type": "application/json"}}),
    ("PUT", "/items/7", {"content": b"{broken", "headers": {"content-type": "application/json"}}),
    ("PUT", "/items/7", {"content": b"a=1", "headers": FORM}),
    ("POST", "/raw", {"content": b"x" * 300_000}),
    ("POST", "/raw", {"content": b""}),
    ("POST", "/upload", {"content": b"no form", "headers": {"content-type": "multipart/form-data"}}),
    ("PATCH", "/echo", {"content": b"\xff", "headers": {"content-type": "application/json; charset=latin-1"}}),
    ("GET", "/echo?bad=%ff%zz&&=&=x", {}),
    ("GET", "/echo", {"headers": {"prefer": "return=minimal"}}),
]
"""Requests that ask for what only the application itself knows."""


def identify(request: tuple[str, str, dict[str, Any]]) -> str:
    return f"{request[0]} {request[1][:40]} {','.join(request[2])}"


async def test_every_answer_is_that_of_flask_alone() -> None:
    alone, served = make_app(), adapted(make_app())
    async with asking(alone) as flask, asking(served) as ours:
        for method, url, request in [*PLAIN, *AWKWARD]:
            expected = told(await flask.request(method, url, **request))
            assert told(await ours.request(method, url, **request)) == expected, (method, url, request)


async def test_a_session_goes_on_from_call_to_call() -> None:
    async with asking(make_app()) as flask, asking(adapted(make_app())) as ours:
        for client in (flask, ours):
            assert [(await client.post("/count")).json() for _ in range(3)] == [1, 2, 3]
            assert (await client.get("/flashes")).json() == ["message 1", "message 2", "message 3"]
            assert (await client.get("/flashes")).json() == []


async def test_hooks_run_once_for_each_call() -> None:
    app = make_app()
    async with asking(adapted(app)) as ours:
        await ours.get("/area/north/")
        await ours.get("/broken")
        await ours.get("/nowhere")
    assert app.config["SEEN"] == [("GET", "/area/north/", False), ("GET", "/broken", True), ("GET", "/nowhere", False)]


async def later(
    served: Funcatron, client: httpx.AsyncClient, method: str, url: str, request: dict[str, Any]
) -> httpx.Response:
    """Call later, have it run, and return the result."""
    headers = dict(request.get("headers", {})) | {"prefer": "respond-async"}
    accepted = await client.request(method, url, **{**request, "headers": headers})
    assert accepted.status_code == 202, accepted.text
    await ended(served, accepted.json()["id"])
    return await client.get(accepted.headers["location"] + "/result")


def kept(body: Any) -> Any:
    """Return what a view says of what a record keeps: what the query says, but not how it was spelled."""
    return {name: item for name, item in body.items() if name != "query"} if isinstance(body, dict) else body


async def test_called_later_a_view_answers_the_same() -> None:
    served = adapted(make_app())
    async with asking(make_app()) as flask, asking(served) as ours:
        for method, url, request in PLAIN:
            expected = await flask.request(method, url, **request)
            answer = await later(served, ours, method, url, request)
            assert answer.status_code == expected.status_code, (method, url, request, answer.text)
            if expected.status_code < 400:
                kind = expected.headers.get("content-type")
                assert kept(decode(answer.content, kind)) == kept(decode(expected.content, kind)), (
                    method,
                    url,
                    request,
                )


async def test_with_a_key_it_is_called_once() -> None:
    app = make_app()
    async with asking(adapted(app)) as ours:
        await ours.post("/count")
        answers = [await ours.post("/count", headers={"idempotency-key": "k"}) for _ in range(2)]
        assert [answer.json() for answer in answers] == [2, 2]
        assert len(app.config["SEEN"]) == 2


async def test_a_celery_client_calls_by_names() -> None:
    served = adapted(make_app())
    door = CeleryDoor()
    number = await door.call(served, served.registry.get("number"), {"value": -3})
    assert number == Outcome(200, -3)
    measure = await door.call(served, served.registry.get("measure"), {"value": 2})
    assert measure == Outcome(200, 2.0)
    listed = await door.call(served, served.registry.get("listed"), {"words": "a+b"})
    assert listed == Outcome(200, ["a", "b"])
    echoed = await door.call(served, served.registry.get("echo.post"), {"args": {"a": ["1", "2"]}, "body": {"x": 1}})
    assert echoed.body["args"] == {"a": ["1", "2"]}
    assert echoed.body["json"] == {"x": 1}
    refused = await door.call(served, served.registry.get("number"), {"value": 501})
    assert refused.status == 400
    await served.stop()


async def test_an_event_is_a_request() -> None:
    app = make_app()
    served = adapted(app)
    outcome = await QueueDoor().call(served, served.registry.get("echo.post"), {"body": {"order": 7}})
    assert outcome.body["json"] == {"order": 7}
    assert outcome.body["type"] == "application/json"
    await served.stop()


async def test_a_view_that_fails_is_called_again() -> None:
    app = make_app()
    served = adapted(app)
    async with asking(served) as ours:
        accepted = await ours.get("/broken", headers={"prefer": "respond-async"})
        await ended(served, accepted.json()["id"])
        record = (await ours.get(accepted.headers["location"])).json()
    assert (record["state"], record["attempt"], record["failure"]) == ("failed", 5, "handler")
    assert [seen[2] for seen in app.config["SEEN"]] == [True] * 5


async def test_middleware_sees_views() -> None:
    seen = []

    async def counting(call_next: CallNext, invocation: Invocation) -> Result:
        result = await call_next(invocation)
        seen.append((invocation.function, invocation.trigger, result.status))
        return Result(status=result.status, headers={**result.headers, "X-Seen": "yes"}, body=result.body)

    async with asking(adapted(make_app(), middleware=[counting])) as ours:
        answer = await ours.get("/download")
        assert (answer.headers["x-seen"], answer.headers["content-length"]) == ("yes", "2048")
        await ours.get("/nowhere")
    assert seen == [("download", "http", 200)]


async def test_credentials_stay_out_of_records() -> None:
    served = adapted(make_app())
    async with asking(served) as ours:
        headers = {"authorization": "Bearer hidden-value", "cookie": "session=hidden-value", "x-custom": "shown"}
        answer = await later(served, ours, "GET", "/echo", {"headers": headers})
        assert answer.json()["custom"] == "shown"
        assert answer.json()["cookies"] == {}
        records, _ = served.store.list(ExecutionQuery())
    assert "hidden-value" not in json.dumps([record.to_json("") for record in records], default=str)


async def test_a_view_that_takes_too_long_is_not_waited_for() -> None:
    app, released = Flask("slow"), threading.Event()

    @app.get("/slow")
    def slow() -> str:
        released.wait(30)
        return "late"

    action = {"target": "$.paths['/slow'].get", "update": {"x-funcatron": {"timeout": 0.05}}}
    overlay = {"overlay": "1.0.0", "info": {"title": "o", "version": "1"}, "actions": [action]}
    async with asking(adapted(app, overlays=[overlay])) as ours:
        answer = await ours.get("/slow")
        released.set()
    assert (answer.status_code, answer.json()["title"]) == (504, "Timeout")
