"""Reading a broker's connection in a thread of its own: waiting for messages, and telling the broker that we live.

It knows of kombu's Connection what it asks it for, so that whoever listens to a broker has it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["HEARTBEAT", "Heartbeat", "drain"]

HEARTBEAT = 30
"""Seconds without a sign of life after which a broker closes a connection."""
WAIT = 0.25
"""Seconds that one wait for messages lasts at most, so that who was told to stop sees it."""
AT_ONCE = 0.001


class Connection(Protocol):
    """What of a connection is used here."""

    @property
    def supports_heartbeats(self) -> bool:
        """Whether its broker wants to know that we live."""

    def heartbeat_check(self) -> Any:
        """Say that we live, if it is time."""

    def drain_events(self, *, timeout: float) -> Any:
        """Have one message delivered; raises TimeoutError."""


class Heartbeat:
    """Says to a broker that we live, four times as often as it wants to know."""

    interval = HEARTBEAT / 4
    """Seconds within which ``check`` is to be called again."""

    def __init__(self) -> None:
        self._due = 0.0

    def check(self, connection: Connection) -> None:
        """Say so if it is time."""
        if time.monotonic() >= self._due and connection.supports_heartbeats:
            self._due = time.monotonic() + self.interval
            connection.heartbeat_check()


def drain(connection: Connection, batch: Sequence[Any], most: int) -> None:
    """Wait a moment for messages, which are delivered into ``batch``; once there is one take what else is there
    already, up to ``most``.
    """
    timeout = WAIT
    while len(batch) < most:
        try:
            connection.drain_events(timeout=timeout)
        except TimeoutError:
            return
        timeout = AT_ONCE
