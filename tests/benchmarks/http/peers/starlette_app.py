"""Starlette, bare: routes, requests and responses, and nothing checked."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

JSON = "application/json"


def app() -> Starlette:
    return Starlette(
        routes=[
            Route("/hello/{name}", hello, methods=["GET"]),
            Route("/orders", create_order, methods=["POST"]),
        ]
    )


async def hello(request: Request) -> Response:
    n = int(request.query_params.get("n", "1"))
    return _json(200, {"message": f"hello {request.path_params['name']}", "n": n})


async def create_order(request: Request) -> Response:
    return _json(201, {"id": 42, **orjson.loads(await request.body())})


def _json(status: int, value: Any) -> Response:
    return Response(orjson.dumps(value), status, media_type=JSON)
