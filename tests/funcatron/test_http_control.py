"""The control API, operation by operation."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from funcatron import Funcatron
from funcatron.errors import Unavailable
from funcatron.execution import LogLine
from funcatron.testing import application
from tests.funcatron.holding import Held

pytestmark = pytest.mark.anyio

BODY = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
RESPONSES = {"default": {"description": ""}}
SPEC: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/double/{n}": {
            "get": {
                "operationId": "double",
                "summary": "Twice as much",
                "tags": ["math"],
                "parameters": [{"name": "n", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": RESPONSES,
            }
        },
        "/order": {
            "post": {
                "operationId": "order",
                "requestBody": BODY,
                "responses": RESPONSES,
                "x-funcatron": {"mode": "async", "retry": {"attempts": 1}},
            }
        },
    },
    "x-webhooks": {
        "paid": {
            "post": {
                "operationId": "paid",
                "requestBody": BODY,
                "responses": RESPONSES,
                "x-funcatron": {"triggers": [{"event": {"type": "com.example.*", "source": "/shop"}}]},
            }
        }
    },
}
SECRET = "s3cret"


def double(n: int) -> Any:
    return {"twice": n * 2}


def order(body: dict[str, Any], context: Any) -> Any:
    context.logger.warning("ordering, password=%s", SECRET)
    if body.get("fail"):
        raise ValueError("out of stock")
    return b"\x00\xff", 200, {"Content-Type": "application/octet-stream", "X-Own": "yes"}


def paid(body: dict[str, Any]) -> None: ...


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def app() -> Funcatron:
    return application(SPEC, handlers={"double": double, "order": order, "paid": paid})


def client(app: Funcatron) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/_funcatron")


async def run_all(app: Funcatron) -> None:
    await app.dispatcher.run_all(app)  # type: ignore[attr-defined]


def pointers(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 400, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]


async def test_executions_are_listed_page_by_page(app: Funcatron) -> None:
    async with client(app) as http:
        made = [
            (await http.post("/executions", json={"function": "double", "input": {"n": n}})).json() for n in range(5)
        ]
        ids = [record["id"] for record in reversed(made)]
        seen: list[str] = []
        marker = None
        for size in (2, 2, 1):
            page = (await http.get("/executions", params={"limit": 2, **({"marker": marker} if marker else {})})).json()
            assert len(page["executions"]) == size
            seen += [record["id"] for record in page["executions"]]
            marker = page["next"]
        assert marker is None
        assert seen == ids


async def test_an_execution_is_followed_to_its_end(app: Funcatron) -> None:
    async with client(app) as http:
        made = (await http.post("/executions", json={"function": "double", "input": {"n": 1}})).json()
        followed = asyncio.create_task(http.get(f"/executions/{made['id']}/events"))
        await asyncio.sleep(0)
        await run_all(app)
        answer = await followed
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        *_, last = [event for event in answer.text.split("\n\n") if event]
        fields = dict(line.split(": ", 1) for line in last.splitlines())
        assert fields["event"] == "end"
        assert '"state":"succeeded"' in fields["data"]
        seen = {"Last-Event-ID": fields["id"]}
        assert (await http.get(f"/executions/{made['id']}/events", headers=seen)).status_code == 204
        again = await http.get(f"/executions/{made['id']}/events", headers={"Last-Event-ID": "another"})
        assert (again.status_code, again.text.count("event: end")) == (200, 1)
        unknown = await http.get("/executions/unknown/events")
        assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")


async def test_executions_are_filtered(app: Funcatron) -> None:
    async with client(app) as http:
        await http.post("/executions", json={"function": "double", "input": {"n": 1}})
        await run_all(app)
        await http.post("/executions", json={"function": "order", "input": {"body": {}}})
        created = (await http.get("/executions?function=order")).json()["executions"][0]["created_at"]
        for query, functions in [
            ("", ["order", "double"]),
            ("function=double", ["double"]),
            ("state=queued", ["order"]),
            ("state=succeeded", ["double"]),
            ("trigger=async", ["order", "double"]),
            ("trigger=queue", []),
            (f"since={created}", ["order"]),
            (f"until={created}", ["double"]),
            ("since=2000-01-01T00:00:00%2B01:00", ["order", "double"]),
            ("until=2000-01-01T00:00:00Z", []),
        ]:
            page = (await http.get(f"/executions?{query}")).json()
            assert [record["function"] for record in page["executions"]] == functions, query


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("limit=0", ["/query/limit"]),
        ("limit=1001", ["/query/limit"]),
        (
            "limit=x&state=odd&since=yesterday&until=2020-01-01",
            ["/query/limit", "/query/since", "/query/state", "/query/until"],
        ),
        ("marker=unknown", ["/query/marker"]),
        ("since=2020-01-01T00:00:00", ["/query/since"]),
        ("since=2020-13-01T00:00:00Z", ["/query/since"]),
    ],
)
async def test_a_wrong_filter_is_invalid_input(app: Funcatron, query: str, places: list[str]) -> None:
    async with client(app) as http:
        assert sorted(pointers(await http.get(f"/executions?{query}"))) == places


async def test_an_execution_can_be_made(app: Funcatron) -> None:
    async with client(app) as http:
        made = await http.post("/executions", json={"function": "double", "input": {"n": 4}})
        assert (made.status_code, made.headers["retry-after"]) == (202, "1")
        assert made.headers["location"] == f"/_funcatron/executions/{made.json()['id']}"
        await run_all(app)
        assert (await http.get(f"/executions/{made.json()['id']}")).json()["result"] == {"twice": 8}


@pytest.mark.parametrize(
    ("request_body", "places"),
    [
        ({}, ["/body/function"]),
        ({"function": "unknown"}, ["/body/function"]),
        ({"function": "funcatron.control.live"}, ["/body/function"]),
        (
            {"function": 1, "input": [], "sync": "yes", "more": 1},
            ["/body/function", "/body/input", "/body/more", "/body/sync"],
        ),
        ({"function": "double"}, ["/path/n"]),
        ({"function": "double", "input": {"n": "x", "m": 1}}, ["/m", "/path/n"]),
    ],
)
async def test_a_wrong_call_is_invalid_input(app: Funcatron, request_body: Any, places: list[str]) -> None:
    async with client(app) as http:
        assert sorted(pointers(await http.post("/executions", json=request_body))) == places


@pytest.mark.parametrize("how", [{"json": {"sync": True}}, {"headers": {"Prefer": "wait=30"}}])
async def test_the_end_can_be_waited_for(app: Funcatron, how: dict[str, Any]) -> None:
    request = {"json": {"function": "double", "input": {"n": 4}, **how.get("json", {})}, "headers": how.get("headers")}
    async with client(app) as http:
        waiting = asyncio.create_task(http.post("/executions", **request))
        while not waiting.done():
            await run_all(app)
            await asyncio.sleep(0.005)
        answer = waiting.result()
        assert answer.status_code == 200
        assert (answer.json()["state"], answer.json()["result"]) == ("succeeded", {"twice": 8})
        result = await http.get(f"/executions/{answer.json()['id']}/result", headers={"Prefer": "wait=30"})
        assert result.json() == {"twice": 8}


async def test_a_result_is_the_handlers_own_answer(app: Funcatron) -> None:
    async with client(app) as http:
        good = (await http.post("/executions", json={"function": "order", "input": {"body": {}}})).json()["id"]
        bad = (await http.post("/executions", json={"function": "order", "input": {"body": {"fail": True}}})).json()[
            "id"
        ]
        await run_all(app)
        answer = await http.get(f"/executions/{good}/result")
        assert (answer.status_code, answer.content) == (200, b"\x00\xff")
        assert (answer.headers["content-type"], answer.headers["x-own"]) == ("application/octet-stream", "yes")
        answer = await http.get(f"/executions/{bad}/result")
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert answer.headers["x-funcatron-state"] == "failed"
        assert answer.json()["execution"] == bad


async def test_logs_are_shown_redacted(app: Funcatron) -> None:
    async with client(app) as http:
        made = (await http.post("/executions", json={"function": "order", "input": {"body": {}}})).json()["id"]
        app.store.log(made, [LogLine(0.5, "warning", "x", "hello")])
        (line,) = (await http.get(f"/executions/{made}/logs")).json()["logs"]
        assert line == {
            "time": "1970-01-01T00:00:00.500000Z",
            "level": "warning",
            "logger": "x",
            "message": "hello",
            "attempt": 1,
        }


async def test_what_waits_is_cancelled_and_redriven(app: Funcatron) -> None:
    async with client(app) as http:
        made = (await http.post("/executions", json={"function": "double", "input": {"n": 1}})).json()["id"]
        cancelled = await http.post(f"/executions/{made}/cancel")
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
        await run_all(app)
        gone = await http.get(f"/executions/{made}/result")
        assert (gone.status_code, gone.headers["x-funcatron-state"]) == (409, "cancelled")
        assert (await http.post(f"/executions/{made}/cancel")).status_code == 409
        redriven = await http.post(f"/executions/{made}/redrive")
        assert (redriven.status_code, redriven.json()["state"]) == (202, "queued")
        await run_all(app)
        assert (await http.get(f"/executions/{made}/result")).json() == {"twice": 2}
        assert (await http.post(f"/executions/{made}/redrive")).status_code == 409


async def test_the_history_is_shown_without_secrets(app: Funcatron) -> None:
    async with client(app) as http:
        made = (await http.post("/executions", json={"function": "double", "input": {"n": 1}})).json()["id"]
        assert (await http.get(f"/executions/{made}")).json()["history"] == []
        errors = [{"pointer": "/body/password", "message": "is 's3cret'"}, {"pointer": "/body/n", "message": "is x"}]
        problem = {"type": "about:blank", "title": "Invalid input", "status": 400, "detail": "s3cret", "errors": errors}
        app.store.fail(made, problem, "invalid")
        await http.post(f"/executions/{made}/redrive")
        answer = await http.get(f"/executions/{made}")
        (attempt,) = answer.json()["history"]
        told = {"title": "Invalid input", "status": 400, "detail": "/body/password, /body/n"}
        assert (attempt["attempt"], attempt["failure"], attempt["problem"]) == (0, "invalid", told)
        assert (answer.json()["problem"], "s3cret" in answer.text) == (None, False)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/result"), ("GET", "/logs"), ("POST", "/cancel"), ("POST", "/redrive")]
)
async def test_an_unknown_execution_is_a_404_problem(app: Funcatron, method: str, path: str) -> None:
    async with client(app) as http:
        answer = await http.request(method, f"/executions/nothing{path}")
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no execution nothing")


async def test_functions_are_the_users_own(app: Funcatron) -> None:
    async with client(app) as http:
        described = (await http.get("/functions")).json()["functions"]
    assert [function["name"] for function in described] == ["double", "order", "paid"]
    assert described[0] == {
        "name": "double",
        "summary": "Twice as much",
        "tags": ["math"],
        "method": "get",
        "route": "/double/{n}",
        "mode": "sync",
        "queue": "funcatron",
        "timeout": 30.0,
        "async_timeout": 300.0,
        "concurrency": None,
        "ordering": None,
        "document": "<dict>",
        "handler": f"{__name__}.double",
        "triggers": [],
    }
    assert described[2]["route"] is None
    assert described[2]["triggers"] == [{"kind": "event", "description": "event com.example.* from /shop"}]
    assert not any(name.startswith("funcatron.control") for name in app.registry.functions)


EVENT = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "com.example.paid", "data": {"n": 1}}


@pytest.mark.parametrize("mode", ["structured", "batch", "binary"])
async def test_events_go_to_the_functions_that_want_them_once(app: Funcatron, mode: str) -> None:
    requests: dict[str, dict[str, Any]] = {
        "structured": {"json": EVENT, "headers": {"Content-Type": "application/cloudevents+json; charset=utf-8"}},
        "batch": {"json": [EVENT], "headers": {"Content-Type": "application/cloudevents-batch+json"}},
        "binary": {
            "json": EVENT["data"],
            "headers": {f"ce-{name}": str(value) for name, value in EVENT.items() if name != "data"},
        },
    }
    async with client(app) as http:
        first = await http.post("/events", **requests[mode])
        again = await http.post("/events", **requests["structured"])
    assert (first.status_code, again.status_code) == (202, 202)
    (execution,) = first.json()["executions"]
    assert (execution["function"], execution["event_source"], execution["event_id"]) == ("paid", "/shop", "1")
    assert execution["input"] == {"body": {"n": 1}}
    assert [item["id"] for item in again.json()["executions"]] == [execution["id"]]


async def test_an_event_that_nobody_wants_is_delivered_all_the_same(app: Funcatron) -> None:
    async with client(app) as http:
        answer = await http.post(
            "/events", json={**EVENT, "source": "/other"}, headers={"Content-Type": "application/cloudevents+json"}
        )
    assert (answer.status_code, answer.json()) == (202, {"executions": []})


@pytest.mark.parametrize(
    ("request_", "places"),
    [
        ({"json": {}}, ["/header/ce-id", "/header/ce-source", "/header/ce-specversion", "/header/ce-type"]),
        ({}, ["/header/ce-id", "/header/ce-source", "/header/ce-specversion", "/header/ce-type"]),
        ({"json": {}, "headers": {"ce-id": "1", "ce-type": "t"}}, ["/header/ce-source", "/header/ce-specversion"]),
        (
            {"json": {"id": 1, "type": ""}, "headers": {"Content-Type": "application/cloudevents+json"}},
            ["/body/id", "/body/source", "/body/specversion", "/body/type"],
        ),
        (
            {
                "json": [EVENT, {**EVENT, "id": ""}, 3],
                "headers": {"Content-Type": "application/cloudevents-batch+json"},
            },
            ["/body/1/id", "/body/2"],
        ),
        ({"content": b"{", "headers": {"Content-Type": "application/cloudevents+json"}}, ["/body"]),
        (
            {"json": {**EVENT, "specversion": "0.3"}, "headers": {"Content-Type": "application/cloudevents+json"}},
            ["/body/specversion"],
        ),
        (
            {"json": {**EVENT, "time": "noon"}, "headers": {"Content-Type": "application/cloudevents+json"}},
            ["/body/time"],
        ),
    ],
)
async def test_a_malformed_event_is_refused_with_every_violation(
    app: Funcatron, request_: dict[str, Any], places: list[str]
) -> None:
    async with client(app) as http:
        assert sorted(set(pointers(await http.post("/events", **request_)))) == places


async def test_metrics_count_what_was_accepted_and_what_is_on_record(app: Funcatron) -> None:
    async with client(app) as http:
        await http.post("/executions", json={"function": "double", "input": {"n": 1}})
        await http.post("/events", json=EVENT, headers={"Content-Type": "application/cloudevents+json"})
        lines = (await http.get("/metrics")).text.splitlines()
    assert 'funcatron_accepted_total{function="double",trigger="async"} 1.0' in lines
    assert 'funcatron_accepted_total{function="paid",trigger="event"} 1.0' in lines
    assert 'funcatron_executions{state="queued"} 2.0' in lines


async def test_what_waits_to_be_stored_is_counted_for_all_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    app = application(SPEC, handlers={"double": double, "order": order, "paid": paid}, max_queued=1)
    held = Held(app, monkeypatch)
    called = {"json": {"function": "double", "input": {"n": 1}}}
    posted = {"json": EVENT, "headers": {"Content-Type": "application/cloudevents+json"}}
    async with client(app) as http:
        first = asyncio.create_task(http.post("/executions", **called))
        await held.came.wait()
        for path, request in (("/executions", called), ("/events", posted)):
            answer = await http.post(path, **request)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        held.release.set()
        assert (await first).status_code == 202
        assert (await http.post("/events", **posted)).status_code == 202


async def test_a_store_out_of_reach_is_not_ready_but_alive(app: Funcatron, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_reach(*_: Any) -> Any:
        raise Unavailable("the store is out of reach")

    for method in ("counts", "get", "list"):
        monkeypatch.setattr(app.store, method, out_of_reach)
    async with client(app) as http:
        assert (await http.get("/health/live")).json() == {"status": "ok"}
        for path in ("/health/ready", "/executions", "/executions/1"):
            answer = await http.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "funcatron_store_up 0.0" in (await http.get("/metrics")).text.splitlines()
