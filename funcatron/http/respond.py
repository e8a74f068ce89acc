"""From a Result to ASGI messages: the one place that writes answers.

Source: RFC 9110 (sections 6.4.1 and 15 on answers without content, 14 on ranges), RFC 9457 (problem details), ASGI 3.0.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from functools import lru_cache

from starlette.types import Message, Receive, Scope, Send

from funcatron.codec import encode_json
from funcatron.errors import PROBLEM_JSON, Problem
from funcatron.files import FileStream
from funcatron.headers import pairs
from funcatron.http.ranges import ranged
from funcatron.http.request import header_map
from funcatron.http.stream import until_disconnect
from funcatron.invocation import Result

__all__ = ["plain_start", "problem_result", "send_result"]

logger = logging.getLogger("funcatron.http")

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # a token, RFC 9110 section 5.6.2
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = frozenset({"content-length", "content-type", "transfer-encoding", "connection", "keep-alive"})
_EMPTY = frozenset({204, 304})
_FULL = frozenset(range(200, 600)) - _EMPTY
_JSON = (b"content-type", b"application/json")
Headers = list[tuple[bytes, bytes]]
_SHORT = 1024
_LENGTHS = [(b"content-length", b"%d" % length) for length in range(_SHORT)]
"""As most answers have them, made once."""


def problem_result(problem: Problem) -> Result:
    """Return a refusal as a Result, for what is refused before a function is reached."""
    members = problem.to_json()
    return Result(
        value=members,
        status=problem.status,
        headers=problem.headers,
        body=encode_json(members),
        content_type=PROBLEM_JSON,
        failure="handler",
    )


def plain_start(result: Result) -> Message | None:
    """Return the start of an answer that has bytes for a body and no headers of its own; None for all others."""
    body, content_type, status = result.body, result.content_type, result.status
    if result.headers or type(body) is not bytes or content_type is None or status not in _FULL:
        return None
    length = len(body)
    framing = _LENGTHS[length] if length < _SHORT else (b"content-length", b"%d" % length)
    known = _JSON if content_type == "application/json" else _content_type(content_type)
    return {"type": "http.response.start", "status": status, "headers": [known, framing]}


async def send_result(result: Result, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a Result as the answer to a request.

    HEAD, 1xx, 204 and 304 go without content; of a file goes what was asked for; a header that HTTP cannot carry turns
    the answer into a 500, with the header named in the log.
    """
    body = result.body
    try:
        if isinstance(body, FileStream):
            result = _ranged(result, scope)
        await _send(result, scope, receive, send)
    finally:  # so that the handler's own ``finally`` and its services run
        close = getattr(body, "aclose", None)
        if close is not None:
            await close()


def _ranged(result: Result, scope: Scope) -> Result:
    try:
        return ranged(result, scope["method"], header_map(scope))
    except Problem as problem:
        return problem_result(problem)


async def _send(result: Result, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        headers = _headers(result)
    except ValueError as error:
        logger.error("%s %s: %s", scope["method"], scope["path"], error)
        result = problem_result(Problem(500, detail="the answer has a header that HTTP cannot carry"))
        headers = _headers(result)
    bare = _is_empty(result) or scope["method"] == "HEAD"
    await send({"type": "http.response.start", "status": result.status, "headers": headers})
    if isinstance(result.body, bytes) or bare:
        await send({"type": "http.response.body", "body": b"" if bare else result.body})
    else:
        await _stream(result.body, scope, receive, send)


@lru_cache(256)
def _content_type(content_type: str) -> tuple[bytes, bytes]:
    return b"content-type", _value("content-type", content_type)


def _is_empty(result: Result) -> bool:
    """Whether the status forbids content."""
    return result.status < 200 or result.status in _EMPTY


async def _stream(chunks: AsyncIterator[bytes], scope: Scope, receive: Receive, send: Send) -> None:
    """Send a stream, for as long as the client listens.

    A stream that breaks is not ended as if it were whole: without its last message the server closes the connection.
    """
    gone = asyncio.create_task(until_disconnect(receive))
    sending = asyncio.create_task(_send_chunks(chunks, scope, send))
    try:
        await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        sending.cancel()
        await asyncio.gather(gone, sending, return_exceptions=True)
    if not sending.cancelled() and (error := sending.exception()) is not None:
        raise error


async def _send_chunks(chunks: AsyncIterator[bytes], scope: Scope, send: Send) -> None:
    while True:
        try:
            chunk = await anext(chunks)
        except StopAsyncIteration:
            break
        except Exception:  # a generator may raise anything, and the answer has begun already
            logger.exception("%s %s: the stream broke off", scope["method"], scope["path"])
            return
        if chunk:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _headers(result: Result) -> Headers:
    """Return the headers for the wire; framing is this module's own. Raises ValueError naming what cannot be sent."""
    found = []
    for name, value in pairs(result.headers):
        lower = name.lower()
        if lower in _FRAMING:
            continue
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not the name of a header")
        found.append((lower.encode(), _value(name, value)))
    if not _is_empty(result):
        if result.content_type is not None:
            found.append(_content_type(result.content_type))
        length = len(result.body) if isinstance(result.body, bytes) else getattr(result.body, "length", None)
        if length is not None:
            found.append((b"content-length", b"%d" % length))
    return found


def _value(name: str, value: str) -> bytes:
    """Encode a header's value: ISO 8859-1 where that is possible, else UTF-8 (RFC 9110 section 5.5)."""
    value = value.strip(" \t")
    if _UNSAFE.search(value):
        raise ValueError(f"the header {name} has a line break or a control character in its value {value!r}")
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()
