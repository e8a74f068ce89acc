"""Where connexion is plainly wrong the door is right: typed headers, chunks, readOnly, UTF-8, formats, generators."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from funcatron.testing import application

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def echo(**given: Any) -> Any:
    return given


async def lines() -> AsyncIterator[str]:
    for number in range(3):
        yield f"{number}\n"


def parameter(name: str, location: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": location, "schema": {"type": kind, **more}}


def answers(media_type: str) -> dict[str, Any]:
    return {"responses": {"200": {"description": "", "content": {media_type: {}}}}}


ITEM: dict[str, Any] = {
    "type": "object",
    "required": ["id", "n"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "n": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
        "key": {"type": "string", "format": "uuid"},
        "next": {"$ref": "#/components/schemas/Item"},
    },
}
READ = [
    parameter("X-Count", "header", "integer", maximum=9),
    parameter("X-Ratio", "header", "number"),
    parameter("X-Flag", "header", "boolean"),
    parameter("at", "query", "string", format="date-time"),
    parameter("key", "query", "string", format="uuid"),
]
BODY = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "corrected", "version": "1"},
    "paths": {
        "/read": {"get": {"operationId": "read", "parameters": READ, **answers("application/json")}},
        "/write": {"post": {"operationId": "write", "requestBody": BODY, **answers("application/json")}},
        "/lines": {"get": {"operationId": "lines", **answers("text/plain")}},
    },
    "components": {"schemas": {"Item": ITEM}},
}
HANDLERS = {"read": echo, "write": echo, "lines": lines}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(DOCUMENT, handlers=HANDLERS.__getitem__))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_headers_have_their_types(http: httpx.AsyncClient) -> None:
    answer = await http.get("/read", headers={"X-Count": "7", "X-Ratio": "1.5", "X-Flag": "true"})
    assert (answer.status_code, answer.json()) == (200, {"x_count": 7, "x_ratio": 1.5, "x_flag": True})
    for name, text in (("X-Count", "x"), ("X-Count", "10"), ("X-Ratio", "x"), ("X-Flag", "x")):
        assert (await http.get("/read", headers={name: text})).status_code == 400


async def test_bodies_may_come_in_chunks(http: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"n":'
        yield b" 1}"

    answer = await http.post("/write", content=chunks(), headers=JSON)
    assert "content-length" not in answer.request.headers
    assert (answer.status_code, answer.json()) == (200, {"body": {"n": 1}})


async def test_what_is_read_only_is_not_demanded(http: httpx.AsyncClient) -> None:
    assert (await http.post("/write", json={"n": 1, "next": {"n": 2}})).status_code == 200
    answer = await http.post("/write", json={"id": 1})
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (400, ["/body/n"])


async def test_bodies_that_are_not_utf_8_are_refused(http: httpx.AsyncClient) -> None:
    assert (await http.post("/write", content=b'{"n": "\xff"}', headers=JSON)).status_code == 400


async def test_a_recursive_document_is_shown(http: httpx.AsyncClient) -> None:
    shown = await http.get("/openapi.json")
    assert shown.json()["components"]["schemas"]["Item"] == ITEM


@pytest.mark.parametrize(
    ("name", "good"), [("at", "2024-05-01T12:00:00Z"), ("key", "0b9e2a4c-55f9-4c3c-8a53-1c5a6f6a3f10")]
)
async def test_dates_with_times_and_uuids_are_checked(name: str, good: str, http: httpx.AsyncClient) -> None:
    for text, status in ((good, 200), ("nonsense", 400)):
        assert (await http.post("/write", json={"n": 1, name: text})).status_code == status
        assert (await http.get("/read", params={name: text})).status_code == status


async def test_async_generators_are_streamed(http: httpx.AsyncClient) -> None:
    answer = await http.get("/lines")
    assert (answer.status_code, answer.text) == (200, "0\n1\n2\n")
