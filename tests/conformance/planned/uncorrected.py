"""Documents and requests that nothing is corrected of: there a corrected application is to answer as connexion does."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

from tests.conformance.planned.api import METHODS, Api
from tests.conformance.planned.requests import Request

__all__ = ["is_uncorrected", "uncorrected"]

FORMATS = ("date-time", "uuid")
SHOWN = ("/openapi.json", "/openapi.yaml", "/swagger.json", "/swagger.yaml")


def uncorrected(api: Api) -> Api:
    """Return a document without ``readOnly``, the formats that are corrected, and typed headers and cookies.

    None of its handlers is an async generator.
    """
    document = deepcopy(api.document)
    for item in document["paths"].values():
        for holder in (item, *(item[method] for method in METHODS if method in item)):
            if "parameters" in holder:
                holder["parameters"] = [one for one in holder["parameters"] if not _is_typed(api.resolved(one))]
    return replace(api, document=_without(document), options={**api.options, "generators": False})


def is_uncorrected(asked: Request) -> bool:
    """Whether connexion's answer to a request is to be a corrected application's, too.

    Not where a body comes in chunks or is no text in its charset, and not where the document is shown, which may
    contain itself.
    """
    names = {name for name, _ in asked.headers}
    chunked = b"transfer-encoding" in names and b"content-length" not in names
    odd = not asked.is_text() or any(b"charset=utf-16" in text.lower() for _, text in asked.headers)
    return not (chunked or odd or asked.raw_path.endswith(SHOWN))


def _is_typed(parameter: dict[str, Any]) -> bool:
    kind = parameter.get("schema", parameter).get("type")
    return parameter["in"] in ("header", "cookie") and kind != "string"


def _without(node: Any) -> Any:
    if isinstance(node, list):
        return [_without(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {key: _without(below) for key, below in node.items() if not _is_corrected(key, below)}


def _is_corrected(key: str, below: Any) -> bool:
    return (key == "readOnly" and not isinstance(below, dict)) or (key == "format" and below in FORMATS)
