"""What a plan does not accept: refused in connexion's words, without its middlewares where nobody else would answer."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from connexion import AsyncApp, ProblemException
from connexion.exceptions import BadRequestProblem, OAuthProblem
from connexion.json_schema import Draft4RequestValidator
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.middleware.routing import RoutingMiddleware
from connexion.resolver import Resolver
from jsonschema import Draft4Validator
from starlette.exceptions import HTTPException

from funcatron.http import PlannedApp
from funcatron.http.plan.schema import REQUESTS
from funcatron.http.plan.validation import JsonValidation
from funcatron.http.plan.wording import first_error

NODE: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}}}
NODE["properties"]["next"] = NODE
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["a", "b"],
    "properties": {
        "a": {"type": "integer", "minimum": 1, "exclusiveMinimum": True},
        "b": {"type": "string", "pattern": "^x", "format": "email", "nullable": True},
        "c": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"enum": [1, 2]}}]},
        "d": {"type": "array", "items": {"type": "object", "additionalProperties": False, "properties": {"1": {}}}},
        "e": NODE,
        "f": {"format": "email"},
        "": {"type": "string"},
    },
}
GOOD = {"a": 2, "b": "x@"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"a": 1},
        {"a": "x"},
        {"b": None},
        {"b": "x"},
        {"b": "@"},
        {"b": ""},
        {"c": []},
        {"c": [1, 3]},
        {"d": [{}, {"1": 2}, {"2": 3, "3": 4}]},
        {"e": {"next": {"next": {"name": 3}}}},
        {"f": "no address"},
        {"": 3},
        {"a": 1, "c": "x"},
        {"a": float("nan")},
        {"d": 3, "e": [], "f": 4},
    ],
)
def test_the_first_error_is_the_one_that_python_finds_first(more: dict[str, Any]) -> None:
    value = {**GOOD, **more}
    expected = next(
        Draft4RequestValidator(SCHEMA, format_checker=Draft4Validator.FORMAT_CHECKER).iter_errors(value), None
    )
    found = first_error(SCHEMA, REQUESTS)(value)
    assert (found and (found.message, list(found.path))) == (expected and (expected.message, list(expected.path)))


def test_what_is_missing_and_what_is_no_object() -> None:
    find = first_error(SCHEMA, REQUESTS)
    for value, message in (({}, "'a' is a required property"), ([], "[] is not of type 'object'")):
        error = find(value)
        assert error is not None
        assert error.message == message


@pytest.mark.parametrize("text", [b"-Infinity", b"NaN", b"1e400"])
def test_what_is_no_json_is_judged_by_python_alone(text: bytes) -> None:
    schema = {"not": {"type": "number"}, "type": "integer"}
    expected = next(Draft4RequestValidator(schema).iter_errors(json.loads(text)))
    problem = JsonValidation(schema, REQUESTS, nullable=False).problem_of_text(text)
    assert problem is not None
    assert problem.detail == expected.message


async def took(**given: Any) -> Any:
    return sorted(given)


async def fails(kind: str) -> Any:
    raise {
        "problem": ProblemException(status=409, title="no", detail="not now", headers={"X-Own": "y"}, ext={"more": 1}),
        "http": HTTPException(410, "gone"),
        "server": ProblemException(status=503, title="busy"),
        "odd": ProblemException(status=400, ext={"odd": object()}),
        "other": LookupError("x"),
    }[kind]


def key(secret: str) -> Any:
    if secret != "good":
        raise OAuthProblem(detail="who is it?")
    return {"sub": "ann"}


def _operation(name: str, *parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    responses = {"200": {"description": "", "content": {"application/json": {}}}}
    return {"operationId": name, "parameters": list(parameters), "responses": responses, **more}


def _parameter(name: str, location: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": location, "required": location == "path", "schema": schema}


TREE = {**SCHEMA, "properties": {**SCHEMA["properties"], "e": {"type": "object"}}}
BODY = {"required": True, "content": {"application/json": {"schema": TREE}}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "a", "version": "1"},
    "servers": [{"url": "/v1"}],
    "paths": {
        "/a/{p}": {
            "get": _operation(
                "got",
                _parameter("p", "path", type="integer", maximum=9),
                _parameter("q", "query", type="array", items={"type": "integer"}, maxItems=2),
                _parameter("X-H", "header", type="string", maxLength=2),
                _parameter("c", "cookie", type="string", enum=["a"]),
            ),
            "delete": _operation("gone", _parameter("p", "path", type="integer")),
        },
        "/b": {"post": _operation("posted", requestBody=BODY)},
        "/safe": {"post": _operation("guarded", requestBody=BODY, security=[{"key": []}])},
        "/fails/{kind}": {"get": _operation("failing", _parameter("kind", "path", type="string"))},
    },
    "components": {
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "X-Key", "x-apikeyInfoFunc": f"{__name__}.key"}
        }
    },
}
HANDLERS = {"got": took, "gone": took, "posted": took, "guarded": took, "failing": fails}
REFUSED: list[dict[str, Any]] = [
    {"url": "/v1/a/10"},
    {"url": "/v1/a/1?q=1,x"},
    {"url": "/v1/a/1?q=1,2,3"},
    {"url": "/v1/a/1", "headers": {"X-H": "long"}},
    {"url": "/v1/a/1", "headers": {"Cookie": "c=b"}},
    {"url": "/v1/a/x"},
    {"url": "/v1/nope"},
    {"url": "/nope"},
    {"url": "/v1/a/"},
    {"url": "/v1/b"},
    {"url": "/v1/a/1", "method": "PUT"},
    {"url": "/v1/a/1", "method": "OPTIONS"},
    {"url": "/v1/b", "method": "POST", "json": {}},
    {"url": "/v1/b", "method": "POST", "json": {**GOOD, "a": 1}},
    {"url": "/v1/b", "method": "POST", "json": {**GOOD, "a": 1, "c": ""}},
    {
        "url": "/v1/b",
        "method": "POST",
        "json": None,
        "headers": {"Content-Type": "application/json"},
        "content": b"null",
    },
    {"url": "/v1/b", "method": "POST", "headers": {"Content-Type": "application/json"}, "content": b'{"a": '},
    {
        "url": "/v1/b",
        "method": "POST",
        "headers": {"Content-Type": "application/json"},
        "content": b'{"a": NaN, "b": "x@"',
    },
    {"url": "/v1/safe", "method": "POST", "json": {}, "headers": {"X-Key": "good"}},
    {"url": "/v1/safe", "method": "POST", "json": {}, "headers": {"X-Key": "bad"}},
    {"url": "/v1/safe", "method": "POST", "json": GOOD, "headers": {"X-Key": "bad"}},
    {"url": "/v1/safe", "method": "POST", "json": {}},
    {"url": "/v1/fails/problem"},
    {"url": "/v1/fails/http"},
    {"url": "/v1/fails/server"},
]
LEFT: list[dict[str, Any]] = [
    {"url": "/v1/b/", "method": "POST", "json": GOOD},
    {"url": "/v1"},
    {"url": "/v1/ui/nope"},
    {"url": "/v1/b", "method": "POST", "headers": {"Content-Type": "text/plain"}, "content": b"x"},
    {"url": "/v1/b", "method": "POST"},
]
"""What is connexion's alone: redirects, pages, media types, bodies that are not there."""


