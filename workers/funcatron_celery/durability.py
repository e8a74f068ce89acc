"""What the settings promise, and which brokers keep it."""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES

from funcatron.errors import SettingsError
from funcatron.settings import Settings

__all__ = ["check_broker"]

EMBEDDED = "sqlite"
NEVER_LOSES = ("amqp", "amqps", "pyamqp", EMBEDDED)


def check_broker(settings: Settings) -> None:
    """Raise SettingsError where there is no such broker, or it cannot do what the settings promise."""
    scheme = settings.broker_url.partition(":")[0]
    if scheme != EMBEDDED and scheme.partition("+")[0] not in TRANSPORT_ALIASES:  # a worker would fail for ever
        raise SettingsError(
            f"broker is {scheme}://..., and there is no broker of that kind: "
            "use amqp:// (RabbitMQ), redis:// or sqlite:///FILE (the embedded one)"
        )
    if settings.durability == "strict" and scheme not in NEVER_LOSES:
        raise SettingsError(
            f"durability is strict, and {scheme}:// may lose a message when a worker is killed: "
            "use amqp:// (RabbitMQ) or the embedded broker, or set durability = normal"
        )
