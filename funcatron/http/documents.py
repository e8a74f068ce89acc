"""``/openapi.json`` and ``/openapi.yaml``: each document as its author wrote it, bundled, with its servers adjusted."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import Response

from funcatron.codec import decode_json, encode_json
from funcatron.spec.document import Document

__all__ = ["DocumentRoutes"]

JSON_PATH = "/openapi.json"
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class DocumentRoutes:
    """Serves one document; it is encoded once for each path below which a proxy mounts the server."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._json = lru_cache(8)(self._encode)
        self._yaml = lru_cache(8)(self._dump)

    async def json(self, request: Request) -> Response:
        """Answer ``/openapi.json``."""
        return Response(self._json(_root_path(request)), media_type="application/json")

    async def yaml(self, request: Request) -> Response:
        """Answer ``/openapi.yaml`` (the media type is that of RFC 9512)."""
        return Response(self._yaml(_root_path(request)), media_type="application/yaml")

    def _encode(self, root_path: str) -> bytes:
        base_path = root_path + self._document.base_path
        content = dict(self._document.content)
        if self._document.version[0] == 2:
            content.pop("host", None)
            content.pop("schemes", None)
            content["basePath"] = base_path or "/"
        else:
            content["servers"] = [{"url": base_path or "/"}]
        return encode_json(content)

    def _dump(self, root_path: str) -> bytes:
        content = decode_json(self._json(root_path))
        dumped: bytes = yaml.dump(content, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, encoding="utf-8")
        return dumped


def _root_path(request: Request) -> str:
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/")
