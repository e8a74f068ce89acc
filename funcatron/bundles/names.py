"""Names of files in an archive: which are safe to make files of, on any system."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from funcatron.bundles.errors import BundleError

__all__ = ["Names"]

LONGEST = 255
"""Bytes of one part of a name."""
DEEPEST = 32
INVISIBLE = ("Cc", "Cf", "Cs")
"""Unicode's control and format characters, and surrogates, which stand for bytes that are not UTF-8."""


class Names:
    """The names of one archive: each is checked, and no two may mean the same file anywhere."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def file(self, name: str) -> PurePosixPath:
        """Return the path of a file; raises BundleError for a name that is not safe, or there already."""
        path = _checked(name)
        if not path.parts:
            raise BundleError(f"{name!r} names no file")
        key = _key(path)
        if key in self._files or key in self._folders:
            raise BundleError(f"{name!r} is there twice, or differs in case alone from another")
        self._files.add(key)
        self._enter(path.parent, name)
        return path

    def folder(self, name: str) -> PurePosixPath:
        """Return the path of a folder; raises BundleError."""
        path = _checked(name)
        self._enter(path, name)
        return path

    def _enter(self, folder: PurePosixPath, name: str) -> None:
        for path in (folder, *folder.parents):
            if _key(path) in self._files:
                raise BundleError(f"{name!r} is in a folder that is a file, too")
            self._folders.add(_key(path))


def _key(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def _checked(name: str) -> PurePosixPath:
    """Return a relative path without ``.`` and ``..``."""
    parts = [part for part in name.removesuffix("/").split("/") if part != "."]
    if name.startswith("/") or "\\" in name or ".." in parts or "" in parts[:-1] or _has_drive(name):
        raise BundleError(f"{name!r} leads out of the bundle, or could")
    if any(unicodedata.category(character) in INVISIBLE for character in name):
        raise BundleError(f"{name!r} has characters that cannot be seen, or is not UTF-8")
    if len(parts) > DEEPEST or any(len(part.encode()) > LONGEST for part in parts):
        raise BundleError(f"{name[:80]!r}... is longer or deeper than a file's name may be")
    return PurePosixPath(*(part for part in parts if part))


def _has_drive(name: str) -> bool:
    return len(name) > 1 and name[1] == ":"
