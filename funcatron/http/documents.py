"""``/openapi.json`` and ``/openapi.yaml``: each document as its author wrote it, bundled, with its servers adjusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import yaml
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.codec import decode_json, encode_json
from funcatron.spec.document import Document

__all__ = ["JSON_PATH", "document_routes", "root_routes"]

JSON_PATH = "/openapi.json"
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def document_routes(document: Document, *, open_to_all: bool = False) -> Iterator[tuple[str, ASGIApp]]:
    """Yield the paths at which a document is served, and what serves it there.

    With ``open_to_all`` it says that its security requirements are optional: a server that asks for nothing says so.
    """
    yield from _forms(document, document.base_path, open_to_all)


def root_routes(documents: Sequence[Document], *, ui: bool = True) -> Iterator[tuple[str, ASGIApp]]:
    """Yield the paths of the first document and its Swagger UI at the root, where no document of its own is served."""
    if documents and all(document.base_path for document in documents):
        yield from _forms(documents[0], "", False)
        for path in ("/ui", "/ui/") if ui else ():
            yield path, _Redirect(documents[0].base_path + "/ui/")


def _forms(document: Document, at: str, open_to_all: bool) -> Iterator[tuple[str, ASGIApp]]:
    json = _Served(document, "application/json", open_to_all)
    yield at + JSON_PATH, json
    yield at + "/openapi.yaml", _Served(document, "application/yaml", open_to_all)  # RFC 9512
    if document.version[0] == 2:
        yield at + "/swagger.json", json


class _Redirect:
    """Leads to another path of this server."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer any method (ASGI)."""
        await RedirectResponse(_root_path(scope) + self._path)(scope, receive, send)


def _optional(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with no credential required, for the whole of it and for each operation."""

    def opened(fields: Mapping[str, Any]) -> dict[str, Any]:
        security = fields.get("security")
        return dict(fields) if not security or {} in security else {**fields, "security": [*security, {}]}

    paths = {
        path: {
            method: opened(fields) if isinstance(fields, Mapping) else fields for method, fields in path_item.items()
        }
        for path, path_item in content.get("paths", {}).items()
    }
    return {**opened(content), "paths": paths}


def _root_path(scope: Scope) -> str:
    root_path: str = scope.get("app_root_path", scope.get("root_path", ""))
    return root_path.rstrip("/")


class _Served:
    """One form of one document; encoded once for each path below which a proxy mounts the server."""

    def __init__(self, document: Document, media_type: str, open_to_all: bool) -> None:
        self._document = document
        self._media_type = media_type
        self._open_to_all = open_to_all
        self._content = lru_cache(8)(self._encode)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD (ASGI)."""
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        await Response(self._content(_root_path(scope)), media_type=self._media_type)(scope, receive, send)

    def _encode(self, root_path: str) -> bytes:
        content = dict(self._document.content)
        if self._open_to_all:
            content = _optional(content)
        base_path = root_path + self._document.base_path or "/"
        if self._document.version[0] == 2:
            content.pop("host", None)
            content.pop("schemes", None)
            content["basePath"] = base_path
        else:
            content["servers"] = [{"url": base_path}]
        encoded = encode_json(content)
        if self._media_type == "application/json":
            return encoded
        dumped: bytes = yaml.dump(
            decode_json(encoded), Dumper=_DUMPER, sort_keys=False, allow_unicode=True, encoding="utf-8"
        )
        return dumped
