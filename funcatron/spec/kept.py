"""What a DocumentCache keeps of a document: the bundled tree, and where its parts came from.

An entry stands for the bytes of every file that was read, for the version of funcatron, of Python, and of the code
that reads and checks; with any other it does not exist.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from funcatron.errors import SpecError
from funcatron.spec.cache import DocumentCache
from funcatron.spec.pointer import Parts
from funcatron.spec.references import Bundle
from funcatron.spec.source import Source, named, unread
from funcatron.spec.structure import DIALECTS

__all__ = ["keep", "kept"]


class _File(msgspec.Struct, frozen=True, array_like=True):
    uri: str
    name: str
    digest: bytes


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """``origins``: what part of the tree came from which URI, and from where in it."""

    version: tuple[int, int]
    files: tuple[_File, ...]
    origins: tuple[tuple[Parts, str, Parts], ...]
    tree: dict[str, Any]


def kept(
    source: Any, documents: DocumentCache | None, overlays: Sequence[Source] = ()
) -> tuple[Bundle, tuple[int, int]] | None:
    """Return the bundle of a document that was found valid, and its version, None where it has to be read."""
    if documents is None or (found := named(source)) is None:
        return None
    entry: _Entry | None = documents.get(_key(*found, overlays), _Entry)
    if entry is None:
        return None
    try:
        sources = {file.uri: unread(file.uri, file.name) for file in entry.files}
    except SpecError:
        return None
    if any(_digest(sources[file.uri]) != file.digest for file in entry.files):
        return None
    origins = {parts: (sources[uri], way) for parts, uri, way in entry.origins}
    root = sources[entry.files[0].uri]
    root.tree = entry.tree
    return Bundle.restored(root, DIALECTS[entry.version], sources, origins), entry.version


def keep(
    source: Any,
    bundle: Bundle,
    version: tuple[int, int],
    documents: DocumentCache | None,
    overlays: Sequence[Source] = (),
) -> None:
    """Keep a bundle that has no mistake, if all that it is made of are files."""
    found = named(source)
    if documents is None or found is None or any(one.path is None for one in bundle.sources.values()):
        return
    files = tuple(_File(one.uri, one.name, _digest(one)) for one in bundle.sources.values())
    origins = tuple((parts, one.uri, way) for parts, (one, way) in bundle.origins.items())
    documents.put(_key(*found, overlays), _Entry(version, files, origins, bundle.tree))


def _key(uri: str, name: str, overlays: Sequence[Source]) -> str:
    names = (_reader(), uri, name, *(part for overlay in overlays for part in (overlay.uri, overlay.name)))
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogatepass")).hexdigest()


def _digest(source: Source) -> bytes:
    return hashlib.sha256((source.text or "").encode()).digest()


@cache
def _reader() -> str:
    """Return what identifies the code that reads and checks documents: a later one may find more mistakes."""
    digest = hashlib.sha256(sys.version.encode())
    for package in ("connexion", "jsonschema-rs", "PyYAML"):  # which read, and whose schemas and validators check
        digest.update(version(package).encode())
    for name in ("x-funcatron.schema.json", "oas-3.1.schema.json"):
        digest.update((files("funcatron_openapi") / name).read_bytes())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()
