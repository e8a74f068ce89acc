"""The CloudEvents that changes of objects become. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from time import time
from typing import Any
from urllib.parse import quote

from funcatron.event import CloudEvent, now
from funcatron_openstack.hint import Hint
from funcatron_openstack.objects import ObjectVersion, rfc3339
from funcatron_openstack.verdict import Action, KnownObject

__all__ = ["Place", "deleted", "members", "simulated", "stored"]

TYPE = "org.openstack.swift.object."
PROJECT = "projectid"
"""The extension attribute that says whose executions an event makes."""
GENERATION = "generation"
"""The extension attribute that says how many functions stand between a person's upload and this one."""


ALWAYS = frozenset(
    {"account", "project_id", "container", "object", "action", "timestamp", "etag", "transaction_id", "user_id"}
)
OF_A_VERSION = frozenset({"size", "content_type", "last_modified", "metadata"})
"""Members of the data: those that every event may have, and those of what is stored."""


@dataclass(frozen=True, slots=True)
class Place:
    """A container and the account that it is in."""

    account: str
    container: str

    @property
    def project_id(self) -> str:
        """The project that the account is of: the account without the reseller's prefix."""
        return self.account.partition("_")[2] or self.account

    @property
    def source(self) -> str:
        """The source of its events."""
        return f"/v1/{quote(self.account)}/{quote(self.container, safe='')}"


def members(actions: Iterable[str]) -> frozenset[str]:
    """Return all members that the data of these actions' events may have."""
    return ALWAYS if set(actions) == {"deleted"} else ALWAYS | OF_A_VERSION


def stored(place: Place, version: ObjectVersion, action: Action, hint: Hint, generation: int = 0) -> CloudEvent:
    """Return the event of an object that was created or whose metadata were updated."""
    changed = rfc3339(version.timestamp)
    data = {
        "size": version.size,
        "etag": version.etag,
        "content_type": version.content_type,
        "last_modified": changed,
        "metadata": dict(version.metadata),
    }
    return _event(place, version.name, version.timestamp, action, hint, changed, data, generation)


def deleted(place: Place, known: KnownObject, hint: Hint) -> CloudEvent:
    """Return the event of an object that is gone; it is named after the version that was there."""
    assert known.timestamp is not None
    data = {"etag": known.etag} if known.etag else {}
    return _event(place, known.name, known.timestamp, "deleted", hint, now(), data)


def simulated(place: Place, name: str, action: Action, facts: Mapping[str, Any]) -> CloudEvent:
    """Return the event of an object that is told of: ``timestamp`` (as X-Timestamp), ``size``, ``etag``,
    ``content_type``, ``metadata``; what is not said is as in an empty object of this moment.
    """
    timestamp = str(facts.get("timestamp") or f"{time():.5f}")
    etag = str(facts.get("etag", "d41d8cd98f00b204e9800998ecf8427e"))
    if action == "deleted":
        return deleted(place, KnownObject(name, timestamp, etag), Hint(verb="delete"))
    version = ObjectVersion(
        name=name,
        timestamp=timestamp,
        size=int(facts.get("size", 0)),
        etag=etag,
        content_type=str(facts.get("content_type", "application/octet-stream")),
        metadata={key.lower(): str(value) for key, value in facts.get("metadata", {}).items()},
    )
    return stored(place, version, action, Hint(verb="put"))


def _event(
    place: Place, name: str, timestamp: str, action: Action, hint: Hint, time: str, data: dict[str, Any],
    generation: int = 0,
) -> CloudEvent:  # fmt: skip
    who = {"transaction_id": hint.transaction_id, "user_id": hint.user_id}
    return CloudEvent(
        id=f"{timestamp}-{action}-{sha256(name.encode()).hexdigest()[:24]}",
        source=place.source,
        type=TYPE + action,
        subject=name,
        time=time,
        datacontenttype="application/json",
        data={
            "account": place.account,
            "project_id": place.project_id,
            "container": place.container,
            "object": name,
            "action": action,
            "timestamp": timestamp,
            **data,
            **{key: value for key, value in who.items() if value is not None},
        },
        extensions={PROJECT: place.project_id} | ({GENERATION: generation} if generation else {}),
    )
