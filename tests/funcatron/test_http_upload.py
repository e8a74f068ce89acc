"""Large bodies through the door: stored, in pieces, in forms; limits, and clients that go away."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import pytest

from funcatron import Funcatron
from funcatron.errors import SpecError
from funcatron.http.upload import IN_MEMORY
from funcatron.testing import application, assert_same_on_every_door
from funcatron.testing.doors import finish

pytestmark = pytest.mark.anyio

BYTES = {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
FORM_SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "photo": {"type": "string", "format": "binary"}},
}
FORM = {"required": True, "content": {"multipart/form-data": {"schema": FORM_SCHEMA}}}
KINDS = ("stored", "pieces", "apieces")


def spec(**operations: Any) -> dict[str, Any]:
    paths = {
        f"/{name}": {"post": {"operationId": name, "responses": {"default": {"description": ""}}, **operation}}
        for name, operation in operations.items()
    }
    return {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths}


OPERATIONS = {name: {"requestBody": BYTES} for name in KINDS}
SPEC = spec(**OPERATIONS, form={"requestBody": FORM})


def seen(digest: Any, size: int) -> Any:
    return {"size": size, "sha256": digest.hexdigest()}


def stored(body: BinaryIO) -> Any:
    assert body.read(0) == b""
    content = body.read()
    return seen(hashlib.sha256(content), len(content))


def pieces(body: Iterator[bytes]) -> Any:
    digest, size = hashlib.sha256(), 0
    for piece in body:
        digest.update(piece)
        size += len(piece)
    return seen(digest, size)


async def apieces(body: AsyncIterator[bytes]) -> Any:
    digest, size = hashlib.sha256(), 0
    async for piece in body:
        digest.update(piece)
        size += len(piece)
    return seen(digest, size)


def form(body: Any, photo: Any) -> Any:
    return {"title": body.get("title"), "size": photo.size, "on_disk": photo.file._rolled}


HANDLERS = {"stored": stored, "pieces": pieces, "apieces": apieces, "form": form}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def made(**settings: Any) -> Funcatron:
    return application(SPEC, handlers=HANDLERS, **{"max_body": 1000, "max_upload": 4 * IN_MEMORY, **settings})


def client_of(app: Funcatron) -> httpx.AsyncClient:
    headers = {"Content-Type": "application/octet-stream"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 1001, 3 * IN_MEMORY])
async def test_a_body_beyond_max_body_is_received_whole(kind: str, size: int) -> None:
    content = bytes(range(251)) * (size // 251) + b"x" * (size % 251)
    answer = await client_of(made()).post(f"/{kind}", content=content)
    assert answer.json() == seen(hashlib.sha256(content), size)


@pytest.mark.parametrize("kind", KINDS)
async def test_it_has_a_limit_of_its_own(kind: str) -> None:
    async def chunked() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield b"x" * IN_MEMORY

    client = client_of(made())
    for content in (b"x" * (4 * IN_MEMORY + 1), chunked()):
        answer = await client.post(f"/{kind}", content=content)
        assert (answer.status_code, answer.json()["limit"]) == (413, 4 * IN_MEMORY)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_limit_is_max_body_unless_it_is_set(kind: str) -> None:
    client = client_of(application(SPEC, handlers=HANDLERS, max_body=1000))
    assert (await client.post(f"/{kind}", content=b"x" * 1000)).status_code == 200
    assert (await client.post(f"/{kind}", content=b"x" * 1001)).status_code == 413


@pytest.mark.parametrize("kind", KINDS)
async def test_an_empty_body_is_none(kind: str) -> None:
    answer = await client_of(made()).post(f"/{kind}", content=b"")
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"pointer": "/body", "message": "is required"}]


def temporary_files() -> int:
    """How many files this process has open that have no name."""
    return sum(one.readlink().name.endswith("(deleted)") for one in Path("/proc/self/fd").iterdir() if one.is_symlink())


@pytest.mark.parametrize("kind", KINDS)
async def test_of_a_client_that_goes_away_nothing_stays(kind: str) -> None:
    ended: list[Any] = []

    async def gone(scope: Any) -> None:
        messages = iter([{"type": "http.request", "body": b"x" * 2 * IN_MEMORY, "more_body": True}])

        async def receive() -> Any:
            return next(messages, {"type": "http.disconnect"})

        async def send(message: Any) -> None:
            ended.append(message)

        await made()(scope, receive, send)

    scope = {
        "type": "http", "method": "POST", "path": f"/{kind}", "raw_path": b"", "query_string": b"", "root_path": "",
        "scheme": "http", "server": ("test", 80), "headers": [(b"content-type", b"application/octet-stream")],
    }  # fmt: skip
    before = temporary_files()
    await gone(scope)
    statuses = [message["status"] for message in ended if "status" in message]
    assert statuses == ([] if kind == "stored" else [400])  # the handler had begun; nobody sees the answer
    assert temporary_files() == before


async def test_files_of_a_form_may_be_larger_than_its_fields() -> None:
    client = client_of(made())
    del client.headers["Content-Type"]
    answer = await client.post("/form", data={"title": "t"}, files={"photo": b"x" * (2 * IN_MEMORY)})
    assert answer.json() == {"title": "t", "size": 2 * IN_MEMORY, "on_disk": True}
    answer = await client.post("/form", files={"photo": b"x" * (5 * IN_MEMORY)})
    assert (answer.status_code, answer.json()["limit"]) == (413, 4 * IN_MEMORY)
    fields = {f"f{n}": "x" * 300 for n in range(4)}
    answer = await client.post("/form", data=fields, files={"photo": b"x"})
    assert (answer.status_code, answer.json()["limit"]) == (413, 1000)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_that_is_kept_is_received_first(kind: str) -> None:
    """For an Idempotency-Key and for a record somebody else reads it too."""
    client, key = client_of(made()), {"Idempotency-Key": "k"}
    content = b"x" * 2000
    first = await client.post(f"/{kind}", content=content, headers=key)
    again = await client.post(f"/{kind}", content=content, headers=key)
    assert first.json() == again.json() == seen(hashlib.sha256(content), 2000)
    assert "idempotency-replayed" in again.headers
    assert (await client.post(f"/{kind}", content=b"other", headers=key)).status_code == 422


@pytest.mark.parametrize("size", [17 * 2**20])
async def test_a_key_tells_files_apart_that_are_too_large_to_keep(size: int) -> None:
    client, key = client_of(made(max_upload=32 * 2**20)), {"Idempotency-Key": "k"}
    first = await client.post("/stored", content=b"x" * size, headers=key)
    assert first.json()["size"] == size
    again = await client.post("/stored", content=b"x" * size, headers=key)
    assert "idempotency-replayed" in again.headers
    assert (await client.post("/stored", content=b"y" * size, headers=key)).status_code == 422


@pytest.mark.parametrize("kind", KINDS)
async def test_later_it_is_as_large_as_a_record_may_be(kind: str) -> None:
    app = made(max_message=5000, max_upload=20 * 2**20)
    client, later = client_of(app), {"Prefer": "respond-async"}
    answer = await client.post(f"/{kind}", content=b"x" * 2000, headers=later)
    assert answer.status_code == 202
    await finish(app)
    result = await client.get(answer.json()["links"]["result"])
    assert result.json() == seen(hashlib.sha256(b"x" * 2000), 2000)
    for size in (6000, 18 * 2**20):
        answer = await client.post(f"/{kind}", content=b"x" * size, headers=later)
        assert (answer.status_code, answer.json()["limit"]) == (413, 5000)


async def test_an_answer_may_be_streamed_while_the_body_arrives() -> None:
    async def echo(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in body:
            yield piece.upper()

    asked = asyncio.Event()

    async def content() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b", b"c"):
            yield piece
            await asyncio.sleep(0)
        asked.set()

    response = {"description": "", "content": {"application/octet-stream": {}}}
    operation = {"requestBody": BYTES, "responses": {"200": response}}
    app = application(spec(echo=operation), handlers={"echo": echo})
    answer = await client_of(app).post("/echo", content=content())
    assert (answer.content, asked.is_set()) == (b"ABC", True)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_same_on_every_door(kind: str) -> None:
    outcome = assert_same_on_every_door(spec(**OPERATIONS), kind, {"body": "abc"}, handlers=HANDLERS)
    assert outcome.body == seen(hashlib.sha256(b"abc"), 3)


def test_pieces_that_are_waited_for_are_not_for_the_event_loop() -> None:
    async def waiting(body: Iterator[bytes]) -> Any: ...

    with pytest.raises(SpecError, match=r"'body' is read on the event loop: annotate it with AsyncIterator\[bytes\]"):
        _ = application(spec(waiting={"requestBody": BYTES}), handlers={"waiting": waiting}).registry


@pytest.mark.parametrize("media_type", ["application/json", "multipart/form-data", "application/problem+json"])
def test_what_is_parsed_cannot_be_a_file(media_type: str) -> None:
    document = spec(stored={"requestBody": {"content": {media_type: {}, "text/plain": {}}}})
    with pytest.raises(
        SpecError, match=f"to be read as a file or in pieces, but {media_type.replace('+', '.')} is parsed"
    ):
        _ = application(document, handlers=HANDLERS).registry
