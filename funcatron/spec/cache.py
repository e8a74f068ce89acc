"""Documents that were read and found valid, kept for the next start: reading and checking take most of one.

An entry is a file of msgpack behind its own checksum, named by what it depends on. Whatever is wrong with it (half
written, damaged, of another version, in a folder that others may write to) makes it absent, never an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["DocumentCache"]

MOST_ENTRIES = 64
"""The oldest ones beyond are deleted."""

_SUM = hashlib.sha256
_SUM_BYTES = 32


class DocumentCache:
    """Entries in a folder of this user's, which is made when there is one to keep; any process may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def at(cls, folder: Path | None) -> DocumentCache | None:
        """Return the cache in a folder, None without one."""
        return None if folder is None else cls(folder)

    def get(self, key: str, kind: type[Any]) -> Any:
        """Return what was kept under a key, None where there is nothing sound of this kind."""
        try:
            if not self._is_ours():
                return None
            content = (self.folder / key).read_bytes()
            payload = memoryview(content)[_SUM_BYTES:]
            if _SUM(payload).digest() != content[:_SUM_BYTES]:
                return None
            return msgspec.msgpack.decode(payload, type=kind)
        except (OSError, msgspec.DecodeError):  # what msgspec finds of another kind is a DecodeError, too
            return None

    def put(self, key: str, value: Any) -> None:
        """Keep a value; where that is not possible nothing happens."""
        try:
            payload = msgspec.msgpack.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError):  # integers beyond 64 bits, lone surrogates
            return
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._is_ours():
                self._write(key, _SUM(payload).digest() + payload)
                self._tidy()

    def _is_ours(self) -> bool:
        """Whether nobody else can have put an entry here."""
        known = self.folder.stat()
        return known.st_uid == os.geteuid() and not known.st_mode & 0o022

    def _write(self, key: str, content: bytes) -> None:
        """Write a file that is either whole or not there, whoever else writes it."""
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).replace(self.folder / key)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def _tidy(self) -> None:
        entries = sorted(self.folder.iterdir(), key=lambda entry: entry.stat().st_mtime, reverse=True)
        for entry in entries[MOST_ENTRIES:]:
            entry.unlink(missing_ok=True)
