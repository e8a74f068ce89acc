"""Handlers written for connexion run unchanged: every request is answered as connexion's own AsyncApp answers it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from funcatron.http import build_door
from funcatron.testing import application

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent / "connexion_app"
BASIC = ("alice", "wonder")
FILES = [("photo", ("me.png", b"PNG")), ("pages", ("1.txt", b"1")), ("pages", ("2.txt", b"2"))]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def apps() -> Iterator[tuple[Any, Any]]:
    """connexion itself, and funcatron, with the same documents and handlers."""
    assert build_door  # it imports connexion without its warnings
    import connexion

    sys.path.insert(0, str(FOLDER))
    stock = connexion.AsyncApp("stock", specification_dir=str(FOLDER))
    stock.add_api("openapi.yaml", name="three")
    stock.add_api("swagger.yaml", name="two")
    yield stock, application(FOLDER / "openapi.yaml", FOLDER / "swagger.yaml")
    sys.path.remove(str(FOLDER))


REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/v3/basic", {"auth": BASIC}),
    ("GET", "/v3/basic", {"auth": ("alice", "wrong")}),
    ("GET", "/v3/basic", {}),
    ("GET", "/v3/basic", {"headers": {"Authorization": "Basic"}}),
    ("GET", "/v3/basic", {"headers": {"Authorization": "Basic !!!"}}),
    ("GET", "/v3/bearer", {"headers": {"Authorization": "Bearer t-1"}}),
    ("GET", "/v3/bearer", {"headers": {"Authorization": "Bearer x"}}),
    ("GET", "/v3/bearer", {"headers": {"Authorization": "Bearer broken"}}),
    ("GET", "/v3/key", {"headers": {"X-Key": "k1"}}),
    ("GET", "/v3/key", {"headers": {"X-Key": "k2"}}),
    ("GET", "/v3/context?key=k1", {}),
    ("GET", "/v3/context", {"headers": {"Cookie": "key=k1"}}),
    ("GET", "/v3/context", {}),
    ("GET", "/v3/optional", {}),
    ("GET", "/v3/optional", {"auth": BASIC}),
    ("GET", "/v3/items/7", {}),
    ("GET", "/v3/items/7?limit=3&tags=a&tags=b&flag=true", {}),
    ("GET", "/v3/items/-7?limit=9&limit=3&flag=null", {}),
    ("POST", "/v3/order", {"json": {"a": [1, None, "ü"]}}),
    ("POST", "/v3/plain", {"content": "ü", "headers": {"Content-Type": "text/plain"}}),
    ("POST", "/v3/plain", {"content": "ü", "headers": {"Content-Type": "application/octet-stream"}}),
    ("POST", "/v3/form", {"data": {"name": "J D", "age": "7", "tags": ["a", "b"]}}),
    ("POST", "/v3/upload", {"data": {"title": "x"}, "files": FILES[:1]}),
    ("POST", "/v3/upload", {"data": {"title": "x"}, "files": FILES}),
    ("POST", "/v3/upload", {"files": FILES[1:]}),
    *[
        ("GET", f"/v3/answers/{kind}", {})
        for kind in (
            "value",
            "status",
            "headers",
            "all",
            "none",
            "no_content",
            "list",
            "connexion",
            "json_response",
            "problem",
        )
    ],
    ("GET", "/v3/text", {}),
    ("GET", "/v3/stream", {}),
    ("GET", "/v3/seen/7?q=1", {"headers": {"X-Agent": "me"}}),
    ("GET", "/v3/nowhere", {}),
    ("GET", "/v2/me", {"auth": BASIC}),
    ("GET", "/v2/me", {}),
    ("POST", "/v2/form", {"data": {"name": "J", "age": "7"}}),
    ("POST", "/v2/form", {"data": {"name": "J"}}),
    ("POST", "/v2/upload", {"data": {"title": "x"}, "files": FILES[:1]}),
    ("POST", "/v2/order", {"json": {"a": 1}}),
    ("GET", "/v2/list?csv=1,2&pipes=a|b&multi=x&multi=y", {}),
]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # connexion does not close files
@pytest.mark.parametrize(("method", "path", "more"), REQUESTS, ids=lambda value: str(value)[:60])
async def test_the_answer_is_that_of_connexion(
    apps: tuple[Any, Any], method: str, path: str, more: dict[str, Any]
) -> None:
    answers = []
    for app in apps:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            answers.append(await client.request(method, path, **more))
    expected, answer = answers
    assert answer.status_code == expected.status_code, answer.text
    if answer.status_code != 204:  # connexion names the type of a body that is not there
        assert answer.headers.get("content-type") == expected.headers.get("content-type")
    if answer.status_code < 400:
        assert _content(answer) == _content(expected)
    else:
        assert answer.json()["status"] == expected.json()["status"]
    own = {"content-length", "content-type", "www-authenticate"}
    assert {k: v for k, v in answer.headers.items() if k not in own} == {
        k: v for k, v in expected.headers.items() if k not in own
    }


def _content(answer: httpx.Response) -> Any:
    return answer.json() if answer.content and answer.headers.get("content-type") == "application/json" else answer.text


@pytest.mark.parametrize(
    ("path", "challenge"),
    [
        ("/v3/basic", 'Basic realm="written for connexion"'),
        ("/v3/bearer", 'Bearer realm="written for connexion"'),
        ("/v3/key", 'ApiKey realm="written for connexion", in="header", name="X-Key"'),
        ("/v2/me", 'Basic realm="written for connexion"'),
    ],
)
async def test_a_401_says_what_to_send(apps: tuple[Any, Any], path: str, challenge: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(apps[1]), base_url="http://test") as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers.get("www-authenticate")) == (401, challenge)
    assert answer.json()["detail"] == "No authorization token provided"


async def test_a_handler_may_read_the_body_again(apps: tuple[Any, Any]) -> None:
    """With connexion itself this waits for ever."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(apps[1]), base_url="http://test") as client:
        answer = await client.post("/v3/reread", json={"a": 1})
    assert answer.json() == {"body": {"a": 1}, "again": {"a": 1}}


async def test_uploaded_files_are_closed(apps: tuple[Any, Any]) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(apps[1]), base_url="http://test") as client:
        for files in (FILES, FILES[1:]):  # valid, and refused
            assert (await client.post("/v3/upload", files=files)).status_code in (200, 400)
