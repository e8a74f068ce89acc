"""What the settings promise, and which brokers keep it."""

from __future__ import annotations

from funcatron.errors import SettingsError
from funcatron.settings import Settings

__all__ = ["check_broker"]

NEVER_LOSES = ("amqp", "amqps", "pyamqp", "sqlite")


def check_broker(settings: Settings) -> None:
    """Raise SettingsError where the broker cannot do what the settings promise."""
    scheme = settings.broker_url.partition(":")[0]
    if settings.durability == "strict" and scheme not in NEVER_LOSES:
        raise SettingsError(
            f"durability is strict, and {scheme}:// may lose a message when a worker is killed: "
            "use amqp:// (RabbitMQ) or the embedded broker, or set durability = normal"
        )
