"""Files as answers: read in pieces as they are sent, whole or in parts.

What is sent is what was there when the handler returned: the file is opened then, its size and validators are taken
then, and a file that shrinks while it is sent breaks the answer off.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Sequence
from email.utils import formatdate
from mimetypes import guess_type

from funcatron.streams import Stream

__all__ = ["FileStream", "media_type_of"]

PIECE = 128 * 1024
"""Bytes that are read at a time."""
CLOSED = -1


class FileStream(Stream):
    """The content of a file, or what ``select`` chose of it. It needs no thread of its own and nothing that was open
    for the handler; ``length`` is how many bytes it will give.
    """

    lasting = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file; raises OSError, and IsADirectoryError for what is not a file."""
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._pieces = _Pieces(file, path)
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            self._pieces.close()
            raise IsADirectoryError(f"{path} is not a file")
        self.size = self.length = status.st_size
        self.etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        """A strong validator (RFC 9110, section 8.8.1), as strong as the file system's clock is fine."""
        self.modified = formatdate(status.st_mtime, usegmt=True)
        self._pieces.parts = [range(self.size)]
        super().__init__(self._pieces, bytes)

    def select(self, parts: Sequence[bytes | range]) -> None:
        """Choose what is given: ranges of the file, and texts as they are, in this order; before the first piece."""
        self.length = sum(map(len, parts))
        self._pieces.parts = list(parts)


class _Pieces(AsyncIterator[bytes]):
    """Reads parts of an open file one piece at a time, each in whatever thread is free.

    The file is closed too where nobody takes the answer: a service failed to commit, say.
    """

    def __init__(self, file: int, path: str | os.PathLike[str]) -> None:
        self.parts: list[bytes | range] = []
        self._file = file
        self._path = path

    async def __anext__(self) -> bytes:
        while self.parts:
            part = self.parts.pop(0)
            if isinstance(part, bytes):
                return part
            if part:
                piece = await asyncio.to_thread(self._read, part)
                self.parts.insert(0, part[len(piece) :])
                return piece
        raise StopAsyncIteration

    def _read(self, part: range) -> bytes:
        piece = os.pread(self._file, min(len(part), PIECE), part.start)
        if not piece:
            raise EOFError(f"{self._path} has become shorter while it was sent")
        return piece

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, CLOSED
        if file != CLOSED:
            os.close(file)

    async def aclose(self) -> None:
        """Close the file."""
        self.close()

    __del__ = close


def media_type_of(path: os.PathLike[str]) -> str:
    """Return the media type that a file's name suggests; bytes of any kind where it suggests none, or a coding."""
    media_type, coding = guess_type(path)
    return media_type if media_type is not None and coding is None else "application/octet-stream"
