"""Bodies that are too large for memory: a handler's annotation says how it reads one.

================================  ============================================================================
``body: BinaryIO``                a file, to be read from its beginning; the body was received before the call
``body: AsyncIterator[bytes]``    pieces, as they arrive over HTTP (for ``async def``)
``body: Iterator[bytes]``         pieces, as they arrive over HTTP (for ``def``)
================================  ============================================================================

``AsyncIterable`` and ``Iterable`` will do as well. A call that did not come over HTTP has its body in hand already; its
handler reads it in the same way.
"""

from __future__ import annotations

import asyncio
import collections.abc
import io
import types
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, BinaryIO, Literal, TypeAlias

from funcatron.codec import Upload

__all__ = ["Arriving", "Form", "Reader", "reader_for"]

PIECE = 64 * 1024
_FILES = (BinaryIO, typing.IO[bytes])
_ASYNC = (collections.abc.AsyncIterator, collections.abc.AsyncIterable)
_SYNC = (collections.abc.Iterator, collections.abc.Iterable)

Loaded = tuple[Any, list[tuple[str, str]]]
Form: TypeAlias = Literal["file", "pieces", "async pieces"]
"""What an annotation asks for; of pieces the body may be Arriving."""
Reader = tuple[Callable[[Any], Loaded], Form]
"""What makes of a body what an annotation asks for, and what that is."""


class Arriving(AsyncIterator[bytes]):
    """A body that is still on its way; it can be read once, from its event loop or from any other thread."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._loop = asyncio.get_running_loop()

    async def __anext__(self) -> bytes:
        return await anext(self._pieces)

    def blocking(self) -> Iterator[bytes]:
        """Yield the pieces in a thread that is not the event loop's."""
        while piece := asyncio.run_coroutine_threadsafe(self._next(), self._loop).result():
            yield piece

    async def _next(self) -> bytes:
        return await anext(self._pieces, b"")


def reader_for(annotation: Any) -> Reader | None:
    """Return the Reader that an annotation asks for, None where it asks for nothing of the kind."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        wanted = [one for one in typing.get_args(annotation) if one is not types.NoneType]
        return reader_for(wanted[0]) if len(wanted) == 1 else None
    if annotation in _FILES:
        return _reader(_file), "file"
    if typing.get_args(annotation) != (bytes,):
        return None
    if typing.get_origin(annotation) in _ASYNC:
        return _reader(_async_pieces), "async pieces"
    return (_reader(_pieces), "pieces") if typing.get_origin(annotation) in _SYNC else None


def _reader(read: Callable[[Any], Any]) -> Callable[[Any], Loaded]:
    def load(value: Any) -> Loaded:
        if isinstance(value, str):
            value = value.encode("utf-8", "surrogatepass")
        if isinstance(value, (bytes, bytearray, memoryview, Upload, Arriving)):
            return read(value), []
        return None, [("", "must be bytes, a file or text")]

    return load


def _file(value: Any) -> Any:
    if not isinstance(value, Upload):
        return io.BytesIO(value)
    value.file.seek(0)
    return value.file


def _pieces(value: Any) -> Iterator[bytes]:
    if isinstance(value, Arriving):
        return value.blocking()
    file = _file(value)
    return iter(lambda: file.read(PIECE), b"")


def _async_pieces(value: Any) -> AsyncIterator[bytes]:
    return value if isinstance(value, Arriving) else _read_in_threads(_file(value))


async def _read_in_threads(file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, PIECE):
        yield piece
