"""What has become of an object: what was known of it against what Swift shows now. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from funcatron_openstack.hint import Verb
from funcatron_openstack.objects import ObjectVersion

__all__ = ["Action", "KnownObject", "verdict"]

Action: TypeAlias = Literal["created", "updated", "deleted"]


@dataclass(frozen=True, slots=True)
class KnownObject:
    """What was last seen of an object: ``timestamp`` and ``etag`` of its version, None where it was listed but not
    there (expired, or a link to nothing); ``listed``: its moment in the listing, where that is another.
    """

    name: str
    timestamp: str | None
    etag: str = ""
    listed: str | None = None


def verdict(
    known: KnownObject | None, version: ObjectVersion | None, verbs: Iterable[Verb], since: str
) -> Action | None:
    """Return what has happened, None where nothing has.

    ``verbs`` are those of the hints. An object that was never seen and is older than ``since`` is not new. A version of
    another moment with the same content is an update of metadata unless somebody has put it.
    """
    existed = known is not None and known.timestamp is not None
    if version is None:
        return "deleted" if existed else None
    if known is None or not existed:
        return "created" if version.timestamp >= since else None
    if version.timestamp == known.timestamp:
        return None
    return "updated" if version.etag == known.etag and "put" not in set(verbs) else "created"
