"""OpenAPI 3.1 on every door: the same arguments seen, the same outcome; webhooks are functions without a route."""

from __future__ import annotations

from typing import Any

import pytest

from funcatron import Funcatron
from funcatron.testing import assert_same_on_every_door

ORDER = {
    "type": "object",
    "required": ["kind", "id"],
    "properties": {
        "kind": {"const": "tea"},
        "id": {"type": "integer", "readOnly": True},
        "amount": {"$ref": "#/components/schemas/Amount", "maximum": 10},
        "note": {"type": ["string", "null"]},
        "pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    },
    "unevaluatedProperties": False,
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1", "summary": "3.1 has one"},
    "paths": {
        "/orders/{place}": {
            "post": {
                "operationId": "shop.order",
                "parameters": [
                    {"name": "place", "in": "path", "required": True, "schema": {"type": ["integer", "string"]}},
                    {"name": "limit", "in": "query", "schema": {"type": ["integer", "null"], "exclusiveMinimum": 0}},
                    {"name": "tags", "in": "query", "schema": {"type": ["array"], "items": {"type": "string"}}},
                    {"name": "X-Depth", "in": "header", "schema": {"type": "number", "const": 1.5}},
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
                },
                "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": True}}}},
            }
        }
    },
    "webhooks": {
        "paid": {
            "post": {
                "operationId": "shop.paid",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}},
                "responses": {"200": {"description": "ok"}},
            }
        }
    },
    "components": {"schemas": {"Order": ORDER, "Amount": {"type": "integer", "exclusiveMinimum": 0}}},
}
WHOLE = {"kind": "tea", "amount": 3, "note": None, "pair": [1, "a"]}


def order(place: int | str, body: Any, limit: int | None = 5, tags: Any = (), x_depth: float = 0) -> dict[str, Any]:
    return {"place": place, "limit": limit, "tags": list(tags), "depth": x_depth, "body": body}


HANDLERS = {"shop.order": order, "shop.paid": lambda body: None}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"place": 1, "body": WHOLE}, 200),
        ({"place": "here", "limit": 2, "tags": ["a", "b"], "X-Depth": 1.5, "body": {"kind": "tea"}}, 200),
        ({"place": 1, "limit": 0, "X-Depth": 2.5, "body": {"kind": "coffee"}}, 400),
        ({"place": 1, "body": {"kind": "tea", "amount": 11, "pair": [1, "a", 2], "nte": "?"}}, 400),
    ],
)
def test_an_operation(arguments: dict[str, Any], status: int) -> None:
    outcome = assert_same_on_every_door(DOCUMENT, "shop.order", arguments, handlers=HANDLERS)
    assert outcome.status == status


def test_a_program_of_nothing_but_webhooks() -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != "paths"}
    (function,) = Funcatron(document, handlers=HANDLERS).registry
    assert (function.name, function.operation.route, function.operation.mode) == ("shop.paid", None, "async")
    outcome = assert_same_on_every_door(document, "shop.paid", {"body": {"kind": "tea"}}, handlers=HANDLERS)
    assert outcome.status in (200, 204)
