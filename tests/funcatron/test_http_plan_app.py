"""PlannedApp: connexion's AsyncApp, planned."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import connexion
import pytest
from connexion import AsyncApp, ConnexionMiddleware
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.middleware import MiddlewarePosition
from connexion.resolver import Resolver
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.http import PlannedApp
from funcatron.http.plan import probe
from funcatron.http.plan.detour import DetourMiddleware
from funcatron.http.plan.front import PlanMiddleware

PASSED: list[str] = []


async def hello(name: str, n: int = 0) -> Any:
    return {"name": name, "n": n, "path": connexion.request.scope["path"], "seen": connexion.request.path_params}


def order(body: Any) -> Any:
    if body == {"fail": True}:
        raise LookupError("nothing there")
    return body, 201


DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "a", "version": "1"},
    "paths": {
        "/hello/{name}": {
            "get": {
                "operationId": "hello",
                "parameters": [
                    {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "n", "in": "query", "schema": {"type": "integer", "default": 1}},
                ],
                "responses": {"200": {"description": "", "content": {"application/json": {}}}},
            }
        },
        "/orders": {
            "post": {
                "operationId": "order",
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"201": {"description": "", "content": {"application/json": {}}}},
            }
        },
    },
}
FORM = {"properties": {"n": {"type": "integer"}, "photo": {"type": "string", "format": "binary"}}, "required": ["n"]}
FORMS: dict[str, Any] = {
    **DOCUMENT,
    "paths": {
        "/forms": {
            "post": {
                "operationId": "form",
                "requestBody": {
                    "content": {
                        "multipart/form-data": {"schema": {"type": "object", **FORM}},
                        "application/x-www-form-urlencoded": {"schema": {"type": "object", **FORM}},
                        "text/plain": {},
                    }
                },
                "responses": {"200": {"description": "", "content": {"application/json": {}}}},
            }
        }
    },
}


async def form(body: Any, photo: Any = None) -> Any:
    return [body.decode() if isinstance(body, bytes) else body, photo and (await photo.read()).decode()]


HANDLERS: dict[str, Callable[..., Any]] = {"form": form, "hello": hello, "order": order}


class Passing:
    """A middleware that notes what passes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        PASSED.append(scope["type"])
        await self.app(scope, receive, send)


def front(app: PlannedApp) -> PlanMiddleware:
    (found,) = (one for one in app.middleware.middleware_stack if isinstance(one, PlanMiddleware))
    return found


def serving(**options: Any) -> PlannedApp:
    app = PlannedApp("a", **options)
    app.add_api(DOCUMENT, resolver=Resolver(HANDLERS.__getitem__))
    return app


def test_it_is_connexions_app_with_a_plan_in_front() -> None:
    app = serving()
    assert isinstance(app, AsyncApp)
    client = app.test_client()
    found = client.get("/hello/bob?n=7").json()
    assert found == {"name": "bob", "n": 7, "path": "/hello/bob", "seen": {"name": "bob"}}
    assert client.post("/orders", json={"a": 1}).json() == {"a": 1}
    assert app.refusals() == []
    assert front(app).operations() == 2


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ({"data": {"n": "7"}}, [{"n": 7}, None]),
        ({"data": {"n": "7"}, "files": {"photo": b"PNG"}}, [{"n": 7}, "PNG"]),
        ({"content": b"text", "headers": {"Content-Type": "text/plain"}}, ["text", None]),
        ({"data": {"n": "x"}}, None),
        ({"data": {}, "files": {"photo": b"PNG"}}, None),
    ],
)
def test_forms_and_texts(sent: dict[str, Any], answer: Any) -> None:
    planned, stock = PlannedApp("a"), AsyncApp("a")
    for app in (planned, stock):
        app.add_api(FORMS, resolver=Resolver(HANDLERS.__getitem__))
    found, expected = planned.test_client().post("/forms", **sent), stock.test_client().post("/forms", **sent)
    assert (found.status_code, found.json()) == (expected.status_code, expected.json())
    assert found.json() == answer if answer is not None else found.status_code == 400
    assert planned.refusals() == []
    gc.collect()  # connexion closes no file that was uploaded


