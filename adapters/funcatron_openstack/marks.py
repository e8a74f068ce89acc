"""Marks on what functions write, by which their own writes are known again.

A mark says which function wrote and how many functions wrote before it for the same cause (its generation). It stays
with the object as metadata, so a HEAD shows it, however the write was noticed; there it is good for this object only,
so that a copy of it is nobody's.

It also goes with each request as ``X-Trans-Id-Extra``, which Swift makes a part of the transaction id that
notifications tell: by that a delete is known. For what is stored the transaction id is not asked, since anybody can
send one with a request that Swift refuses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from funcatron_openstack.hint import Hint
from funcatron_openstack.objects import ObjectVersion

__all__ = ["LIMIT", "Mark", "headers_of", "mark_of_delete", "mark_of_version"]

LIMIT = 8
"""The highest generation that makes events: beyond it functions are taken to call each other in a circle."""

EXTRA = "X-Trans-Id-Extra"
META = "X-Object-Meta-Funcatron-Mark"
_OBJECT = re.compile(r"(?:/v1/[^/]+|/swift/v1(?:/AUTH_[^/]+)?)/([^/]+/.+)")
"""The path of an object, in Swift and in Ceph, where the account may be left out."""
_MARK = re.compile(r"fn\.([0-9a-f]{12})\.(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Mark:
    """``writer`` is a digest of a function's name; ``generation`` 1 where it wrote because of a person's upload."""

    writer: str
    generation: int

    @classmethod
    def by(cls, function: str, generation: int) -> Mark:
        """Return the mark of a function."""
        return cls(_digest(function), generation)

    def is_by(self, function: str) -> bool:
        """Whether this function wrote."""
        return self.writer == _digest(function)

    def __str__(self) -> str:
        return f"fn.{self.writer}.{self.generation}"


def headers_of(mark: Mark, method: str, url: str) -> dict[str, str]:
    """Return what a request to Swift has to carry; nothing unless it changes an object."""
    match = _OBJECT.fullmatch(urlsplit(url).path)
    if method not in ("PUT", "POST", "COPY", "DELETE") or match is None:
        return {}
    if method == "DELETE":
        return {EXTRA: str(mark)}
    return {EXTRA: str(mark), META: f"{mark}.{_digest(unquote(match[1]))}"}


def mark_of_version(container: str, version: ObjectVersion) -> Mark | None:
    """Return which function wrote a version, None where none did."""
    given, _, place = version.metadata.get("funcatron-mark", "").rpartition(".")
    return _read(given) if place == _digest(f"{container}/{version.name}") else None


def mark_of_delete(hint: Hint) -> Mark | None:
    """Return which function deleted an object, None where none did or nobody knows who did."""
    return None if hint.user_id is None else _read((hint.transaction_id or "").rpartition("-")[2])


def _read(text: str) -> Mark | None:
    match = _MARK.fullmatch(text)
    return None if match is None else Mark(match[1], int(match[2]))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]
