from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route

from funcatron import Funcatron
from funcatron.http.ranges import requested
from funcatron.testing import application

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(100))
FILE = {"content": {"application/x-thing": {"schema": {"type": "string", "format": "binary"}}}, "description": ""}
SPEC: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/file": {"get": {"operationId": "file", "responses": {"default": FILE}}, "post": {
            "operationId": "made", "responses": {"default": FILE}}},
        "/partial": {"get": {"operationId": "partial", "responses": {"default": FILE}}},
        "/named": {"get": {"operationId": "named", "responses": {"200": {"description": ""}}}},
        "/path": {"get": {"operationId": "path", "responses": {
            "200": {"description": "", "content": {"application/json": {"schema": {"type": "string"}}}}}}},
    },
}  # fmt: skip


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "thing.txt"
    path.write_bytes(CONTENT)
    os.utime(path, (0, 86_400))
    return path


@pytest.fixture
def client(file: Path) -> httpx.AsyncClient:
    async def named() -> Any:
        return file

    app = application(
        SPEC,
        handlers={
            "file": lambda: FileResponse(file, media_type="application/x-thing", filename="thing"),
            "made": lambda: (file, 201),
            "partial": lambda: (b"", 206),
            "named": named,
            "path": lambda: file,
        },
    )
    return client_of(app)


def client_of(app: Funcatron | Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=10-19", [(10, 20)]),
        ("bytes=90-", [(90, 100)]),
        ("bytes=-10", [(90, 100)]),
        ("bytes=-1000", [(0, 100)]),
        ("bytes=99-1000", [(99, 100)]),
        ("Bytes= 1-2 , 5-6\t", [(1, 3), (5, 7)]),
        ("bytes=,1-2,,", [(1, 3)]),
        ("bytes=5-6,1-2", [(1, 3), (5, 7)]),
        ("bytes=0-9,5-14,15-20", [(0, 21)]),
        ("bytes=100-,0-1", [(0, 2)]),
        ("bytes=0-" + "9" * 5000, [(0, 100)]),
        ("bytes=-" + "9" * 5000, [(0, 100)]),
        ("bytes=100-", []),
        ("bytes=" + "9" * 5000 + "-", []),
        ("bytes=-0", []),
        ("bytes=100-200,300-", []),
        ("bytes=2-1", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1", None),
        ("bytes=1-2-3", None),
        ("bytes=+1-2", None),
        ("bytes=\u0661-\u0662", None),
        ("bytes=1-2,x", None),
        ("bytes=", None),
        ("bytes", None),
        ("", None),
        ("items=0-1", None),
        ("bytes=" + ",".join(f"{n * 2}-{n * 2}" for n in range(101)), None),
    ],
)
def test_what_a_range_header_asks_for(header: str, expected: list[tuple[int, int]] | None) -> None:
    found = requested(header, 100)
    assert (None if found is None else [(part.start, part.stop) for part in found]) == expected


def test_nothing_of_an_empty_file_can_be_had() -> None:
    assert requested("bytes=0-", 0) == []
    assert requested("bytes=-5", 0) == []


async def test_the_whole_file(client: httpx.AsyncClient) -> None:
    answer = await client.get("/file")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-length"] == "100"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["last-modified"] == "Fri, 02 Jan 1970 00:00:00 GMT"
    assert answer.headers["content-disposition"] == 'attachment; filename="thing"'
    head = await client.head("/file", headers={"Range": "bytes=0-1"})  # is defined for GET alone
    assert (head.status_code, head.headers) == (200, answer.headers)


@pytest.mark.parametrize(
    "wanted", ["bytes=10-19", "bytes=-7", "bytes=95-", "bytes=1-3,3-8", "bytes=-1,0-0", "bytes=5-200,0-1"]
)
async def test_parts_are_those_of_starlette(client: httpx.AsyncClient, file: Path, wanted: str) -> None:
    theirs = Starlette(routes=[Route("/file", lambda request: FileResponse(file, media_type="application/x-thing"))])
    expected = await client_of(theirs).get("/file", headers={"Range": wanted})
    answer = await client.get("/file", headers={"Range": wanted})
    assert answer.status_code == expected.status_code == 206
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers.get("content-range") == expected.headers.get("content-range")
    assert parts(answer) == parts(expected)


