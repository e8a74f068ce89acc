"""The reconciling look into a container: what it holds against what is known of it.

It finds what no notification told of. Entries of a listing are hints, too: the listing may lag behind the objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from funcatron_openstack.container import Container
from funcatron_openstack.filter import ObjectFilter
from funcatron_openstack.hint import Hint
from funcatron_openstack.known import KnownObjects
from funcatron_openstack.objects import Entry
from funcatron_openstack.verdict import KnownObject

__all__ = ["Difference", "differences", "look", "take_stock"]

Difference = tuple[str, Hint, str | None]
"""An object's name, the hint, and its moment in the listing."""


def differences(entries: Sequence[Entry], known: Mapping[str, KnownObject]) -> Iterator[Difference]:
    """Yield what is not as it was known, in a listing's part and what is known of the same part."""
    for entry in entries:
        before = known.get(entry.name)
        if before is None or entry.timestamp not in (before.timestamp, before.listed):
            yield entry.name, Hint(verb="seen", object=entry.name), entry.timestamp
    present = {entry.name for entry in entries}
    for name in known:
        if name not in present:
            yield name, Hint(verb="gone", object=name), None


def look(container: Container, known: KnownObjects, wanted: ObjectFilter) -> Iterator[list[Difference]]:
    """Yield the differences of each page."""
    for prefix in wanted.listings():
        after = ""
        for page in container.pages(prefix):
            last = page[-1].name if page else None
            part = known.between(after, last, prefix)
            yield list(differences([entry for entry in page if wanted.wants(entry.name)], part))
            after = last or after


def take_stock(container: Container, known: KnownObjects, wanted: ObjectFilter, since: str) -> None:
    """Note, when a watch first begins, what is there already: it is not new.

    What is listed with a later moment than ``since`` is left out, and found as new by the next look.
    """
    for prefix in wanted.listings():
        for page in container.pages(prefix):
            old = [entry for entry in page if wanted.wants(entry.name) and entry.timestamp < since]
            known.put([KnownObject(entry.name, entry.timestamp, entry.etag) for entry in old], instead=False)
    known.completed()
