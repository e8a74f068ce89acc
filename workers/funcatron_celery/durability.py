"""What the settings promise, which brokers keep it, and what those need."""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES

from funcatron.errors import SettingsError
from funcatron.extras import MissingExtra, missing
from funcatron.settings import Settings

__all__ = ["check_broker", "check_installed"]

EMBEDDED = "sqlite"
NEVER_LOSES = ("amqp", "amqps", "pyamqp", EMBEDDED)


def check_broker(settings: Settings) -> None:
    """Raise SettingsError where there is no such broker, or it cannot do what the settings promise; MissingExtra."""
    check_installed(settings.broker_url)
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


def check_installed(broker_url: str) -> None:
    """Raise MissingExtra where the broker's client is not installed: kombu would fail in a way that does not tell."""
    if broker_url.startswith(("redis:", "rediss:")) and (said := missing("redis")) is not None:
        raise MissingExtra(said)
