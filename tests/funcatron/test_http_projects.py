"""The control API for callers who show the token of a project. (With a real Keystone: tests/integration.)"""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import httpx
import pytest
from connexion.exceptions import OAuthProblem
from starlette.exceptions import HTTPException

from funcatron import Funcatron, plugins
from funcatron.http import refuse_public
from funcatron.http.projects import Reach
from funcatron.invocation import Principal
from funcatron.settings import load_settings
from funcatron.testing import application

pytestmark = pytest.mark.anyio

OPERATOR = {"Authorization": "Bearer top-s3cret"}
TOKENS: dict[str, dict[str, Any]] = {
    "ann": {"sub": "ann", "project_id": "p", "roles": ["member", "reader"]},
    "ben": {"sub": "ben", "project_id": "p", "roles": ["reader"]},
    "cat": {"sub": "cat", "project_id": "q", "roles": ["Member"]},
    "dom": {"sub": "dom", "project_id": None, "roles": ["member"]},
    "adm": {"sub": "adm", "project_id": "r", "roles": ["admin"]},
}
RESPONSES = {"200": {"description": ""}}
LATER = {"x-funcatron": {"mode": "async"}, "responses": RESPONSES}
SPEC: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "components": {
        "securitySchemes": {
            "token": {
                "type": "apiKey",
                "in": "header",
                "name": "X-Auth-Token",
                "x-apikeyInfoFunc": "projects_test_identity.token_info",
            }
        }
    },
    "paths": {
        "/open": {"post": {"operationId": "open", **LATER}},
        "/closed": {"post": {"operationId": "closed", "security": [{"token": []}], **LATER}},
    },
}


