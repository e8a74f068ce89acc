"""Objects as Swift shows them, by HEAD and in listings, and the moments that tell one version from another.

A moment is X-Timestamp as Swift writes it: seconds since the epoch with five digits behind the point. The same moment
stands in a listing, as a date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["Entry", "ObjectVersion", "entry_of", "is_folder", "is_segment", "moment", "rfc3339", "version_of"]

FOLDER = "application/directory"
_META = "x-object-meta-"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SEGMENT = re.compile(r"/000\d{3}|/\d+\.\d{5,6}/\d+/(\d+/)?\d{8}")
"""How openstacksdk names segments (``NAME/000000``, a thousand at most), and python-swiftclient
(``NAME/slo/MTIME/SIZE/SEGMENT_SIZE/00000000``).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """One version of an object: ``size`` in bytes, ``etag`` without quotes, ``metadata`` of the user in lower case."""

    name: str
    timestamp: str
    size: int
    etag: str
    content_type: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """An object's line in the listing of its container."""

    name: str
    timestamp: str
    etag: str


def version_of(name: str, headers: Mapping[str, str]) -> ObjectVersion:
    """Return the version that a HEAD has shown; ``headers`` by any spelling. Raises KeyError, ValueError."""
    given = {key.lower(): _text(value) for key, value in headers.items()}
    return ObjectVersion(
        name=name,
        timestamp=given["x-timestamp"],
        size=int(given.get("content-length", 0)),
        etag=given.get("etag", "").strip('"'),
        content_type=given.get("content-type", ""),
        metadata={key.removeprefix(_META): value for key, value in given.items() if key.startswith(_META)},
    )


def entry_of(line: Mapping[str, Any]) -> Entry:
    """Return an entry of a listing in JSON. Raises KeyError, ValueError."""
    when = datetime.fromisoformat(line["last_modified"])
    return Entry(
        name=line["name"],
        timestamp=moment(when if when.tzinfo else when.replace(tzinfo=UTC)),
        etag=(line.get("slo_etag") or line.get("hash", "")).strip('"'),
    )


def moment(when: datetime) -> str:
    """Return a date as X-Timestamp is written."""
    seconds, microseconds = divmod((when - _EPOCH) // _MICROSECOND, 1_000_000)
    return f"{seconds:010d}.{microseconds // 10:05d}"


def rfc3339(timestamp: str) -> str:
    """Return an X-Timestamp as a date of RFC 3339, in UTC. Raises ValueError."""
    seconds, _, rest = timestamp.partition(".")
    when = _EPOCH + timedelta(seconds=int(seconds), microseconds=int(rest[:6].ljust(6, "0")))
    return when.isoformat().replace("+00:00", "Z")


def is_folder(name: str, content_type: str, size: int) -> bool:
    """Whether this only marks a folder, as many clients write them: it has no content."""
    return size == 0 and (name.endswith("/") or content_type.partition(";")[0].strip() == FOLDER)


def is_segment(name: str) -> bool:
    """Whether a name is one that clients give to the segments of a large object."""
    return any(match.end() == len(name) for match in _SEGMENT.finditer(name))


def _text(value: str) -> str:
    """Header values are UTF-8 to Swift, and latin-1 to HTTP clients in Python."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value
