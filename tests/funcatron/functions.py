"""Functions made of an Operation Object and a handler, without a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

import pytest

from funcatron.errors import SpecError
from funcatron.registry import Function, build_registry
from funcatron.spec.document import load

__all__ = ["complaints", "document", "json_body", "make", "named", "parameter"]


def document(
    *,
    method: str = "post",
    extension: dict[str, Any] | None = None,
    more: dict[str, Any] | None = None,
    **operation: Any,
) -> dict[str, Any]:
    """Return a document with the one operation ``f``; ``extension`` is its ``x-funcatron``, ``more`` are members of
    the document itself.
    """
    in_path = [p["name"] for p in operation.get("parameters", ()) if p.get("in") == "path"]
    path = "/f" + "".join(f"/{{{name}}}" for name in in_path)
    described = {"operationId": "f", "responses": {"200": {"description": "ok"}}, **operation}
    if extension is not None:
        described["x-funcatron"] = extension
    version = {} if "swagger" in (more or {}) else {"openapi": "3.0.3"}
    return {**version, "info": {"title": "t", "version": "1"}, "paths": {path: {method: described}}, **(more or {})}


def make(
    handler: Callable[..., Any], *, services: Collection[str] = (), validate: bool = True, **operation: Any
) -> Function:
    """Return the Function of a handler and the members of its operation; raises SpecError as a registry does."""
    documents = [load(document(**operation))]
    registry = build_registry(documents, handlers=lambda name: handler, services=services, validate_responses=validate)
    return registry.get("f")


def complaints(handler: Callable[..., Any], **operation: Any) -> list[str]:
    """Return what is said of a handler that does not fit its operation."""
    with pytest.raises(SpecError) as raised:
        make(handler, **operation)
    return [mistake.message for mistake in raised.value.mistakes]


def parameter(name: str, location: str = "query", schema: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a Parameter Object, a string unless a schema is given."""
    required = {"required": True} if location == "path" else {}
    return {"name": name, "in": location, "schema": schema or {"type": "string"}, **required, **more}


def json_body(schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    """Return a Request Body Object of JSON."""
    return {"content": {"application/json": {"schema": schema}}, "required": required}


def named(value: Any) -> str:
    """Return an id for a parameter: its repr, without the address that differs in each process of the tests."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
