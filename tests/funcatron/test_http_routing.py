"""funcatron.http.routing: requests reach the operation that connexion's own routing finds, with the same scope."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.exceptions import HTTPException

from funcatron.http.routing import ChainedRouting

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _document(*operations: str) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in operations:
        method, path = operation.split()
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "format": kind}}
            for name, kind in (("id", "x"), ("other", "x"), ("rest", "path"))
            if f"{{{name}}}" in path
        ]
        answer = {"200": {"description": "ok"}}
        paths.setdefault(path, {})[method] = {"operationId": operation, "parameters": parameters, "responses": answer}
    return {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths}


DOCUMENTS = [
    ("/v1/deep", _document("get /x", "get /{id}/y")),
    ("/v1", _document("get /pets", "post /pets", "get /pets/{id}", "get /pets/mine", "get /x/", "put /files/{rest}")),
    ("/v1", _document("delete /pets", "get /more/{id}-{other}", "get /x")),
    ("", _document("get /v1/hidden", "get /v1", "get /top", "get /{id}")),
]
PATHS = [
    *("/v1/pets", "/v1/pets/7", "/v1/pets/mine", "/v1/pets/", "/v1/more/a-b-c", "/v1/more/a", "/v1/x", "/v1/x/"),
    *(
        "/v1/files/a/b",
        "/v1/files/",
        "/v1/hidden",
        "/v1/deep/x",
        "/v1/deep/7/y",
        "/v1/deep",
        "/v1",
        "/v1/",
        "/top",
        "/",
    ),
    *("/a%2Fb", "/a\nb", "/v1/pets/a\n", "//", "/top/", "*"),
]


HIDDEN_FROM_CONNEXION = {
    ("DELETE", "/v1/pets"): "delete /pets",
    ("GET", "/v1/x"): "get /x",
    ("HEAD", "/v1/x"): "get /x",
}
"""What connexion refuses, or redirects elsewhere, since a document before has the path for other methods."""


class Recorder:
    """The next application: keeps what it is given."""

    def __init__(self) -> None:
        self.seen: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen = scope["path_params"], scope["extensions"], scope.get("root_path"), scope["path"]


def _routing(kind: type[Any]) -> tuple[Any, Recorder]:
    from connexion.resolver import Resolver
    from connexion.spec import Specification

    recorder = Recorder()
    routing = kind(recorder)
    for base_path, document in DOCUMENTS:
        resolver = Resolver(lambda name: name)
        routing.add_api(Specification.from_dict(document), base_path=base_path, resolver=resolver)
    return routing, recorder


async def _answer(routing: Any, recorder: Recorder, method: str, path: str, root_path: str) -> Any:
    """Return what the next application was given, or what the router said itself."""
    said: list[Any] = []
    recorder.seen = None

    async def send(message: Any) -> None:
        said.append((message.get("status"), sorted(message.get("headers", []))))

    async def receive() -> Any:
        raise AssertionError("routing reads no body")

    scope = {"type": "http", "method": method, "path": root_path + path, "root_path": root_path, "query_string": b""}
    scope |= {"headers": [(b"host", b"here")], "scheme": "http", "extensions": {"kept": 1}, "path_params": {"kept": 2}}
    try:
        await routing(scope, receive, send)
    except HTTPException as error:
        return error.status_code, error.headers
    return recorder.seen or said


@pytest.mark.parametrize("root_path", ["", "/proxy"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
async def test_requests_are_routed_as_by_connexion(method: str, root_path: str) -> None:
    from connexion.middleware.routing import RoutingMiddleware

    ours, stock = _routing(ChainedRouting), _routing(RoutingMiddleware)
    for path in PATHS:
        if (method, path) not in HIDDEN_FROM_CONNEXION:
            expected = await _answer(*stock, method, path, root_path)
            assert await _answer(*ours, method, path, root_path) == expected, path


@pytest.mark.parametrize("root_path", ["", "/proxy"])
@pytest.mark.parametrize(("method", "path"), HIDDEN_FROM_CONNEXION)
async def test_an_operation_is_found_behind_another_documents_path(method: str, path: str, root_path: str) -> None:
    _, extensions, seen_root, seen_path = await _answer(*_routing(ChainedRouting), method, path, root_path)
    operation = HIDDEN_FROM_CONNEXION[method, path]
    assert extensions["connexion_routing"] == {"api_base_path": "/v1", "operation_id": operation}
    assert (seen_root, seen_path) == (root_path, root_path + path)


async def test_what_is_routed_by_the_trie_never_asks_connexions_router(monkeypatch: pytest.MonkeyPatch) -> None:
    routing, recorder = _routing(ChainedRouting)

    async def refuse(*_: object) -> None:
        raise AssertionError("connexion's router was asked")

    monkeypatch.setattr(routing, "router", refuse)
    for path in ("/v1/pets/7", "/v1/more/a-b", "/v1/deep/7/y", "/top"):
        assert await _answer(routing, recorder, "GET", path, "")
    with pytest.raises(AssertionError, match="was asked"):
        await _answer(routing, recorder, "GET", "/nowhere/at/all", "")