def parts(answer: httpx.Response) -> list[bytes]:
    """The parts of an answer, with their headers, whatever the boundary."""
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    if not boundary:
        return [kind.encode(), answer.content]
    head, *found, tail = answer.content.split(b"--" + boundary.encode())
    assert (kind, head, tail.strip()) == ("multipart/byteranges", b"", b"--")
    return found


async def test_what_cannot_be_had_is_a_416(client: httpx.AsyncClient) -> None:
    answer = await client.get("/file", headers={"Range": "bytes=100-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */100"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Range Not Satisfiable"


@pytest.mark.parametrize("wanted", ["items=0-1", "bytes=2-1", "bytes=x", "nonsense"])
async def test_what_says_nothing_is_left_aside(client: httpx.AsyncClient, wanted: str) -> None:
    answer = await client.get("/file", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_if_range(client: httpx.AsyncClient) -> None:
    whole = await client.get("/file")
    etag, modified = whole.headers["etag"], whole.headers["last-modified"]
    for condition, status in [
        (etag, 206), (modified, 206), (f"W/{etag}", 200), ('"other"', 200), ("", 200),
        ("Fri, 02 Jan 1970 00:00:01 GMT", 200),
    ]:  # fmt: skip
        answer = await client.get("/file", headers={"Range": "bytes=0-1", "If-Range": condition})
        assert answer.status_code == status, condition
        assert answer.content == (CONTENT[:2] if status == 206 else CONTENT)


async def test_a_file_that_the_client_has_is_not_sent(client: httpx.AsyncClient) -> None:
    etag, modified = (await client.get("/file")).headers["etag"], "Fri, 02 Jan 1970 00:00:00 GMT"
    later, before, other = "Fri, 02 Jan 1970 00:00:01 GMT", "Thu, 01 Jan 1970 23:59:59 GMT", '"a, b"'
    for conditions, status in [
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": f"{other}, W/{etag}"}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": other}, 200),
        ({"If-None-Match": etag.strip('"')}, 200),
        ({"If-None-Match": ""}, 200),
        ({"If-None-Match": other, "If-Modified-Since": modified}, 200),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": later}, 304),
        ({"If-Modified-Since": before}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Modified-Since": "Fri, 02 Jan 1970 00:00:00 -0000"}, 200),
        ({"If-None-Match": etag, "Range": "bytes=0-1"}, 304),
        ({"If-None-Match": other, "Range": "bytes=0-1"}, 206),
    ]:
        answer = await client.get("/file", headers=conditions)
        assert answer.status_code == status, conditions
        assert answer.headers["etag"] == etag
        assert (answer.content == b"") == (status == 304)
    assert (await client.head("/file", headers={"If-None-Match": etag})).status_code == 304
    assert (await client.post("/file", headers={"If-None-Match": "*"})).status_code == 201


async def test_only_a_200_has_ranges(client: httpx.AsyncClient) -> None:
    answer = await client.post("/file", headers={"Range": "bytes=0-1"})
    assert (answer.status_code, answer.content) == (201, CONTENT)
    answer = await client.get("/partial", headers={"Range": "bytes=0-1"})
    assert (answer.status_code, answer.content) == (206, b"")


async def test_a_path_is_a_file_unless_json_was_promised(client: httpx.AsyncClient, file: Path) -> None:
    answer = await client.get("/named", headers={"Range": "bytes=98-"})
    assert (answer.status_code, answer.content) == (206, CONTENT[98:])
    assert answer.headers["content-type"] == "text/plain"
    assert (await client.get("/path")).json() == str(file)
