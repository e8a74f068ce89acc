"""Starlette, bare: routes, requests and responses, and nothing checked; with its own JSON, and with orjson."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

JSON = "application/json"


def app() -> Starlette:
    """As its documentation writes applications: ``request.json()`` and JSONResponse."""
    return _routed(hello, create_order)


def with_orjson() -> Starlette:
    """With the JSON that the bare ASGI callable has."""
    return _routed(quick_hello, quick_create_order)


def _routed(get: Any, post: Any) -> Starlette:
    return Starlette(routes=[Route("/hello/{name}", get, methods=["GET"]), Route("/orders", post, methods=["POST"])])


async def hello(request: Request) -> Response:
    return JSONResponse(_greeting(request))


async def create_order(request: Request) -> Response:
    return JSONResponse({"id": 42, **await request.json()}, 201)


async def quick_hello(request: Request) -> Response:
    return _json(200, _greeting(request))


async def quick_create_order(request: Request) -> Response:
    return _json(201, {"id": 42, **orjson.loads(await request.body())})


def _greeting(request: Request) -> dict[str, Any]:
    n = int(request.query_params.get("n", "1"))
    return {"message": f"hello {request.path_params['name']}", "n": n}


def _json(status: int, value: Any) -> Response:
    return Response(orjson.dumps(value), status, media_type=JSON)