def serving(kind: type[AsyncApp], **options: Any) -> AsyncApp:
    app = kind("a", **options)
    app.add_api(deepcopy(DOCUMENT), resolver=Resolver(HANDLERS.__getitem__))
    return app


@pytest.fixture
def routed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths that connexion's own routing saw."""
    seen: list[str] = []
    call = RoutingMiddleware.__call__

    async def noted(routing: RoutingMiddleware, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(scope["path"])
        await call(routing, scope, receive, send)

    monkeypatch.setattr(RoutingMiddleware, "__call__", noted)
    return iter([seen])


def ask(app: AsyncApp, asked: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    client = app.test_client(raise_server_exceptions=False, follow_redirects=False)
    said = client.request(**{"method": "GET", **asked})
    return said.status_code, sorted(said.headers.items()), said.content


def test_refusals_are_connexions_word_for_word(routed: Iterator[list[str]], caplog: pytest.LogCaptureFixture) -> None:
    stock, planned, seen = serving(AsyncApp), serving(PlannedApp), next(routed)
    for asked in REFUSED:
        caplog.clear()
        expected = ask(stock, asked)
        logged = [(one.name, one.levelno, one.getMessage()) for one in caplog.records if one.levelno >= logging.WARNING]
        seen.clear()
        caplog.clear()
        assert ask(planned, asked) == expected, asked
        assert seen == [], asked
        assert expected[0] >= 400
        again = [(one.name, one.levelno, one.getMessage()) for one in caplog.records if one.levelno >= logging.WARNING]
        assert again == logged


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_not_certain_is_left_to_connexion(routed: Iterator[list[str]]) -> None:
    stock, planned, seen = serving(AsyncApp), serving(PlannedApp), next(routed)
    for asked in [*LEFT, {"url": "/v1/fails/other"}, {"url": "/v1/fails/odd"}]:
        assert ask(planned, asked) == ask(stock, asked), asked
    assert seen
    gc.collect()  # connexion awaits one of its handlers in vain


def test_nothing_is_refused_here_where_more_may_be_served(routed: Iterator[list[str]]) -> None:
    def page(request: Any) -> Any:
        return ConnexionResponse(body="page")

    app, seen = serving(PlannedApp), next(routed)
    app.add_url_rule("/page", view_func=page)
    assert ask(app, {"url": "/v1/nope"})[0] == 404
    assert seen == ["/v1/nope"]
    guarded = serving(PlannedApp, auth_all_paths=True)
    assert ask(guarded, {"url": "/v1/nope"})[0] == 404
    assert seen == ["/v1/nope"] * 2


@pytest.mark.parametrize("kind", [400, BadRequestProblem, ProblemException])
def test_error_handlers_of_the_application_are_asked(kind: Any, routed: Iterator[list[str]]) -> None:
    def teapot(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
        return ConnexionResponse(status_code=418, body=f"{request.method} {request.url} {error!r}")

    stock, planned, seen = serving(AsyncApp), serving(PlannedApp), next(routed)
    for app in (stock, planned):
        app.add_error_handler(kind, teapot)
    for asked in ({"url": "/v1/a/10"}, {"url": "/v1/b", "method": "POST", "json": {}}):
        assert ask(planned, asked) == ask(stock, asked)
        assert ask(planned, asked)[0] == 418
    assert seen
