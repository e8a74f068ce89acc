"""connexion accepts every lowered document and routes as the original says."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import pytest

from funcatron.spec.document import load
from funcatron.spec.lowering import lower_for_connexion, route_names

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what connexion's own imports warn about
    import connexion
    from connexion.resolver import Resolution, Resolver

OK = {"200": {"description": "ok"}}
INFO = {"title": "T", "version": "1"}


class Naming(Resolver):  # type: ignore[misc]
    """Resolves every operation to a function that answers with the operation's name and path parameters."""

    def resolve(self, operation: Any) -> Resolution:
        name = operation.operation_id

        async def handler(**arguments: Any) -> dict[str, Any]:
            return {"name": name, **arguments}

        return Resolution(handler, name)


def app(given: dict[str, Any]) -> Any:
    application = connexion.AsyncApp(__name__)
    application.add_api(lower_for_connexion(load(given)), resolver=Naming())
    return application


def call(
    application: Any, path: str, method: str = "GET", headers: Iterable[tuple[str, str]] = ()
) -> tuple[int, bytes]:
    """Call an ASGI application once; return status and body."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": unquote(path), "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    asyncio.run(application(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def answer(application: Any, path: str, **more: Any) -> Any:
    status, body = call(application, path, **more)
    return connexion.jsonifier.Jsonifier().loads(body) if status == 200 else status


def path_parameter(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def get(name: str, *parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"get": {"operationId": name, "responses": OK, "parameters": list(parameters), **more}}


def document3(paths: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"openapi": "3.0.3", "info": INFO, "paths": paths, **more}


def test_routes_by_the_types_of_path_parameters() -> None:
    application = app(
        document3(
            {
                "/int/{n}": get("int", path_parameter("n", type="integer")),
                "/number/{x}": get("number", path_parameter("x", type="number")),
                "/string/{s}": get("string", path_parameter("s", type="string")),
                "/path/{p}": get("path", path_parameter("p", type="string", format="path")),
                "/ref/{n}": get("ref", {**path_parameter("n"), "schema": {"$ref": "#/components/schemas/N"}}),
                "/matrix/{n}": get("matrix", {**path_parameter("n", type="integer"), "style": "matrix"}),
            },
            components={"schemas": {"N": {"type": "integer"}}},
            servers=[{"url": "https://example.com/v1"}],
        )
    )
    assert answer(application, "/v1/int/-5") == {"name": "int", "n": -5}
    assert answer(application, "/v1/int/x") == 404
    assert answer(application, "/v1/number/1.5") == {"name": "number", "x": 1.5}
    assert answer(application, "/v1/string/5") == {"name": "string", "s": "5"}
    assert answer(application, "/v1/path/a/b/c") == {"name": "path", "p": "a/b/c"}
    assert answer(application, "/v1/ref/7") == {"name": "ref", "n": 7}
    assert answer(application, "/v1/matrix/;n=5") == {"name": "matrix", "n": ";n=5"}
    assert answer(application, "/int/5") == 404
    assert answer(application, "/v1/int/5", method="POST") == 405


def test_fixed_paths_match_before_templates() -> None:
    string = {"type": "string"}
    application = app(
        document3(
            {
                "/{rest}": get("rest", path_parameter("rest", type="string", format="path")),
                "/a/{x}": get("a_x", path_parameter("x", **string)),
                "/a/{x}.json": get("a_json", path_parameter("x", **string)),
                "/a/mine": get("a_mine"),
                "/{any}/mine": get("any_mine", path_parameter("any", **string)),
            }
        )
    )
    names = {path: answer(application, path)["name"] for path in ("/a/mine", "/a/b", "/a/b.json", "/c/mine", "/c/d/e")}
    assert names == {"/a/mine": "a_mine", "/a/b": "a_x", "/a/b.json": "a_json", "/c/mine": "any_mine", "/c/d/e": "rest"}


def test_parameters_are_renamed_to_identifiers() -> None:
    assert route_names("/a/{item-id}/{user.id}/{2nd}/{größe}") == {
        "item_id": "item-id",
        "user_id": "user.id",
        "_2nd": "2nd",
        "gr__e": "größe",
    }
    assert route_names("/{a-b}/{a_b}/{a.b}/{a-b}") == {"a_b": "a-b", "a_b_2": "a_b", "a_b_3": "a.b", "a_b_4": "a-b"}
    names = ("item-id", "user.id", "2nd", "größe")
    path = "/" + "/".join("{" + name + "}" for name in names)
    application = app(document3({path: get("odd", *(path_parameter(name, type="string") for name in names))}))
    assert answer(application, "/a/b/c/d") == {"name": "odd", "item_id": "a", "user_id": "b", "_2nd": "c", "gr__e": "d"}


def test_a_parameter_may_stand_twice_in_a_path() -> None:
    application = app(document3({"/a/{id}/b/{id}": get("twice", path_parameter("id", type="integer"))}))
    assert answer(application, "/a/1/b/2") == {"name": "twice", "id": 1, "id_2": 2}


def test_unicode_and_encoded_paths() -> None:
    application = app(
        document3(
            {
                "/café/{x}": get("cafe", path_parameter("x", type="string")),
                "/a%20b": get("space"),
                "/c%7Bd": get("brace"),
            },
            servers=[{"url": "/b%C3%A4se"}],
        )
    )
    assert answer(application, "/b%C3%A4se/caf%C3%A9/%E2%82%AC") == {"name": "cafe", "x": "€"}
    assert answer(application, "/b%C3%A4se/a%20b") == {"name": "space"}


def token_info(token: str) -> dict[str, Any] | None:
    return {"sub": token} if token == "good" else None


def basic_info(username: str, password: str) -> dict[str, Any] | None:
    return {"sub": username} if password == "good" else None


@pytest.mark.parametrize("version", [2, 3])
def test_security_is_enforced(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    functions = {"here.token": token_info, "here.basic": basic_info}
    monkeypatch.setattr(connexion.security, "get_function_from_name", functions.__getitem__)
    schemes: dict[str, Any] = {
        "oauth": {"type": "oauth2", "x-tokenInfoFunc": "here.token"},
        "key": {"type": "apiKey", "in": "header", "name": "X-Key", "x-apikeyInfoFunc": "here.token"},
    }
    if version == 2:
        schemes["oauth"] |= {"flow": "implicit", "authorizationUrl": "https://example.com", "scopes": {"read": "r"}}
        schemes["basic"] = {"type": "basic", "x-basicInfoFunc": "here.basic"}
        more: dict[str, Any] = {"swagger": "2.0", "securityDefinitions": schemes}
    else:
        schemes["oauth"]["flows"] = {"implicit": {"authorizationUrl": "https://example.com", "scopes": {"read": "r"}}}
        schemes["basic"] = {"type": "http", "scheme": "Basic", "x-basicInfoFunc": "here.basic"}
        schemes["bearer"] = {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "x-bearerInfoFunc": "here.token",
        }
        referred = {"$ref": "#/components/securitySchemes/key"}
        more = {"openapi": "3.0.3", "components": {"securitySchemes": {**schemes, "again": referred}}}
    application = app(
        {
            "info": INFO,
            "security": [{"key": []}],
            "paths": {
                "/key": get("key"),
                "/basic": get("basic", security=[{"basic": []}]),
                "/either": get("either", security=[{"basic": []}, {"key": []}]),
                "/free": get("free", security=[]),
                "/scoped": get("scoped", security=[{"oauth": ["read"]}]),
            },
            **more,
        }
    )
    good, bad = ("X-Key", "good"), ("X-Key", "bad")
    assert call(application, "/key")[0] == 401
    assert call(application, "/key", headers=[bad])[0] == 401
    assert call(application, "/key", headers=[good])[0] == 200
    assert call(application, "/basic", headers=[good])[0] == 401
    assert call(application, "/basic", headers=[("Authorization", "Basic dTpnb29k")])[0] == 200
    assert call(application, "/either", headers=[good])[0] == 200
    assert call(application, "/free")[0] == 200
    assert call(application, "/scoped", headers=[("Authorization", "Bearer good")])[0] == 403


def test_nothing_but_routes_and_security_is_left() -> None:
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Loop"}}}}
    given = document3(
        {
            "/a": {
                "post": {"operationId": "x", "responses": {"200": {"description": "ok", **body}}, "requestBody": body}
            },
            "/b": {"get": {"responses": OK, "parameters": [{"name": "q", "in": "query", "schema": {}}]}},
        },
        components={"schemas": {"Loop": {"properties": {"loop": {"$ref": "#/components/schemas/Loop"}}}}},
        servers=[{"url": "/v1"}],
        **{"x-webhooks": {"hook": {"post": {"responses": OK}}}},
    )
    operation = {"parameters": [], "security": [], "responses": {"default": {"description": ""}}}
    assert lower_for_connexion(load(given)) == {
        "openapi": "3.0.3",
        "info": INFO,
        "servers": [{"url": "/v1"}],
        "paths": {
            "/a": {"post": {"operationId": "x", **operation}},
            "/b": {"get": {"operationId": "get_b", **operation}},
        },
        "components": {"securitySchemes": {}},
    }
    assert answer(app(given), "/v1/b") == {"name": "get_b"}
