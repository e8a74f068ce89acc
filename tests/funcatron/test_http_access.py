"""Who may use the control API."""

from __future__ import annotations

import sys
from base64 import b64encode
from types import ModuleType
from typing import Any

import httpx
import pytest

from funcatron import Funcatron
from funcatron.errors import SettingsError
from funcatron.http import refuse_public
from funcatron.settings import load_settings
from funcatron.testing import application

pytestmark = pytest.mark.anyio

TOKEN = "top-s3cret"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
RESPONSES = {"200": {"description": ""}}
SPEC: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "components": {
        "securitySchemes": {
            "basic": {"type": "http", "scheme": "basic", "x-basicInfoFunc": "access_test_functions.check"}
        }
    },
    "paths": {
        "/open": {"post": {"operationId": "open", "x-funcatron": {"mode": "async"}, "responses": RESPONSES}},
        "/closed": {
            "post": {
                "operationId": "closed",
                "x-funcatron": {"mode": "async"},
                "responses": RESPONSES,
                "security": [{"basic": []}],
            }
        },
    },
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module that the document names."""
    module = ModuleType("access_test_functions")
    module.check = lambda username, password: {"sub": username} if password == "pw" else None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)


def app(token: str | None = TOKEN) -> Funcatron:
    return application(SPEC, handlers={"open": lambda: None, "closed": lambda: None}, control_token=token)


def client(made: Funcatron, host: str = "test") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url=f"http://{host}/")


OPERATORS_ONLY = [
    ("GET", "/executions"),
    ("POST", "/executions"),
    ("POST", "/executions/1/redrive"),
    ("GET", "/functions"),
    ("POST", "/events"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize(("method", "path"), OPERATORS_ONLY)
async def test_operations_of_the_operator_need_the_token(method: str, path: str) -> None:
    async with client(app()) as http:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Bearer"},
            {"Authorization": TOKEN},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": "Basic " + b64encode(b"ceph:wrong").decode()},
            {"Authorization": "Bearer tëst".encode()},
        ):
            refused = await http.request(method, "/_funcatron" + path, headers=headers)
            assert refused.status_code == 401, headers
            assert refused.headers["www-authenticate"] == 'Bearer realm="funcatron control"'
            assert refused.headers["content-type"] == "application/problem+json"
        for headers in (OPERATOR, {"Authorization": "Basic " + b64encode(f"ceph:{TOKEN}".encode()).decode()}):
            admitted = await http.request(method, "/_funcatron" + path, headers=headers)
            assert admitted.status_code not in (401, 403)


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/openapi.json", "/ui/"])
async def test_health_and_the_document_need_nothing(path: str) -> None:
    async with client(app()) as http:
        assert (await http.get("/_funcatron" + path)).status_code == 200


EXECUTION_PATHS = [("GET", ""), ("GET", "/result"), ("GET", "/logs"), ("POST", "/cancel")]
EVENTS = "/events"
"""Followed once it was cancelled, so that the stream ends."""


async def test_the_id_of_an_anonymous_execution_is_the_key_to_it() -> None:
    async with client(app()) as http:
        location = (await http.post("/open")).headers["location"]
        for method, path in EXECUTION_PATHS:
            assert (await http.request(method, location + path)).status_code in (200, 202)
        assert (await http.get(location + EVENTS)).status_code == 200
        assert (await http.get("/_funcatron/executions/unknown")).status_code == 404


@pytest.mark.parametrize(("method", "path"), EXECUTION_PATHS)
async def test_the_execution_of_a_principal_is_his_and_the_operators(method: str, path: str) -> None:
    async with client(app()) as http:
        location = (await http.post("/closed", auth=("alice", "pw"))).headers["location"]
        refused = await http.request(method, location + path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == 'Basic realm="t"'
        assert (await http.request(method, location + path, auth=("alice", "wrong"))).status_code == 401
        assert (
            await http.request(method, location + path, headers={"Authorization": "Bearer wrong"})
        ).status_code == 401
        assert (await http.request(method, location + path, auth=("bob", "pw"))).status_code == 403
        assert (await http.request(method, location + path, auth=("alice", "pw"))).status_code in (200, 202)
        if method == "GET":
            assert (await http.request(method, location + path, headers=OPERATOR)).status_code in (200, 202)


async def test_whoever_may_see_an_execution_may_follow_it() -> None:
    async with client(app()) as http:
        location = (await http.post("/closed", auth=("alice", "pw"))).headers["location"]
        assert (await http.post(location + "/cancel", headers=OPERATOR)).status_code == 200
        assert (await http.get(location + EVENTS)).status_code == 401
        assert (await http.get(location + EVENTS, auth=("alice", "wrong"))).status_code == 401
        assert (await http.get(location + EVENTS, auth=("bob", "pw"))).status_code == 403
        for allowed in ({"auth": ("alice", "pw")}, {"headers": OPERATOR}):
            answer = await http.get(location + EVENTS, **allowed)  # type: ignore[arg-type]
            assert answer.status_code == 200
            assert '"state":"cancelled"' in answer.text


async def test_without_a_token_loopback_may_do_everything() -> None:
    async with client(app(None), "127.0.0.1") as http:
        location = (await http.post("/closed", auth=("alice", "pw"))).headers["location"]
        assert (await http.get(location)).status_code == 200
        for method, path in OPERATORS_ONLY:
            assert (await http.request(method, "/_funcatron" + path)).status_code not in (401, 403)


async def test_without_a_token_others_may_not() -> None:
    async with client(app(None), "192.0.2.1") as http:
        for method, path in OPERATORS_ONLY:
            refused = await http.request(method, "/_funcatron" + path)
            assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
            assert "no control token is set" in refused.json()["detail"]
        location = (await http.post("/open")).headers["location"]
        assert (await http.get(location)).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_a_server_on_loopback_needs_no_token(host: str) -> None:
    refuse_public(host, load_settings({}, environ={}))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_a_public_server_needs_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match="FUNCATRON_CONTROL_TOKEN"):
        refuse_public(host, load_settings({}, environ={}))
    refuse_public(host, load_settings({"control_token": TOKEN}, environ={}))
