"""The servers that messages are sent to, from the settings; what is secret in a broker's URL stays there.

Source: AsyncAPI 3.0.0, Server Object and Security Scheme Object.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from funcatron.asyncapi.schemas import key_of
from funcatron.settings import Settings

__all__ = ["Servers"]

HTTP = "http"
SCHEMES: dict[str, Any] = {
    "control": {"type": "http", "scheme": "bearer", "description": "The control token (FUNCATRON_CONTROL_TOKEN)"},
    "broker": {"type": "userPassword", "description": "A user of the broker"},
}
_PORTS = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}


class Servers:
    """The Server Objects of one document, made as channels ask for them."""

    def __init__(self, settings: Settings, control: str) -> None:
        self.objects: dict[str, Any] = {}
        self.schemes: dict[str, Any] = {}
        self._settings = settings
        self._control = control

    def name_of(self, url: str | None) -> str:
        """Return the name of the server at a broker's URL, of this server's HTTP where there is none."""
        if url is None:
            return self._add(HTTP, self._http())
        made = self._broker(url)
        wanted = "broker" if url == self._settings.broker_url else key_of(made["host"])
        name, number = wanted, 1
        while self.objects.get(name, made) != made:
            number += 1
            name = f"{wanted}_{number}"
        return self._add(name, made)

    def _add(self, name: str, made: dict[str, Any]) -> str:
        self.objects[name] = made
        return name

    def _http(self) -> dict[str, Any]:
        settings = self._settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        made: dict[str, Any] = {"host": f"{host}:{settings.port}", "protocol": "http", "pathname": self._control}
        return {**made, **self._secured("control")} if settings.control_token is not None else made

    def _broker(self, url: str) -> dict[str, Any]:
        parts = urlsplit(url)
        host = parts.hostname or "localhost"
        host = f"[{host}]" if ":" in host else host
        port = parts.port or _PORTS.get(parts.scheme)
        made: dict[str, Any] = {"host": f"{host}:{port}" if port else host, "protocol": parts.scheme}
        if parts.scheme == "sqlite":
            return {**made, "pathname": parts.path.removeprefix("/"), "description": "The embedded broker: this file"}
        if parts.scheme.startswith("amqp"):
            made |= {"protocolVersion": "0.9.1", "pathname": "/" + unquote(parts.path.removeprefix("/"))}
        elif parts.path.strip("/"):
            made["pathname"] = parts.path
        if parts.username is not None or parts.password is not None:
            made |= self._secured("broker")
        return made

    def _secured(self, scheme: str) -> dict[str, Any]:
        self.schemes[scheme] = SCHEMES[scheme]
        return {"security": [{"$ref": f"#/components/securitySchemes/{scheme}"}]}
