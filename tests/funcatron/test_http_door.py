"""The door as a client sees it: routes, methods, documents, errors, start and stop."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import yaml

from funcatron import Funcatron
from funcatron.errors import Problem, Retry
from funcatron.http import stack
from funcatron.http.door import Door
from funcatron.http.metrics import Series
from funcatron.testing import application

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def client(app: Any, **more: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, **more), base_url="http://test")


def document(paths: dict[str, Any], base: str = "", **more: Any) -> dict[str, Any]:
    servers = {"servers": [{"url": base}]} if base else {}
    return {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths, **servers, **more}


def operation(name: str, *parameters: str, **more: Any) -> dict[str, Any]:
    described = [{"name": p, "in": "path", "required": True, "schema": {"type": "string"}} for p in parameters]
    return {"operationId": name, "parameters": described, "responses": {"default": {"description": "any"}}, **more}


def echo(name: str) -> Callable[..., Any]:
    async def handler(**arguments: Any) -> Any:
        return {"function": name, **arguments}

    return handler


async def test_a_function_answers_at_its_base_path() -> None:
    async with client(application(document({"/a/{b}": {"get": operation("f", "b")}}, "/v1"), handlers=echo)) as http:
        answer = await http.get("/v1/a/x")
        assert answer.json() == {"function": "f", "b": "x"}
        assert answer.headers["content-type"] == "application/json"
        assert (await http.get("/a/x")).status_code == 404


ROUTES = document(
    {
        "/users/{id}": {"get": operation("user", "id"), "delete": operation("leave", "id")},
        "/users/me": {"get": operation("me")},
        "/users/{id}/{part}": {"get": operation("part", "id", "part")},
        "/users/me/{part}": {"get": operation("mine", "part")},
        "/numbers/{n}": {
            "get": {
                **operation("number"),
                "parameters": [{"name": "n", "in": "path", "required": True, "schema": {"type": "number"}}],
            }
        },
        "/files/{path}": {
            "get": {
                **operation("file"),
                "parameters": [
                    {"name": "path", "in": "path", "required": True, "schema": {"type": "string", "format": "path"}}
                ],
            }
        },
        "/odd/{user-id}.{ext}": {"get": operation("odd", "user-id", "ext")},
        "/both": {"get": operation("both_get"), "head": operation("both_head")},
    }
)


@pytest.fixture(scope="module")
def routed() -> Funcatron:
    return application(ROUTES, handlers=echo)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/users/7", {"function": "user", "id": "7"}),
        ("/users/me", {"function": "me"}),
        ("/users/7/x", {"function": "part", "id": "7", "part": "x"}),
        ("/users/me/x", {"function": "mine", "part": "x"}),
        ("/users/a%2Fb", {"function": "user", "id": "a/b"}),
        ("/users/%E2%98%83%20%25", {"function": "user", "id": "☃ %"}),
        ("/numbers/1.5", {"function": "number", "n": 1.5}),
        ("/numbers/1e2", {"function": "number", "n": 100.0}),
        ("/files/a/b%20c/d", {"function": "file", "path": "a/b c/d"}),
        ("/odd/7.tar.gz", {"function": "odd", "user_id": "7", "ext": "tar.gz"}),
    ],
)
async def test_routes_match_as_openapi_says(routed: Funcatron, path: str, answer: dict[str, Any]) -> None:
    async with client(routed) as http:
        assert (await http.get(path)).json() == answer


@pytest.mark.parametrize("value", ["%2E", "x", "9" * 5000 + "x", "NaN"])
async def test_a_path_parameter_that_is_no_number_is_invalid_input(routed: Funcatron, value: str) -> None:
    async with client(routed) as http:
        answer = await http.get(httpx.URL("http://test", raw_path=f"/numbers/{value}".encode()))
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == "/path/n"


async def test_nothing_there_is_a_404_problem(routed: Funcatron) -> None:
    async with client(routed) as http:
        answer = await http.get("/nowhere")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert answer.json() == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "nothing is served at /nowhere",
        }


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/users/7", "DELETE, GET, HEAD"),
        ("POST", "/users/me", "DELETE, GET, HEAD"),
        ("OPTIONS", "/users/7", "DELETE, GET, HEAD"),
        ("TRACE", "/both", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("POST", "/ui/", "GET, HEAD"),
        ("PATCH", "/_funcatron/executions", "GET, HEAD, POST"),
    ],
)
async def test_a_405_names_every_method_of_the_path(routed: Funcatron, method: str, path: str, allow: str) -> None:
    async with client(routed) as http:
        answer = await http.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allow)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_head_is_get_without_its_body(routed: Funcatron) -> None:
    async with client(routed) as http:
        answer = await http.head("/users/7")
        assert (answer.status_code, answer.content) == (200, b"")
        assert int(answer.headers["content-length"]) == len(b'{"function":"user","id":"7"}')


async def test_an_operation_for_head_is_its_own() -> None:
    called = []

    def handlers(name: str) -> Callable[..., Any]:
        def handler(**_: Any) -> None:
            called.append(name)

        return handler

    async with client(application(ROUTES, handlers=handlers)) as http:
        await http.head("/both")
        await http.get("/both")
    assert called == ["both_head", "both_get"]


async def test_a_slash_too_many_is_redirected_as_connexion_does(routed: Funcatron) -> None:
    async with client(routed) as http:
        answer = await http.get("/users/me/?a=1")
        assert (answer.status_code, answer.headers["location"]) == (307, "http://test/users/me?a=1")


async def test_several_documents_are_served_together() -> None:
    specs = [
        document({"/a": {"get": operation("root_a")}}),
        document({"/a": {"get": operation("v1_a")}}, "/v1"),
        document({"/b": {"get": operation("v1_b")}}, "/v1"),
        document({"/c": {"get": operation("v1_c")}}, "/v1"),
        document({"/d": {"get": operation("root_d")}}),
        document({"/a": {"get": operation("v1_x_a")}}, "/v1/x"),
    ]
    async with client(application(*specs, handlers=echo)) as http:
        for path, name in [
            ("/a", "root_a"),
            ("/v1/a", "v1_a"),
            ("/v1/b", "v1_b"),
            ("/v1/c", "v1_c"),
            ("/d", "root_d"),
            ("/v1/x/a", "v1_x_a"),
        ]:
            assert (await http.get(path)).json() == {"function": name}
        for base in ("", "/v1", "/v1/x", "/_funcatron"):
            assert (await http.get(base + "/openapi.json")).status_code == 200
            assert (await http.get(base + "/ui/")).status_code == 200


RECURSIVE = document(
    {
        "/tree": {
            "post": operation(
                "f", requestBody={"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}}
            )
        }
    },
    "https://example.com/v2",
    components={
        "schemas": {"Tree": {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/Tree"}}}}
    },
)


async def test_the_document_is_served_as_its_author_wrote_it() -> None:
    async with client(application(RECURSIVE, handlers=echo)) as http:
        answer = await http.get("/v2/openapi.json")
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == {**RECURSIVE, "servers": [{"url": "/v2"}]}
        answer = await http.get("/v2/openapi.yaml")
        assert answer.headers["content-type"] == "application/yaml"
        assert yaml.safe_load(answer.text) == {**RECURSIVE, "servers": [{"url": "/v2"}]}


async def test_the_document_knows_where_a_proxy_mounted_it() -> None:
    async with client(application(RECURSIVE, handlers=echo), root_path="/proxied") as http:
        assert (await http.get("/proxied/v2/openapi.json")).json()["servers"] == [{"url": "/proxied/v2"}]
        assert (await http.post("/proxied/v2/tree", json={"child": {}})).json()["body"] == {"child": {}}


async def test_a_2_0_document_loses_its_host() -> None:
    spec = {
        "swagger": "2.0",
        "info": {"title": "t", "version": "1"},
        "host": "example.com",
        "basePath": "/v2",
        "schemes": ["https"],
        "paths": {"/a": {"get": {"operationId": "f", "responses": {"200": {"description": "any"}}}}},
    }
    async with client(application(spec, handlers=echo)) as http:
        for name in ("openapi.json", "swagger.json"):
            served = (await http.get(f"/v2/{name}")).json()
            assert served["basePath"] == "/v2"
            assert "host" not in served
            assert "schemes" not in served


async def test_the_swagger_ui_shows_that_document() -> None:
    async with client(application(RECURSIVE, handlers=echo)) as http:
        assert (await http.get("/v2/ui")).headers["location"] == "/v2/ui/"
        page = await http.get("/v2/ui/")
        assert page.headers["content-type"].startswith("text/html")
        assert '"/v2/openapi.json"' in page.text
        assert (await http.get("/v2/ui/swagger-ui.css")).status_code == 200


async def test_the_root_leads_to_the_first_document_where_it_has_none_of_its_own() -> None:
    other = document({"/a": {"get": operation("a")}}, "/v1")
    async with client(application(RECURSIVE, other, handlers=echo)) as http:
        assert (await http.get("/openapi.json")).json() == {**RECURSIVE, "servers": [{"url": "/v2"}]}
        assert (await http.get("/ui")).headers["location"] == "/v2/ui/"
        assert (await http.get("/ui/")).headers["location"] == "/v2/ui/"


async def test_the_swagger_ui_can_be_left_out() -> None:
    async with client(application(RECURSIVE, handlers=echo, swagger_ui=False)) as http:
        assert (await http.get("/ui")).status_code == 404
        assert (await http.get("/v2/ui/")).status_code == 404
        assert (await http.get("/v2/openapi.json")).status_code == 200


async def fail() -> None:
    raise ValueError("a secret of the handler")


async def refuse() -> None:
    raise Problem(418, "Teapot", "short and stout", type="https://example.com/tea", headers={"X-Tea": "yes"}, cups=2)


async def again() -> None:
    raise Retry(after=2.2)


async def sleep() -> None:
    await asyncio.sleep(30)


async def events() -> AsyncIterator[Any]:
    yield {"event": "a", "data": {"n": 1}}
    yield "two"


def many(n: int) -> Any:
    return {"n": n}


ANSWERS = document(
    {
        **{f"/{name}": {"get": operation(name)} for name in ("fail", "refuse", "again")},
        "/sleep": {"get": operation("sleep", **{"x-funcatron": {"timeout": 0.05}})},
        "/events": {
            "get": {
                "operationId": "events",
                "responses": {"200": {"description": "", "content": {"text/event-stream": {}}}},
            }
        },
        "/many": {
            "post": {
                "operationId": "many",
                "parameters": [
                    {"name": "n", "in": "query", "required": True, "schema": {"type": "integer", "minimum": 1}},
                    {"name": "f", "in": "query", "content": {"application/json": {"schema": {}}}},
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
                            }
                        }
                    },
                },
                "responses": {"200": {"description": ""}},
            }
        },
    }
)
HANDLERS = {"fail": fail, "refuse": refuse, "again": again, "sleep": sleep, "events": events, "many": many}


@pytest.fixture
def answering() -> Funcatron:
    return application(ANSWERS, handlers=HANDLERS, max_body=200)


async def test_a_failure_is_a_500_without_its_reason(answering: Funcatron, caplog: pytest.LogCaptureFixture) -> None:
    async with client(answering) as http:
        answer = await http.get("/fail")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert answer.json()["execution"] in caplog.text
    assert "a secret of the handler" in caplog.text


async def test_a_problem_is_answered_as_it_was_raised(answering: Funcatron) -> None:
    async with client(answering) as http:
        answer = await http.get("/refuse")
    assert (answer.status_code, answer.headers["x-tea"]) == (418, "yes")
    assert answer.json() == {
        "type": "https://example.com/tea",
        "title": "Teapot",
        "status": 418,
        "detail": "short and stout",
        "cups": 2,
    }


async def test_a_retry_is_a_503_with_whole_seconds(answering: Funcatron) -> None:
    async with client(answering) as http:
        answer = await http.get("/again")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")


async def test_what_takes_too_long_is_a_504(answering: Funcatron) -> None:
    async with client(answering) as http:
        assert (await http.get("/sleep")).status_code == 504


async def test_server_sent_events_are_streamed(answering: Funcatron) -> None:
    async with client(answering) as http:
        answer = await http.get("/events")
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.text == 'event: a\ndata: {"n":1}\n\ndata: two\n\n'


async def test_every_violation_is_named_those_of_decoding_first(answering: Funcatron) -> None:
    async with client(answering) as http:
        answer = await http.post("/many?n=0&f=%7B", json={"a": "x", "b": 1})
        assert answer.status_code == 400
        pointers = [error["pointer"] for error in answer.json()["errors"]]
        assert pointers == ["/query/f", "/query/n", "/body/a", "/body/b"]
        answer = await http.post("/many", content=b"{", headers={"Content-Type": "application/json"})
        pointers = [error["pointer"] for error in answer.json()["errors"]]
        assert pointers == ["/body", "/query/n"]
        answer = await http.post("/many?n=1")
        assert answer.json()["errors"] == [{"pointer": "/body", "message": "is required"}]


async def test_too_much_and_unknown_media_types_are_problems(answering: Funcatron) -> None:
    async with client(answering) as http:
        answer = await http.post("/many?n=1", json={"b": "x" * 300})
        assert (answer.status_code, answer.json()["limit"]) == (413, 200)
        answer = await http.post("/many?n=1", content=b"<a/>", headers={"Content-Type": "text/xml"})
        assert (answer.status_code, answer.headers["accept"]) == (415, "application/json")
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("headers", [{}, {"Prefer": "wait=1"}], ids=["the short way", "with care"])
async def test_a_defect_of_the_door_is_a_500_problem_with_an_id(
    answering: Funcatron, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("deep inside")

    async with client(answering) as http:
        await http.get("/refuse")
        monkeypatch.setattr(Series, "invoked", broken)
        with caplog.at_level(logging.ERROR):
            answer = await http.get("/refuse", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "deep inside" not in answer.text
    assert answer.json()["execution"] in caplog.text
    assert "deep inside" in caplog.text


async def lifespan(app: Any, *, within: Callable[[], Any]) -> list[str]:
    """Run an ASGI lifespan as a server does; returns what the app answered."""
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    outgoing: asyncio.Queue[Any] = asyncio.Queue()
    task = asyncio.create_task(
        app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, incoming.get, outgoing.put)
    )
    await incoming.put({"type": "lifespan.startup"})
    answers = [(await outgoing.get())["type"]]
    await within()
    await incoming.put({"type": "lifespan.shutdown"})
    answers.append((await outgoing.get())["type"])
    await task
    return answers


async def test_the_servers_lifespan_starts_and_stops_the_application() -> None:
    app = application(ANSWERS, handlers=HANDLERS)
    noted: list[str] = []
    start, stop = app.start, app.stop

    async def started() -> None:
        noted.append("start")
        await start()

    async def stopped() -> None:
        noted.append("stop")
        await stop()

    app.start, app.stop = started, stopped  # type: ignore[method-assign]

    async def within() -> None:
        async with client(app) as http:
            assert (await http.post("/many?n=1", json={})).status_code == 200
        noted.append("served")

    answers = await lifespan(app, within=within)
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert noted == ["start", "served", "stop"]


async def test_without_a_lifespan_the_first_requests_start_it_once() -> None:
    app = application(ANSWERS, handlers=HANDLERS)
    started: list[bool] = []
    start = app.start

    async def starting() -> None:
        started.append(True)
        await asyncio.sleep(0)
        await start()

    app.start = starting  # type: ignore[method-assign]
    async with client(app) as http:
        answers = await asyncio.gather(*(http.post("/many?n=1", json={}) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert started == [True]


async def test_calls_are_counted(answering: Funcatron) -> None:
    async with client(answering) as http:
        await http.post("/many?n=1", json={})
        await http.post("/many?n=1", json={})
        await http.post("/many?n=0", json={})
        await http.get("/fail")
        await http.get("/refuse")
        answer = await http.get("/_funcatron/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert 'funcatron_invocations_total{function="many",outcome="succeeded",trigger="http"} 2.0' in lines
    assert 'funcatron_invocations_total{function="fail",outcome="handler",trigger="http"} 1.0' in lines
    assert 'funcatron_invocations_total{function="refuse",outcome="refused",trigger="http"} 1.0' in lines
    assert 'funcatron_invocation_duration_seconds_count{function="many",trigger="http"} 2.0' in lines
    assert "funcatron_store_up 1.0" in lines


async def test_json_is_read_exactly() -> None:
    big = 2**70
    spec = document({"/a": {"post": operation("f", requestBody={"content": {"application/json": {"schema": {}}}})}})
    async with client(application(spec, handlers=echo)) as http:
        answer = await http.post("/a", content=json.dumps({"n": big}), headers={"Content-Type": "application/json"})
    assert answer.json()["body"] == {"n": big}


PATHS = ["", "users", "users/", "users/1", "users/1/", "users/1/a/b", "numbers/1/", "files", "files/a/b", "odd/x"]


@pytest.mark.parametrize("base", ["", "/v1"])
async def test_nothing_is_said_of_a_path_that_connexions_stack_does_not_say(
    base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {**ROUTES, "servers": [{"url": base}]}
    planned = application(made, handlers=echo)
    with monkeypatch.context() as patch:
        patch.setattr(stack, "missing", lambda: ["plans"])
        unplanned = Door(application(made, handlers=echo))
    asked = [f"{start}/{path}" for start in {"", "/v1", "/v1/", "/_funcatron", base + "/ui"} for path in PATHS]
    asked += [base + path for path in ("/openapi.json", "/openapi.json/", "/openapi.jsonx", "/ui", "/uix", "/nowhere")]
    asked += ["/openapi.yaml/", "//", "/_funcatron", "/users%2F1/x", "/nowhere%0A", "/nowhere?n=1"]
    async with client(planned) as one, client(unplanned) as other:
        for path, method in itertools.product(asked, ("GET", "HEAD", "POST")):
            answer, expected = [await http.request(method, "http://test" + path) for http in (one, other)]
            assert (answer.status_code, answer.content, sorted(answer.headers.items())) == (
                expected.status_code,
                expected.content,
                sorted(expected.headers.items()),
            ), f"{method} {path}"
        assert (await one.get("/nowhere")).status_code == 404
