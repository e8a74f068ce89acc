"""Unpacking: files and folders alone, with safe names, within bounds of what is written, whatever is claimed.

Links, devices and encrypted members are refused, owners and permissions of an archive are not taken over. What is
refused leaves a folder that is to be deleted.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from funcatron.bundles.errors import BundleError
from funcatron.bundles.names import Names

__all__ = ["MAX_ARCHIVE", "unpack"]

MAX_ARCHIVE: Final = 64 * 1024 * 1024
MAX_CONTENT: Final = 128 * 1024 * 1024
MAX_MEMBERS: Final = 10_000
"""The largest archive and the most that it may come to, in bytes; its files and folders."""

_CHUNK = 1 << 16
_HEADERS = MAX_MEMBERS * 4 * tarfile.BLOCKSIZE
_BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error,
    EOFError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip
"""What the standard library raises for archives that are not as they should be."""


def unpack(archive: IO[bytes], folder: Path) -> None:
    """Write what an archive (ZIP, or TAR with gzip) holds into an empty folder; raises BundleError, OSError."""
    start = archive.read(2)
    archive.seek(0)
    if start not in (b"PK", b"\x1f\x8b"):
        raise BundleError("it is neither a ZIP archive nor a TAR archive with gzip")
    writing = _Writing(folder)
    try:
        if start == b"PK":
            _unzip(archive, writing)
        else:
            _untar(archive, writing)
    except BundleError:
        raise
    except _BROKEN as error:
        raise BundleError(f"the archive is damaged: {error}") from error


class _Writing:
    """Files being written, and what is left of the bounds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = Names()
        self._bytes = MAX_CONTENT
        self._members = MAX_MEMBERS

    def folder(self, name: str) -> None:
        self._count()
        (self._folder / self._names.folder(name)).mkdir(parents=True, exist_ok=True)

    def file(self, name: str, content: IO[bytes]) -> None:
        self._count()
        target = self._folder / self._names.file(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            while chunk := content.read(_CHUNK):
                self._bytes -= len(chunk)
                if self._bytes < 0:
                    raise BundleError(f"it comes to more than {MAX_CONTENT >> 20} MiB")
                file.write(chunk)

    def _count(self) -> None:
        self._members -= 1
        if self._members < 0:
            raise BundleError(f"it has more than {MAX_MEMBERS} files and folders")


def _unzip(archive: IO[bytes], writing: _Writing) -> None:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            name = member.orig_filename  # the other one ends at a NUL
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise BundleError(f"{name!r} is neither a file nor a folder")
            if member.flag_bits & 1:
                raise BundleError(f"{name!r} is encrypted")
            if name.endswith("/"):
                writing.folder(name)
            else:
                with opened.open(member) as content:
                    writing.file(name, content)


def _untar(archive: IO[bytes], writing: _Writing) -> None:
    with gzip.GzipFile(fileobj=archive) as plain:
        bounded = _Bounded(plain)
        with tarfile.open(fileobj=bounded, mode="r|") as opened:
            for name, content in _members(opened):
                if content is None:
                    writing.folder(name)
                else:
                    writing.file(name, content)
        while bounded.read(_CHUNK):  # to the end, where gzip's checksum is
            pass


def _members(opened: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes] | None]]:
    for member in opened:
        if member.isdir():
            yield member.name, None
        elif member.isreg() and (content := opened.extractfile(member)) is not None:
            yield member.name, content
        else:
            raise BundleError(f"{member.name!r} is neither a file nor a folder")


class _Bounded(io.RawIOBase):
    """A stream that ends in an error where it is longer than any good archive: headers are read into memory."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._left = MAX_CONTENT + _HEADERS

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes, a negative number of them is no more than fit."""
        data = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise BundleError(f"it comes to more than {MAX_CONTENT >> 20} MiB")
        return data
