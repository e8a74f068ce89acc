"""The handlers and the security functions of the fuzz: they note what they see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from connexion import context, request
from connexion.context import operation
from connexion.exceptions import OAuthProblem

__all__ = ["HANDLERS", "NEXT", "SEEN", "akey", "basic", "bearer", "generating", "key", "oauth"]

SEEN: list[Any] = []
"""What the last request's functions saw."""

NEXT: list[Any] = [None]
"""What the next handler returns, or raises."""


def _judge(kind: str, secret: str) -> dict[str, Any] | None:
    SEEN.append((kind, secret))
    if secret == "boom":
        raise ValueError("a security function fails")
    if secret == "never":
        raise OAuthProblem(detail="never")
    return {"sub": "ann", "uid": 1, "scope": ["read"] if secret == "reader" else []} if secret != "bad" else None


def key(secret: str, required_scopes: Any = None) -> Any:
    return _judge("key", secret)


async def akey(secret: str) -> Any:
    return _judge("akey", secret)


def basic(username: str, password: str) -> Any:
    return _judge("basic", password)


def bearer(token: str, request: Any) -> Any:
    SEEN.append(("method", request.method, sorted(request.path_params.items())))
    return _judge("bearer", token)


async def oauth(token: str) -> Any:
    return _judge("oauth", token)


def _see(arguments: dict[str, Any]) -> Any:
    context = arguments.pop("context_", None)
    SEEN.append(sorted((name, described(value)) for name, value in arguments.items()))
    SEEN.append(None if context is None else sorted(context.items(), key=repr))
    SEEN.append((request.method, dict(request.scope["path_params"]), str(request.url)))
    if isinstance(NEXT[0], Exception):
        raise NEXT[0]
    return NEXT[0]() if callable(NEXT[0]) else fresh(NEXT[0])


def fresh(value: Any) -> Any:
    """Return a copy: connexion writes into the headers that a handler returns."""
    if type(value) is dict:
        return {name: fresh(below) for name, below in value.items()}
    if type(value) in (list, tuple):
        return type(value)(fresh(below) for below in value)
    return value


def described(value: Any) -> Any:
    """Return a value with its types, so that 1, 1.0 and True differ; files by name and content."""
    if isinstance(value, dict):
        return ("dict", [(name, described(below)) for name, below in value.items()])
    if isinstance(value, list):
        return ("list", [described(below) for below in value])
    if hasattr(value, "filename"):
        return ("file", value.filename, value.file.read(), sorted(value.headers.items()))
    return (type(value).__name__, repr(value))


async def every(**arguments: Any) -> Any:
    return _see(arguments)


async def named(
    p: Any = None, q: Any = None, p_x: Any = None, tail: Any = None, n: Any = None, body: Any = None, user: Any = None
) -> Any:
    return _see({"p": p, "q": q, "p_x": p_x, "tail": tail, "n": n, "body": body, "user": user})


def blocking(body: Any = "none", token_info: Any = None, context_: Any = None, **arguments: Any) -> Any:
    return _see({"body": body, "token_info": token_info, "context_": context_, **arguments})


async def reading(p: Any = None, q: Any = None, p_x: Any = None, tail: Any = None, n: Any = None) -> Any:
    """Reads the body itself, which connexion allows where it is no argument, and no form of OpenAPI 2.0."""
    form = "form" in request.headers.get("content-type", "")
    return _see({"p": p, "q": q, "p_x": p_x, "n": n, "read": None if form else await request.body()})


async def nothing() -> Any:
    return _see({})


async def forms(
    p: Any = None,
    q: Any = None,
    p_x: Any = None,
    tail: Any = None,
    a: Any = None,
    file: Any = None,
    files: Any = None,
    payload: Any = None,
    body: Any = None,
) -> Any:
    return _see({"p": p, "q": q, "a": a, "file": file, "files": files, "payload": payload, "body": body})


async def asking(**arguments: Any) -> Any:
    """Asks connexion's request and operation for all that they know."""
    SEEN.append(described(dict(request.query_params)))
    SEEN.append(described(dict(request.path_params)))
    SEEN.append((request.mimetype, request.content_type, sorted(request.cookies.items()), str(request.base_url)))
    SEEN.append((sorted(request.headers.items()), operation.operation_id, sorted(context.items(), key=repr)))
    SEEN.append(sorted(key for key in request.scope if not key.startswith("starlette")))
    return _see(arguments)


async def parsing(p: Any = None, q: Any = None, p_x: Any = None, tail: Any = None) -> Any:
    """Parses the body itself."""
    if request.mimetype == "application/json":
        SEEN.append(described(await request.json()))
    return _see({"p": p, "q": q, "p_x": p_x, "tail": tail})


def streaming(**arguments: Any) -> Any:
    """Returns what no plan answers itself."""
    _see(arguments)
    return (str(number) for number in range(3))


async def generating(**arguments: Any) -> AsyncIterator[str]:
    """Yields its answer, which connexion does not know what to do with, and a corrected application sends."""
    yield "a"
    _see(arguments)
    yield "b"


HANDLERS = (every, named, blocking, reading, nothing, forms, asking, every, parsing, named, streaming, forms)