async def token_info(token: str, required_scopes: Any = (), request: Any = None) -> dict[str, Any]:
    """Who shows this token; ``away`` while nobody can tell."""
    assert request.scope["funcatron.settings"].control_token == "top-s3cret"
    if token == "away":
        raise HTTPException(503, "Keystone does not answer", headers={"Retry-After": "1"})
    if token not in TOKENS:
        raise OAuthProblem(detail="the token is not valid")
    return TOKENS[token]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module that the document names, and the plugin that the control API asks."""
    module = ModuleType("projects_test_identity")
    module.token_info = token_info  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    found = plugins._found
    ours = {"keystone": EntryPoint("keystone", f"{module.__name__}:token_info", "funcatron.identities")}
    monkeypatch.setattr(plugins, "_found", lambda group: ours if group == "funcatron.identities" else found(group))


def app(**settings: Any) -> Funcatron:
    given = {"control_token": "top-s3cret", "control_keystone": True} | settings
    return application(SPEC, handlers={"open": lambda: None, "closed": lambda: None}, **given)


class Client(httpx.AsyncClient):
    def __init__(self, made: Funcatron) -> None:
        super().__init__(transport=httpx.ASGITransport(made), base_url="http://192.0.2.1/")

    async def as_(self, user: str | None, method: str, path: str) -> httpx.Response:
        headers = OPERATOR if user == "operator" else {"X-Auth-Token": user} if user else {}
        answer = await self.request(method, path, headers=headers)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
        return answer

    async def call(self, user: str | None) -> str:
        answer = await self.as_(user, "POST", "/closed" if user else "/open")
        assert answer.status_code == 202
        return str(answer.headers["location"])

    async def listed(self, user: str, query: str = "") -> set[str]:
        answer = await self.as_(user, "GET", f"/_funcatron/executions?{query}")
        assert answer.status_code == 200, answer.text
        return {execution["links"]["self"] for execution in answer.json()["executions"]}


async def test_a_project_sees_its_own_executions() -> None:
    async with Client(app()) as http:
        ann, ben, cat, open_ = [await http.call(user) for user in ("ann", "ben", "cat", None)]
        assert await http.listed("ann") == await http.listed("ben") == {ann, ben}
        assert await http.listed("cat") == {cat}
        assert await http.listed("adm") == set()
        assert await http.listed("adm", "all_projects=true") == {ann, ben, cat, open_}
        assert await http.listed("adm", "all_projects=true&project_id=q") == {cat}
        assert await http.listed("operator") == {ann, ben, cat, open_}
        assert await http.listed("operator", "project_id=p") == {ann, ben}
        assert await http.listed("ann", "project_id=p") == {ann, ben}


async def test_no_list_shows_what_is_another_projects() -> None:
    async with Client(app()) as http:
        cat = (await http.call("cat")).rpartition("/")[2]
        await http.call("ann")
        for query, status in (("project_id=q", 403), ("all_projects=true", 403), (f"marker={cat}", 400)):
            answer = await http.as_("ann", "GET", f"/_funcatron/executions?{query}")
            assert answer.status_code == status
            assert cat not in answer.text
        assert (await http.as_("dom", "GET", "/_funcatron/executions")).status_code == 403


ONE = [("GET", ""), ("GET", "/result"), ("GET", "/logs"), ("POST", "/cancel"), ("POST", "/redrive")]


@pytest.mark.parametrize(("method", "path"), ONE)
async def test_one_execution_is_its_projects(method: str, path: str) -> None:
    async with Client(app()) as http:
        location = await http.call("ann")
        hidden = await http.as_("cat", method, location + path)
        unknown = await http.as_("cat", method, "/_funcatron/executions/unknown" + path)
        assert hidden.status_code == unknown.status_code == 404
        assert hidden.json()["detail"].replace(location.rpartition("/")[2], "unknown") == unknown.json()["detail"]
        assert (await http.as_("adm", method, location + path)).status_code == 404
        assert (await http.as_("cat", method, location + path + "?all_projects=true")).status_code == 403
        assert (await http.as_("dom", method, location + path)).status_code == 403
        assert (await http.as_("nonsense", method, location + path)).status_code == 401
        assert (await http.as_(None, method, location + path)).status_code == 401
        good = {"": 200, "/result": 202, "/logs": 200, "/cancel": 200, "/redrive": 409}[path]
        reader = await http.as_("ben", method, location + path)
        assert reader.status_code == (good if method == "GET" else 403)
        assert (await http.as_("ann", method, location + path)).status_code == good


async def test_one_execution_is_followed_by_its_project() -> None:
    async with Client(app()) as http:
        location = await http.call("ann")
        await http.as_("ann", "POST", location + "/cancel")  # so that the stream ends
        for user, status in (("ann", 200), ("ben", 200), ("cat", 404), ("adm", 404), ("dom", 403), (None, 401)):
            assert (await http.as_(user, "GET", location + "/events")).status_code == status, user
        assert (await http.as_("adm", "GET", location + "/events?all_projects=true")).status_code == 200


async def test_an_admin_changes_what_is_anothers_by_asking() -> None:
    async with Client(app()) as http:
        location = await http.call("ann")
        assert (await http.as_("adm", "POST", location + "/cancel?all_projects=true")).status_code == 200
        assert (await http.as_("ann", "POST", location + "/redrive")).status_code == 202


async def test_what_is_nobodys_is_still_open_to_who_knows_its_id() -> None:
    async with Client(app()) as http:
        location = await http.call(None)
        for user in (None, "ann", "nonsense", "operator"):
            assert (await http.as_(user, "GET", location)).status_code == 200


async def test_while_keystone_is_away_nobody_is_refused() -> None:
    async with Client(app()) as http:
        location = await http.call("ann")
        for method, path in (("GET", "/_funcatron/executions"), ("GET", location), ("POST", location + "/cancel")):
            answer = await http.as_("away", method, path)
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
        assert (await http.as_("away", "POST", "/closed")).status_code == 503


@pytest.mark.parametrize("path", ["/functions", "/metrics"])
async def test_the_rest_is_the_operators(path: str) -> None:
    async with Client(app()) as http:
        assert (await http.as_("adm", "GET", "/_funcatron" + path)).status_code == 401
        assert (await http.as_("operator", "GET", "/_funcatron" + path)).status_code == 200


async def test_without_the_setting_a_token_opens_its_callers_executions_alone() -> None:
    async with Client(app(control_keystone=False)) as http:
        location = await http.call("ann")
        assert (await http.as_("ann", "GET", "/_funcatron/executions")).status_code == 401
        assert (await http.as_("ann", "GET", location)).status_code == 200
        assert (await http.as_("ben", "GET", location)).status_code == 403
        assert (await http.as_("cat", "GET", location)).status_code == 403


async def test_with_the_setting_no_client_is_let_in_for_being_near(monkeypatch: pytest.MonkeyPatch) -> None:
    made = app(control_token=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://127.0.0.1/") as http:
        assert (await http.get("/_funcatron/executions")).status_code == 401
        assert (await http.get("/_funcatron/functions")).status_code == 401


def test_a_public_server_may_have_keystone_in_place_of_a_token() -> None:
    refuse_public("0.0.0.0", load_settings({"control_keystone": True}, environ={}))


async def test_a_key_of_one_project_is_not_anothers() -> None:
    made = app()
    async with Client(made) as http:
        headers = {"X-Auth-Token": "ann", "Idempotency-Key": "k"}
        first = await http.post("/closed", headers=headers)
        TOKENS["ann-in-q"] = {**TOKENS["ann"], "project_id": "q"}
        try:
            other = await http.post("/closed", headers=headers | {"X-Auth-Token": "ann-in-q"})
        finally:
            del TOKENS["ann-in-q"]
        again = await http.post("/closed", headers=headers)
        assert first.headers["location"] == again.headers["location"] != other.headers["location"]


def test_a_reach_over_all_covers_what_is_nobodys() -> None:
    assert Reach(None, changes=True).narrowed("p") == "p"
    assert Reach(None, changes=True).narrowed(None) is None
    assert Reach("p", changes=False).narrowed(None) == "p"
    assert Principal(id="a").project_id is None
