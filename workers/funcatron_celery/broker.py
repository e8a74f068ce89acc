"""Connections to the broker, of whatever kind its URL names."""

from __future__ import annotations

from typing import Any

from kombu.connection import Connection

from funcatron_celery.sqlite import register

__all__ = ["connect"]

register()  # the scheme sqlite:// is ours in every process that imports this


def connect(url: str, *, heartbeat: float = 0.0, options: dict[str, Any] | None = None) -> Connection:
    """Return a connection that is made on first use; five seconds are waited for an answer."""
    return Connection(url, connect_timeout=5.0, heartbeat=heartbeat, transport_options=options or {})
