"""Connections to the broker, of whatever kind its URL names."""

from __future__ import annotations

from typing import Any

from kombu.connection import Connection
from kombu.transport import TRANSPORT_ALIASES

from funcatron_celery.durability import check_installed
from funcatron_celery.frames import frame_handler
from funcatron_celery.sqlite import register
from funcatron_celery.topology import is_amqp

__all__ = ["AMQP_OPTIONS", "connect"]

AMQP_OPTIONS: dict[str, Any] = {"confirm_publish": True, "frame_handler": frame_handler}
"""What every connection to RabbitMQ has: a message is published when the broker says so, and none stops its reader."""

register()  # the scheme sqlite:// is ours in every process that imports this
TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "funcatron_celery.redis_transport:Transport"))


def connect(url: str, *, heartbeat: float = 0.0, options: dict[str, Any] | None = None) -> Connection:
    """Return a connection that is made on first use; five seconds are waited for an answer. Raises MissingExtra."""
    check_installed(url)
    given = {**(AMQP_OPTIONS if is_amqp(url) else {}), **(options or {})}
    return Connection(url, connect_timeout=5.0, heartbeat=heartbeat, transport_options=given)
