"""Any message that tells of changes in a container, told apart by its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from funcatron.event import CloudEvent
from funcatron_openstack.aodh import is_alarm, read_alarm, read_event
from funcatron_openstack.hint import Hint, Malformed
from funcatron_openstack.notifications import read_notification
from funcatron_openstack.rgw import read_records

__all__ = ["decode", "hints_of_event", "read_hints"]


def decode(body: bytes | str) -> Any:
    """Return a message's body decoded from JSON. Raises Malformed."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"this is not JSON: {error}") from None


def read_hints(message: Any) -> list[Hint]:
    """Return the hints in a message: an oslo notification, Ceph's records or Aodh's alarm. Raises Malformed."""
    if isinstance(message, Mapping):
        if "Records" in message:
            return read_records(message)
        if is_alarm(message):
            return read_alarm(message)
    return read_notification(message)


def hints_of_event(event: CloudEvent) -> list[Hint]:
    """Return the hints in an event that was posted: Ceph's records or Aodh's alarm; none in any other."""
    try:
        if isinstance(event.data, Mapping) and "Records" in event.data:
            return read_records(event.data)
        return read_event(event)
    except Malformed:
        return []
