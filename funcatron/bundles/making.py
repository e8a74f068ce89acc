"""Making a bundle of a folder: the same content makes the same archive, byte for byte."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from funcatron.bundles.archive import MAX_ARCHIVE, unpack
from funcatron.bundles.errors import BundleError
from funcatron.bundles.opening import document_in

__all__ = ["make"]

BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The time of all files: the first that a ZIP archive knows."""
LEFT_OUT = ("__pycache__",)


def make(folder: Path, target: Path) -> str:
    """Write a ZIP archive of a folder with a document in it, and return its SHA-256 digest.

    Hidden files and compiled Python are left out. Raises BundleError for what could not be opened again, and OSError.
    """
    document_in(folder)
    with tempfile.TemporaryDirectory(prefix="funcatron-bundle-") as trial:
        made = Path(trial) / "made.zip"
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in _files(folder, target.resolve()):
                member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), BEGINNING)
                member.compress_type = zipfile.ZIP_DEFLATED
                member.external_attr = 0o100644 << 16
                archive.writestr(member, path.read_bytes())
        if made.stat().st_size > MAX_ARCHIVE:
            raise BundleError(f"the bundle would be larger than {MAX_ARCHIVE >> 20} MiB")
        with made.open("rb") as archive_again:
            unpacked = Path(trial) / "unpacked"
            unpacked.mkdir()
            unpack(archive_again, unpacked)
        content = made.read_bytes()
    target.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _files(folder: Path, target: Path) -> Iterator[Path]:
    """Yield what belongs to the bundle, in an order that does not depend on the file system."""
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_left_out(name))
        for name in sorted((*files, *folders)):
            path = Path(top) / name
            if _is_left_out(name) or path.resolve() == target:
                continue
            if path.is_symlink():
                raise BundleError(f"{path} is a link: what it leads to would be missing elsewhere")
            if path.is_file():
                yield path


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name in LEFT_OUT or name.endswith(".pyc")
