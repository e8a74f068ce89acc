"""PlannedApp(corrected=True): right where connexion is plainly wrong, by the plans and by connexion's stack alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from typing import Any

import pytest
from connexion import request
from connexion.resolver import Resolver

from funcatron.http import PlannedApp

NODE = {"$ref": "#/components/schemas/Node"}
ITEM: dict[str, Any] = {
    "type": "object",
    "required": ["id", "n"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "n": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
        "key": {"type": "string", "format": "uuid"},
    },
}


def _parameter(name: str, location: str, kind: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": location, "schema": {"type": kind, **schema}}


def _operation(name: str, media_type: str = "application/json", **more: Any) -> dict[str, Any]:
    return {"operationId": name, "responses": {"200": {"description": "", "content": {media_type: {}}}}, **more}


def _body(schema: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    return {"required": True, "content": {media_type: {"schema": schema}}}


READ = [
    _parameter("X-Count", "header", "integer", maximum=9),
    _parameter("X-Flag", "header", "boolean"),
    _parameter("X-Many", "header", "array", items={"type": "integer"}),
    _parameter("session", "cookie", "integer"),
    _parameter("at", "query", "string", format="date-time"),
    _parameter("keys", "query", "array", items={"type": "string", "format": "uuid"}),
]
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "corrected", "version": "1"},
    "paths": {
        "/read": {"get": _operation("read", parameters=READ)},
        "/write": {"post": _operation("write", requestBody=_body(ITEM))},
        "/form": {"post": _operation("write_form", requestBody=_body(ITEM, "application/x-www-form-urlencoded"))},
        "/node": {"post": _operation("write_node", requestBody=_body(NODE))},
        "/lines/{n}": {
            "get": _operation(
                "lines", "text/plain", parameters=[{**_parameter("n", "path", "integer"), "required": True}]
            )
        },
    },
    "components": {"schemas": {"Node": {"type": "object", "properties": {"next": NODE}}}},
}


async def read(**given: Any) -> Any:
    return {**given, "path": request.url.path}


async def write(body: Any) -> Any:
    return body


async def lines(n: int) -> AsyncIterator[str]:
    for number in range(n):
        yield f"{number}\n"


HANDLERS = {"read": read, "write": write, "write_form": write, "write_node": write, "lines": lines}
JSON = {"Content-Type": "application/json"}
UUID = "0b9e2a4c-55f9-4c3c-8a53-1c5a6f6a3f10"


def serving(**options: Any) -> PlannedApp:
    app = PlannedApp("a", **options)
    app.add_api(deepcopy(DOCUMENT), resolver=Resolver(HANDLERS.__getitem__))
    return app


@pytest.fixture(params=[True, False], ids=["planned", "unplanned"])
def client(request: pytest.FixtureRequest) -> Any:
    return serving(corrected=True, planned=request.param).test_client(raise_server_exceptions=False)


def test_all_is_planned() -> None:
    app = serving(corrected=True)
    assert app.test_client().get("/read").status_code == 200
    assert app.refusals() == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Count": "7", "X-Flag": "true", "X-Many": "1,2", "Cookie": "session=5"}, 200),
        ({"X-Count": "10"}, 400),
        ({"X-Count": "x"}, 400),
        ({"X-Flag": "x"}, 400),
        ({"X-Many": "1,x"}, 400),
        ({"Cookie": "session=x"}, 400),
    ],
)
def test_headers_and_cookies_have_types(client: Any, headers: dict[str, str], status: int) -> None:
    assert client.get("/read", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("path", "media_type"), [("/write", "application/json"), ("/form", "application/x-www-form-urlencoded")]
)
def test_bodies_may_come_in_chunks(client: Any, path: str, media_type: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield from [b'{"n":', b" 1}"] if path == "/write" else [b"n=", b"1"]

    answer = client.post(path, content=chunks(), headers={"Content-Type": media_type})
    assert "content-length" not in answer.request.headers
    assert (answer.status_code, answer.json()) == (200, {"n": 1})
    assert client.post("/write", headers=JSON).status_code == 400


def test_what_is_read_only_is_not_demanded(client: Any) -> None:
    assert client.post("/write", json={"n": 1}).json() == {"n": 1}
    assert client.post("/form", data={"n": "1"}).json() == {"n": 1}
    answer = client.post("/write", json={"id": 1})
    assert (answer.status_code, answer.json()["detail"]) == (400, "'n' is a required property")


def test_bodies_that_are_not_utf_8_are_refused(client: Any) -> None:
    assert client.post("/write", content=b'{"n": "\xff"}', headers=JSON).status_code == 400


@pytest.mark.parametrize(("text", "status"), [("2024-05-01T12:00:00Z", 200), ("2024-05-01", 400)])
def test_dates_with_times_are_checked(client: Any, text: str, status: int) -> None:
    assert client.post("/write", json={"n": 1, "at": text}).status_code == status
    assert client.get("/read", params={"at": text}).status_code == status


@pytest.mark.parametrize(("text", "status"), [(UUID, 200), (f"{UUID}0", 400)])
def test_uuids_are_checked(client: Any, text: str, status: int) -> None:
    assert client.post("/write", json={"n": 1, "key": text}).status_code == status
    assert client.get("/read", params={"keys": f"{UUID},{text}"}).status_code == status


def test_async_generators_are_streamed(client: Any) -> None:
    answer = client.get("/lines/3")
    assert (answer.status_code, answer.text) == (200, "0\n1\n2\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_document_that_contains_itself_is_shown(client: Any) -> None:
    shown = client.get("/openapi.json")
    assert (shown.status_code, shown.json()["components"]) == (200, DOCUMENT["components"])
    assert client.post("/node", json={"next": {"next": {}}}).status_code == 200


def test_the_default_is_what_connexion_does() -> None:
    client = serving().test_client(raise_server_exceptions=False)
    assert client.get("/read", headers={"X-Count": "7"}).status_code == 400
    assert client.post("/write", json={"n": 1}).status_code == 400
    assert client.post("/write", json={"id": 1, "n": 1, "key": "x"}).status_code == 200


def test_validators_of_the_application_stay(client: Any) -> None:
    app = serving(corrected=True, validator_map={"body": {}})
    assert app.test_client().post("/write", json={}).status_code == 200
    assert {refusal.reason for refusal in app.refusals()} == {"validators of the application's own"}
