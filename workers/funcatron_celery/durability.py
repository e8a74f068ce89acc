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
    if (wrong := unknown_kind(settings.broker_url)) is not None:
        raise SettingsError(f"broker is {wrong}")
    scheme = settings.broker_url.partition(":")[0]
    if settings.durability == "strict" and scheme not in NEVER_LOSES:
        raise SettingsError(
            f"durability is strict, and {scheme}:// may lose a message when a worker is killed: "
            "use amqp:// (RabbitMQ) or the embedded broker, or set durability = normal"
        )


def check_installed(broker_url: str) -> None:
    """Raise MissingExtra where the broker's client is not installed: kombu would fail in a way that does not tell."""
    if broker_url.startswith(("redis:", "rediss:")) and (said := missing("redis")) is not None:
        raise MissingExtra(said)


def unknown_kind(url: str) -> str | None:
    """Return what is wrong with a broker's URL that no transport serves, for which a worker would try for ever."""
    scheme = url.partition(":")[0]
    if scheme == EMBEDDED or scheme.partition("+")[0] in TRANSPORT_ALIASES:
        return None
    known = "use amqp:// (RabbitMQ), redis:// or sqlite:///FILE (the embedded one)"
    return f"{scheme}://..., and there is no broker of that kind: {known}"
