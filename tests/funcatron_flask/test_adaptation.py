from __future__ import annotations

import logging
from typing import Any

import pytest
from apiflask import APIBlueprint, APIFlask, HTTPTokenAuth, Schema
from apiflask.fields import Integer, String
from flask import Flask, Response, jsonify
from flask.views import MethodView
from flask_smorest import Api, Blueprint

from funcatron.errors import SpecError
from funcatron.testing.doors import AsyncDoor, CeleryDoor, Outcome, ended
from tests.funcatron_flask.asking import adapted, asking
from tests.funcatron_flask.rough import make_app

pytestmark = pytest.mark.anyio


class Pet(Schema):
    name = String(required=True)
    age = Integer(load_default=1)


def smorest() -> Flask:
    app = Flask("pets")
    app.config.update(API_TITLE="Pets", API_VERSION="v1", OPENAPI_VERSION="3.0.2")
    pets = Blueprint("pets", "pets", url_prefix="/pets")

    @pets.route("/<int:number>")
    class Pets(MethodView):
        @pets.response(200, Pet)
        def get(self, number: int) -> Any:
            return {"name": f"pet {number}", "age": 3}

        @pets.arguments(Pet)
        @pets.response(201, Pet)
        def put(self, pet: dict[str, Any], number: int) -> Any:
            return {**pet, "name": f"{pet['name']} {number}"}

    Api(app).register_blueprint(pets)

    @app.route("/plain")
    def plain() -> str:
        return "plain"

    return app


def api() -> Flask:
    app = APIFlask("guarded", title="Guarded")
    auth = HTTPTokenAuth(scheme="Bearer")
    area = APIBlueprint("area", __name__, url_prefix="/area")

    @auth.verify_token
    def verify(token: str) -> Any:
        return "me" if token == "right" else None

    @area.get("/open/<name>")
    def opened(name: str) -> Any:
        return {"name": name}

    @area.post("/closed")
    @app.auth_required(auth)
    @app.input(Pet, location="json")
    def closed(json_data: dict[str, Any]) -> Any:
        return json_data

    app.register_blueprint(area)
    return app


async def test_flask_smorests_document_is_taken() -> None:
    served = adapted(smorest())
    assert [document.title for document in served.documents] == ["Pets"]
    assert sorted(function.name for function in served.registry) == ["pets.Pets.get", "pets.Pets.put"]
    async with asking(served) as ours:
        assert (await ours.get("/pets/7")).json() == {"name": "pet 7", "age": 3}
        refused = await ours.put("/pets/7", json={"age": "x"})
        assert refused.status_code == 422, "the application judges what it answers"
        assert refused.json()["errors"]["json"].keys() == {"name", "age"}
        assert (await ours.get("/plain")).text == "plain"
        later = await ours.put("/pets/7", json={"age": "x"}, headers={"prefer": "respond-async"})
        assert later.status_code == 400, "what is kept is judged by the document"
        assert {error["pointer"] for error in later.json()["errors"]} == {"/body/name", "/body/age"}
        accepted = await ours.put("/pets/7", json={"name": "seven"}, headers={"prefer": "respond-async, wait=0"})
        await ended(served, accepted.json()["id"])
        result = await ours.get(accepted.headers["location"] + "/result")
        assert (result.status_code, result.json()) == (201, {"name": "seven 7", "age": 1})
    outcome = await CeleryDoor().call(
        served, served.registry.get("pets.Pets.put"), {"number": 3, "body": {"name": "c"}}
    )
    assert outcome == Outcome(201, {"name": "c 3", "age": 1})


async def test_apiflasks_document_is_taken_and_its_guards_are_its_own() -> None:
    served = adapted(api())
    names = sorted(function.name for function in served.registry)
    assert names == ["area.closed", "area.opened"]
    async with asking(served) as ours:
        assert (await ours.get("/area/open/x")).json() == {"name": "x"}
        assert (await ours.post("/area/closed", json={"name": "a"})).status_code == 401
        right = {"authorization": "Bearer right"}
        assert (await ours.post("/area/closed", json={"name": "a"}, headers=right)).json() == {"name": "a", "age": 1}
        late = await ours.post("/area/closed", json={"name": "a"}, headers={**right, "prefer": "respond-async"})
        assert (late.status_code, late.json()) == (200, {"name": "a", "age": 1}), "no credential rests in a record"
        assert (await ours.get("/openapi.json")).json()["info"]["title"] == "Guarded"
        assert (await ours.get("/docs")).status_code == 200
    assert served.documents[0].content["components"]["securitySchemes"].keys() == {"BearerAuth"}


async def test_a_document_that_is_not_valid_gives_way_to_the_routes(caplog: pytest.LogCaptureFixture) -> None:
    app = APIFlask("odd")
    app.config["SERVERS"] = [{"name": "no such member", "url": "/"}]

    @app.get("/x/<int:y>")
    def x(y: int) -> Any:
        return {"y": y}

    with caplog.at_level(logging.WARNING, "funcatron.flask"):
        served = adapted(app)
    assert "servers/0/name: is not a known property" in caplog.text
    assert await AsyncDoor().call(served, served.registry.get("x"), {"y": 2}) == Outcome(200, {"y": 2})
    await served.stop()