@pytest.mark.parametrize("text", ['"None"', '" null"', '"none"', "null"])
@pytest.mark.parametrize("place", ["schema", "parameter"])
def test_texts_that_connexion_takes_for_nothing(place: str, text: str) -> None:
    schema: dict[str, Any] = {"type": "string"}
    body = {"name": "body", "in": "body", "schema": schema}
    (schema if place == "schema" else body)["x-nullable"] = True
    told: dict[str, Any] = {"operationId": "order", "parameters": [body], "responses": {"201": {"description": ""}}}
    document = {"swagger": "2.0", "info": DOCUMENT["info"], "paths": {"/orders": {"post": told}}}
    found = []
    for kind in (PlannedApp, AsyncApp):
        app = kind("a")
        app.add_api(deepcopy(document), resolver=Resolver(HANDLERS.__getitem__))
        answer = app.test_client().post("/orders", content=text, headers={"Content-Type": "application/json"})
        found.append((answer.status_code, answer.text))
    assert found[0] == found[1]


def test_connexion_refuses() -> None:
    client, stock = serving().test_client(), serving(planned=False).test_client()
    for asked in ("/hello/bob?n=x", "/nope", "/orders"):
        assert client.get(asked).json() == stock.get(asked).json()
    for sent in ({"json": []}, {"content": b"{", "headers": {"Content-Type": "application/json"}}, {"content": b"x"}):
        assert client.post("/orders", **sent).json() == stock.post("/orders", **sent).json()  # type: ignore[arg-type]


def test_errors_of_handlers_go_to_the_applications_error_handlers() -> None:
    def teapot(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
        return ConnexionResponse(status_code=418, body=f"{request.method} {error}")

    app = serving()
    app.add_error_handler(LookupError, teapot)
    answer = app.test_client().post("/orders", json={"fail": True})
    assert (answer.status_code, answer.text) == (418, "POST nothing there")


def test_not_planned_it_is_connexion_alone() -> None:
    app = serving(planned=False)
    assert app.middleware.middlewares == ConnexionMiddleware.default_middlewares
    assert app.test_client().get("/hello/bob").json()["n"] == 1
    with pytest.raises(RuntimeError):
        app.refusals()


@pytest.mark.parametrize("position", [MiddlewarePosition.BEFORE_EXCEPTION, MiddlewarePosition.BEFORE_ROUTING])
def test_a_middleware_before_the_routing_sees_every_request(position: MiddlewarePosition) -> None:
    app = serving()
    app.add_middleware(Passing, position)
    PASSED.clear()
    client = app.test_client()
    assert client.get("/hello/bob").status_code == 200
    assert PASSED == ["http"]
    assert app.refusals() == []


def test_a_middleware_behind_the_routing_leaves_nothing_planned() -> None:
    app = serving()
    app.add_middleware(Passing)
    PASSED.clear()
    assert app.test_client().get("/hello/bob").status_code == 200
    assert PASSED == ["http"]
    reasons = {refusal.reason for refusal in app.refusals()}
    assert reasons == {"the middleware Passing stands behind connexion's routing"}


def test_what_is_missing_is_said_and_connexion_serves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert probe.missing() == []
    monkeypatch.delattr("connexion.context._scope")
    with caplog.at_level(logging.WARNING, "funcatron.plan"):
        app = PlannedApp("a")
    assert "connexion.context._scope" in caplog.text
    assert DetourMiddleware not in app.middleware.middlewares


def test_the_probe_looks_at_names_parameters_and_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("starlette.requests.cookie_parser")
    monkeypatch.setattr("connexion.decorators.parameter.get_arguments", lambda operation: {})
    monkeypatch.delattr("connexion.operations.OpenAPIOperation.body_name")
    monkeypatch.setattr("connexion.middleware.main.ConnexionMiddleware.default_middlewares", [])
    found = probe.missing()
    assert "starlette.requests.cookie_parser" in found
    assert "connexion.decorators.parameter.get_arguments(path_params=)" in found
    assert "the order of connexion's middlewares" in found


def test_operations_of_one_name_are_connexions() -> None:
    document = {**DOCUMENT, "paths": {"/a/{name}": DOCUMENT["paths"]["/hello/{name}"], **DOCUMENT["paths"]}}
    app = PlannedApp("a")
    app.add_api(document, resolver=Resolver(HANDLERS.__getitem__))
    assert app.test_client().get("/a/bob").status_code == 200
    assert [refusal.path for refusal in app.refusals()] == ["/a/{name}", "/hello/{name}"]


def test_the_name_is_imported_when_asked_for() -> None:
    import funcatron.http

    assert funcatron.http.PlannedApp is sys.modules["funcatron.http.plan.planned_app"].PlannedApp
    with pytest.raises(AttributeError):
        funcatron.http.nonsense  # noqa: B018
