"""A bare ASGI callable: it decodes, it encodes, and it checks nothing. No framework can cost less than this."""

from __future__ import annotations

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send


def app() -> ASGIApp:
    return serve


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["path"] == "/orders":
        await answer(send, 201, {"id": 42, **orjson.loads(await body(receive))})
    elif not scope["path"].startswith("/hello/"):
        await answer(send, 404, {"title": "Not Found"})
    else:
        n = int(scope["query_string"].removeprefix(b"n=") or 1)
        await answer(send, 200, {"message": "hello " + scope["path"][len("/hello/") :], "n": n})


async def body(receive: Receive) -> bytes:
    message = await receive()
    content: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        content += message.get("body", b"")
    return content


async def answer(send: Send, status: int, value: object) -> None:
    content = orjson.dumps(value)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
