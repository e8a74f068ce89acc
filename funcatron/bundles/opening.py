"""From the name of a bundle to the document in it: fetched, checked, unpacked once for each digest, and kept."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from funcatron import plugins
from funcatron.bundles.archive import MAX_ARCHIVE, unpack
from funcatron.bundles.errors import BundleError
from funcatron.settings import Settings

__all__ = ["document_in", "opened"]

DOCUMENTS = tuple(f"{name}.{form}" for name in ("openapi", "swagger") for form in ("yaml", "yml", "json"))
_PIN = re.compile(r"sha256=([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class _Named:
    """What a person wrote: where the bundle is, and the digest that it has to have, if they say."""

    place: str
    digest: str | None

    @classmethod
    def of(cls, spec: str) -> _Named:
        place, separator, pin = spec.partition("#")
        match = _PIN.fullmatch(pin)
        if separator and match is None:
            raise BundleError(f"{spec}: behind # stands sha256= and 64 hexadecimal digits")
        return cls(place, None if match is None else match[1].lower())


def opened(spec: str, settings: Settings) -> Path:
    """Return the document in a bundle: ``PATH.zip`` or ``swift://CONTAINER/OBJECT.zip``, or ``.tar.gz``, either with
    ``#sha256=HEX`` behind it.

    With a digest a bundle that was opened before is not fetched again. Raises BundleError that names the bundle;
    Unavailable and other FuncatronErrors where it cannot be fetched.
    """
    named = _Named.of(spec)
    kept = _folder(settings)
    if named.digest is not None and (kept / named.digest).is_dir():
        return document_in(kept / named.digest)
    with tempfile.TemporaryFile(dir=kept) as archive:
        digest = _fetch(named.place, archive, settings)
        if named.digest not in (None, digest):
            raise BundleError(f"{named.place} has the digest sha256={digest}, not sha256={named.digest}")
        target = kept / digest
        if not target.is_dir():
            _unpack(named.place, archive, target)
    return document_in(target)


def document_in(folder: Path) -> Path:
    """Return the one document at the top of a folder, or of the one folder in it; raises BundleError."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir():
        folder = inside[0]
    found = [folder / name for name in DOCUMENTS if (folder / name).is_file()]
    if len(found) != 1:
        names = ", ".join(DOCUMENTS)
        raise BundleError(f"there has to be one document at its top, called one of {names}; there are {len(found)}")
    return found[0]


def _folder(settings: Settings) -> Path:
    """Return the folder where bundles are kept, which is this user's alone: what is in it is run."""
    folder = (settings.cache_folder or Path(settings.data_dir).resolve()) / "bundles"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise BundleError(f"{folder} is not this user's alone: others could put other code there")
    return folder


def _fetch(place: str, archive: IO[bytes], settings: Settings) -> str:
    """Write the archive, and return its digest."""
    scheme = urlsplit(place).scheme if "://" in place else ""
    if scheme and scheme not in plugins.names("funcatron.bundles"):
        known = ", ".join(f"{name}://" for name in plugins.names("funcatron.bundles"))
        raise BundleError(f"{place}: bundles come from files and from {known}")
    bounded = _Bounded(place, archive)
    if scheme:
        plugins.load("funcatron.bundles", scheme)(place, bounded, settings)
    else:
        try:
            with Path(place).open("rb") as file:
                shutil.copyfileobj(file, bounded)
        except OSError as error:
            raise BundleError(f"{place} cannot be read: {error.strerror or error}") from error
    return bounded.digest.hexdigest()


class _Bounded:
    """Takes an archive as it comes, as long as it is not too large."""

    def __init__(self, place: str, file: IO[bytes]) -> None:
        self.digest = hashlib.sha256()
        self._place = place
        self._file = file
        self._left = MAX_ARCHIVE

    def write(self, data: bytes) -> int:
        """Write a piece; raises BundleError beyond the limit."""
        self._left -= len(data)
        if self._left < 0:
            raise BundleError(f"{self._place} is larger than {MAX_ARCHIVE >> 20} MiB")
        self.digest.update(data)
        return self._file.write(data)


def _unpack(place: str, archive: IO[bytes], target: Path) -> None:
    """Unpack into ``target``, which is there afterwards as a whole or not at all."""
    archive.seek(0)
    fresh = Path(tempfile.mkdtemp(prefix="new-", dir=target.parent))
    try:
        unpack(archive, fresh)
        document_in(fresh)
        try:
            fresh.rename(target)
        except OSError:
            if not target.is_dir():  # another process was not quicker
                raise
    except BundleError as error:
        raise BundleError(f"{place}: {error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