async def test_what_openapi_cannot_tell_apart_is_served_and_said(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("mixed")
    for endpoint, rule in (
        ("by_number", "/users/<int:number>"),
        ("by_name", "/users/<name>"),
        ("of_event", "/events/<event>"),
        ("first", "/same/<x>"),
        ("second", "/same/<x>"),
    ):

        def view(endpoint: str = endpoint, **values: Any) -> Any:
            return jsonify(endpoint=endpoint, **values)

        app.add_url_rule(rule, endpoint, view)
    with caplog.at_level(logging.WARNING, "funcatron.flask"):
        served = adapted(app)
    assert [function.name for function in served.registry] == ["by_number", "first"]
    assert "GET /users/{name} (by_name) is served, but is no function: " in caplog.text
    assert "GET /events/{event} (of_event) is served, but is no function: " in caplog.text
    async with asking(served) as ours:
        assert (await ours.get("/users/bob")).json() == {"endpoint": "by_name", "name": "bob"}
        assert (await ours.get("/users/7")).json() == {"endpoint": "by_number", "number": 7}
        assert (await ours.get("/events/7")).json() == {"endpoint": "of_event", "event": "7"}


def described(mode: str = "sync") -> dict[str, Any]:
    number = {"name": "n", "in": "path", "required": True, "schema": {"type": "integer", "maximum": 9}}
    reply = {"200": {"description": "ok"}}
    paths = {
        "/items/{n}": {
            "get": {"operationId": "show", "parameters": [number], "responses": reply, "x-funcatron": {"mode": mode}}
        },
        "/sums": {
            "post": {"operationId": "add", "requestBody": {"content": {"application/json": {}}}, "responses": reply}
        },
    }
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths}


async def test_a_document_of_ones_own_names_views_and_handlers() -> None:
    served = adapted(make_app(), described(), handlers={"add": lambda body: sum(body)})
    async with asking(served) as ours:
        assert (await ours.get("/items/7")).json() == {"kind": "item", "number": 7}
        assert (await ours.post("/sums", json=[1, 2])).json() == 3
        assert (await ours.get("/echo?a=1")).json()["args"] == {"a": ["1"]}
        assert (await ours.get("/openapi.json")).json()["info"]["title"] == "t"
    assert sorted(function.name for function in served.registry) == ["add", "show"]


async def test_a_view_may_always_be_called_later() -> None:
    served = adapted(make_app(), described("async"), handlers={"add": lambda body: sum(body)})
    async with asking(served) as ours:
        assert (await ours.get("/items/10")).status_code == 400
        accepted = await ours.get("/items/7")
        assert accepted.status_code == 202
        await ended(served, accepted.json()["id"])
        assert (await ours.get(accepted.headers["location"] + "/result")).json() == {"kind": "item", "number": 7}


def test_an_operation_that_is_nobodys_is_said() -> None:
    with pytest.raises(SpecError, match="'add' names no module"):
        _ = adapted(make_app(), described()).registry


async def test_overlays_bind_a_document_that_was_derived() -> None:
    action = {"target": "$.paths['/echo'].post", "update": {"x-funcatron": {"mode": "async", "queue": "slow"}}}
    overlay = {"overlay": "1.0.0", "info": {"title": "o", "version": "1"}, "actions": [action]}
    served = adapted(make_app(), overlays=[overlay])
    async with asking(served) as ours:
        accepted = await ours.post("/echo", json={"a": 1})
        assert accepted.status_code == 202
    assert served.registry.get("echo.post").extension.queue == "slow"


async def test_a_view_on_record_has_its_session() -> None:
    app = make_app()
    action = {"target": "$.paths['/count'].post", "update": {"x-funcatron": {"record": True}}}
    overlay = {"overlay": "1.0.0", "info": {"title": "o", "version": "1"}, "actions": [action]}
    async with asking(adapted(app, overlays=[overlay])) as ours:
        assert [(await ours.post("/count")).json() for _ in range(3)] == [1, 2, 3]


async def test_the_call_is_told_to_the_view() -> None:
    app = Flask("told")

    @app.get("/told")
    def told() -> Any:
        from flask import request

        context = request.environ.get("funcatron.context")
        return jsonify(None if context is None else [context.function, context.trigger, context.attempt])

    served = adapted(app)
    outcome = await CeleryDoor().call(served, served.registry.get("told"), {})
    assert outcome == Outcome(200, ["told", "celery", 1])
    async with asking(served) as ours:
        assert (await ours.get("/told")).json() is None


async def test_an_answer_that_breaks_off_is_not_ended_as_if_it_were_whole() -> None:
    app = Flask("breaking")

    @app.get("/breaking")
    def breaking() -> Response:
        def chunks() -> Any:
            yield b"some"
            raise RuntimeError("broken off")

        return Response(chunks())

    served = adapted(app)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/breaking",
        "raw_path": b"/breaking",
        "query_string": b"",
        "headers": [],
    }
    with pytest.raises(RuntimeError, match="broken off"):
        await served({**scope, "http_version": "1.1", "asgi": {"version": "3.0"}}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[1]["more_body"]
    await served.stop()
