"""Bodies that are not kept in memory: stored in a temporary file, or handed on as they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Any

from starlette.datastructures import Headers, UploadFile
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from funcatron.errors import Problem
from funcatron.http.stream import RequestStream
from funcatron.types import MISSING
from funcatron.uploads import Arriving

__all__ = ["ReadBody", "arriving", "stored"]

IN_MEMORY = 1024 * 1024
"""Bytes from which a file is on disk."""


@dataclass(frozen=True, slots=True)
class ReadBody:
    """What was sent: its value (MISSING where there is none), its media type, and files to be closed; ``rest`` where
    messages must wait for who reads the body.
    """

    value: Any = MISSING
    media_type: str | None = None
    files: list[UploadFile] = field(default_factory=list)
    rest: Receive | None = None


async def stored(stream: RequestStream, content_type: str) -> ReadBody:
    """Receive a body into a temporary file, which the system removes when it is closed. Raises Problem 413,
    ClientDisconnect.
    """
    bare = content_type.partition(";")[0].strip().lower()
    file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed by who takes it
    upload = UploadFile(file, size=0, headers=Headers({"content-type": content_type}))  # type: ignore[arg-type]
    try:
        async for chunk in stream.chunks():
            await upload.write(chunk)
        await upload.seek(0)
    except BaseException:
        file.close()
        raise
    if not upload.size:
        file.close()
        return ReadBody(media_type=bare)
    return ReadBody(upload, bare, [upload])


async def arriving(stream: RequestStream, content_type: str) -> ReadBody:
    """Return a body once it begins; reading on raises Problem 413 past the limit, 400 where the client goes away."""
    bare = content_type.partition(";")[0].strip().lower()
    chunks = stream.chunks()
    first = await anext(chunks, b"")
    if not first:
        return ReadBody(media_type=bare)
    return ReadBody(Arriving(_onward(first, chunks)), bare, rest=stream.rest)


async def _onward(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for chunk in chunks:
            yield chunk
    except ClientDisconnect:
        raise Problem(400, "Incomplete body", "the client went away before the end of the body") from None
