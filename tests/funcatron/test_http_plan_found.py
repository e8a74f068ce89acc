"""What the differential fuzz found, each case by itself: connexion and its planned heir answer alike."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from connexion import AsyncApp
from connexion.resolver import Resolver
from connexion.uri_parsing import FirstValueURIParser, OpenAPIURIParser
from starlette.types import Message

from funcatron.http import PlannedApp

OK = {"200": {"description": "", "content": {"application/json": {}}}}
Answer = tuple[int, bytes]


async def handler(**arguments: Any) -> Any:
    return {name: str(value) for name, value in arguments.items()}


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def document(operation: dict[str, Any], path: str = "/a", **more: Any) -> dict[str, Any]:
    """Return a document of one POST; OpenAPI 3.0 unless ``more`` says ``swagger``."""
    version = {} if "swagger" in more else {"openapi": "3.0.3"}
    operation = {"operationId": "f", "responses": OK, **operation}
    return {**version, "info": {"title": "a", "version": "1"}, "paths": {path: {"post": operation}}, **more}


async def _ask(app: AsyncApp, path: str, query: bytes, headers: dict[str, str], chunks: list[bytes]) -> Answer:
    sent: list[Message] = []
    messages = iter(chunks)
    left = len(chunks)

    async def receive() -> Message:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(messages), "more_body": left > 0}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
        "server": ("testserver", 80),
    }
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def same(
    made: dict[str, Any],
    *,
    path: str = "/a",
    query: bytes = b"",
    headers: dict[str, str] | None = None,
    chunks: tuple[bytes, ...] = (b"",),
    **options: Any,
) -> int:
    """Serve a request with both; return the status that both answer."""
    statuses = []
    answers = []
    for kind in (AsyncApp, PlannedApp):
        app = kind("found", **options)
        app.add_api(made, resolver=Resolver(lambda name: handler))
        status, body = asyncio.run(_ask(app, path, query, headers or {}, list(chunks)))
        statuses.append(status)
        answers.append(body.replace(b" ", b"").replace(b"\n", b""))
    assert statuses[0] == statuses[1]
    assert answers[0] == answers[1]
    return statuses[0]


@pytest.mark.parametrize("chunks", [(b"\n{}\n",), (b"\n", b"", b"{}\n")])
def test_what_stands_before_the_first_boundary_depends_on_its_chunks(chunks: tuple[bytes, ...]) -> None:
    body = {"content": {"multipart/form-data": {"schema": {"type": "object"}}}}
    headers = {"content-type": "multipart/form-data; boundary=b", "content-length": "4"}
    expected = 200 if len(chunks) == 1 else 500
    assert same(document({"requestBody": body}), headers=headers, chunks=chunks) == expected


def test_a_parser_for_the_other_version_of_openapi() -> None:
    parameter = {"name": "n", "in": "query", "schema": {"type": "integer"}}
    made = document({"parameters": [parameter]})
    assert same(made, query=b"n=1", uri_parser_class=FirstValueURIParser) == 500
    assert same(made, uri_parser_class=FirstValueURIParser) == 200
    listed = {"name": "n", "in": "query", "type": "array", "items": {"type": "integer"}}
    made = document({"parameters": [listed], "responses": {"200": {"description": ""}}}, swagger="2.0")
    assert same(made, query=b"n=12", uri_parser_class=OpenAPIURIParser) == 200  # as 1 and 2
