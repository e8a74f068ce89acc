from __future__ import annotations

from typing import Any

import pytest

from funcatron.errors import SpecError
from funcatron.http import build_door
from funcatron.http.security import challenges, credential_names, principal_of
from funcatron.invocation import Principal
from funcatron.testing import application


@pytest.mark.parametrize(
    ("context", "principal"),
    [
        ({}, None),
        ({"user": None, "token_info": {}}, None),
        ({"user": "a", "token_info": {"sub": "a"}}, Principal(id="a")),
        ({"user": None, "token_info": {"uid": 7}}, Principal(id="7")),
        ({"user": None, "token_info": {"active": True}}, Principal(id="anonymous")),
        ({"user": "a", "token_info": {"sub": "a", "scope": "read write"}}, Principal(id="a", roles=("read", "write"))),
        (
            {"user": "a", "token_info": {"sub": "a", "roles": ["admin", "read"], "scopes": ["read"]}},
            Principal(id="a", roles=("admin", "read")),
        ),
        ({"user": "a", "token_info": {"sub": "a", "project_id": "p"}}, Principal(id="a", project_id="p")),
        (
            {"user": None, "token_info": {"user": {"id": "u"}, "project": {"id": "p"}, "roles": [{"name": "member"}]}},
            Principal(id="u", project_id="p", roles=("member",)),
        ),
        (
            {"user": None, "token_info": {"basic": {"sub": "a"}, "key": {"project_id": "p", "scope": "x"}}},
            Principal(id="a", project_id="p", roles=("x",)),
        ),
        ({"user": None, "token_info": "odd"}, None),
    ],
)
def test_the_principal_is_what_security_functions_said(context: dict[str, Any], principal: Principal | None) -> None:
    assert principal_of(context) == principal


SCHEMES = {
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "oauth": {"type": "oauth2", "flows": {}},
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "key"},
    "again": {"$ref": "#/components/securitySchemes/key"},
}

HEADER_KEY = 'ApiKey realm="My \'API\'", in="header", name="X-Api-Key"'
QUERY_KEY = 'ApiKey realm="My \'API\'", in="query", name="key"'


@pytest.mark.parametrize(
    ("security", "challenge", "headers"),
    [
        ([], None, set()),
        ([{"basic": []}], "Basic realm=\"My 'API'\"", set()),
        ([{"basic": []}, {"bearer": []}, {"oauth": []}], "Basic realm=\"My 'API'\", Bearer realm=\"My 'API'\"", set()),
        ([{"key": []}], HEADER_KEY, {"x-api-key"}),
        ([{"again": [], "query": []}, {}], f"{HEADER_KEY}, {QUERY_KEY}", {"x-api-key"}),
        ([{"key": []}, {"basic": []}], "Basic realm=\"My 'API'\"", {"x-api-key"}),
    ],
)
def test_schemes_tell_challenges_and_headers_with_credentials(
    security: list[Any], challenge: str | None, headers: set[str]
) -> None:
    spec = {
        "openapi": "3.0.3",
        "info": {"title": 'My "API"', "version": "1"},
        "components": {"securitySchemes": SCHEMES},
        "paths": {"/x": {"get": {"operationId": "f", "security": security, "responses": {"200": {"description": ""}}}}},
    }
    operation = application(spec, handlers={"f": lambda: None}).registry.get("f").operation
    assert challenges(operation) == challenge
    assert credential_names(operation, "header") == headers
    assert credential_names(operation, "query") == ({"key"} if {"again": [], "query": []} in security else set())


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("nosuchmodule.check", "there is no module 'nosuchmodule' on the path"),
        ("os.path.nothing", "os.path has no 'nothing'"),
        ("os.sep", "os.sep is a str, not a function"),
    ],
)
@pytest.mark.parametrize("version", [2, 3])
def test_a_security_function_that_is_none_is_a_mistake_at_the_start(function: str, says: str, version: int) -> None:
    scheme = {"type": "apiKey", "in": "header", "name": "X-Key", "x-apikeyInfoFunc": function}
    paths = {"/x": {"get": {"operationId": "f", "responses": {"200": {"description": ""}}}}}
    spec: dict[str, Any] = {"info": {"title": "t", "version": "1"}, "paths": paths}
    spec |= (
        {"swagger": "2.0", "securityDefinitions": {"key": scheme}}
        if version == 2
        else {"openapi": "3.0.3", "components": {"securitySchemes": {"key": scheme}}}
    )
    with pytest.raises(SpecError) as caught:
        build_door(application(spec, handlers={"f": lambda: None}))
    (mistake,) = caught.value.mistakes
    assert says in mistake.message
    assert mistake.pointer.endswith("/key/x-apikeyInfoFunc")
