"""A document of five hundred operations, as a company's API grows to be: a hundred resources, five operations each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

__all__ = ["RESOURCES", "document", "handler", "written"]

RESOURCES = 100


def document(resources: int = RESOURCES) -> dict[str, Any]:
    """Return the document; ``/resource0`` comes first and ``/resource99`` last."""
    paths: dict[str, Any] = {}
    for number in range(resources):
        paths |= _resource(number)
    schemas = {f"Thing{number}": _schema(number) for number in range(resources)}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Big", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def written(folder: Path, resources: int = RESOURCES) -> Path:
    """Write the document as YAML, as its authors would keep it, and return its path."""
    path = folder / "big.yaml"
    path.write_text(yaml.safe_dump(document(resources), sort_keys=False))
    return path


def handler(operation_id: str) -> Any:
    """Return the handler of an operation."""
    return HANDLERS[operation_id.partition("_")[0]]


async def list_things(limit: int) -> list[dict[str, Any]]:
    return [{"id": str(number)} for number in range(limit)]


async def create_thing(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    return body, 201


async def get_thing(key: str) -> dict[str, Any]:
    return {"id": key}


async def replace_thing(key: str, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "id": key}


async def delete_thing(key: str) -> tuple[None, int]:
    return None, 204


HANDLERS: dict[str, Any] = {
    "list": list_things,
    "create": create_thing,
    "get": get_thing,
    "replace": replace_thing,
    "delete": delete_thing,
}


def _resource(number: int) -> dict[str, Any]:
    thing = {"$ref": f"#/components/schemas/Thing{number}"}
    body = {"required": True, "content": {"application/json": {"schema": thing}}}
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}}
    key = {"name": "key", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 64}}
    return {
        f"/resource{number}": {
            "get": _operation("list", number, "200", {"type": "array", "items": thing}, parameters=[limit]),
            "post": _operation("create", number, "201", thing, requestBody=body),
        },
        f"/resource{number}/{{key}}": {
            "get": _operation("get", number, "200", thing, parameters=[key]),
            "put": _operation("replace", number, "200", thing, parameters=[key], requestBody=body),
            "delete": _operation("delete", number, "204", None, parameters=[key]),
        },
    }


def _operation(verb: str, number: int, status: str, schema: Any, **described: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": f"What {verb} answers"}
    if schema is not None:
        answer["content"] = {"application/json": {"schema": schema}}
    return {
        "operationId": f"{verb}_resource{number}",
        "summary": f"{verb.capitalize()} what there is of resource {number}",
        "description": "A paragraph about what this operation does, as an author would have written it. " * 2,
        "tags": [f"resource{number}"],
        **described,
        "responses": {status: answer, "default": {"description": "A problem"}},
    }


def _schema(number: int) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["id"],
        "description": f"A thing of resource {number}",
        "properties": {
            "id": {"type": "string", "maxLength": 64, "example": f"thing-{number}"},
            "name": {"type": "string", "minLength": 1, "maxLength": 80, "description": "What people call it"},
            "kind": {"type": "string", "enum": ["small", "large", "other"]},
            "price": {"type": "number", "minimum": 0},
            "tags": {"type": "array", "maxItems": 10, "items": {"type": "string", "minLength": 1}},
            "made": {"type": "string", "format": "date-time"},
            "place": {
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}, "country": {"type": "string"}},
            },
        },
    }
