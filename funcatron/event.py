"""CloudEvents 1.0: what everything that is not an HTTP call becomes first.

The structured JSON form, the binary form (attributes in headers) and batches are read and written here, without IO.
Source: CloudEvents specification 1.0.2, its JSON event format, HTTP and AMQP protocol bindings.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from funcatron.errors import InvalidInput, Violation

__all__ = ["CloudEvent"]

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PREFIXES = ("ce-", "cloudevents:", "cloudevents_")
"""How a binary event's attributes are spelled in headers: HTTP, AMQP 1.0, and AMQP brokers that refuse colons."""

_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema")
_REQUIRED = ("specversion", "id", "source", "type")


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event; ``source`` and ``id`` together are its identity.

    ``time`` is an RFC 3339 string, ``data`` any JSON value or bytes, ``extensions`` the other context attributes.
    """

    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: Any = None
    extensions: dict[str, Any] = {}

    @classmethod
    def from_json(cls, value: Any) -> CloudEvent:
        """Read one event of the JSON event format (section 3); raises InvalidInput naming every violation."""
        if not isinstance(value, Mapping):
            raise InvalidInput([Violation("/event", "a CloudEvent is a JSON object")])
        violations = [
            Violation(f"/event/{name}", "is a required attribute of a CloudEvent, a string that is not empty")
            for name in _REQUIRED
            if not isinstance(value.get(name), str) or not value[name]
        ]
        if not violations and not value["specversion"].startswith("1."):
            violations.append(Violation("/event/specversion", f"must be 1.0, not {value['specversion']}"))
        data = value.get("data")
        if "data_base64" in value:
            try:
                data = base64.b64decode(value["data_base64"], validate=True)
            except (ValueError, TypeError):
                violations.append(Violation("/event/data_base64", "is not base64"))
        optional = {name: value.get(name) for name in _ATTRIBUTES[4:]}
        violations += [
            Violation(f"/event/{name}", "must be a string")
            for name, item in optional.items()
            if item is not None and not isinstance(item, str)
        ]
        if violations:
            raise InvalidInput(violations)
        extensions = {k: v for k, v in value.items() if k not in _ATTRIBUTES and k not in {"data", "data_base64"}}
        return cls(
            id=value["id"], source=value["source"], type=value["type"], data=data, extensions=extensions, **optional
        )

    @classmethod
    def from_headers(cls, headers: Mapping[str, Any], data: Any, content_type: str | None) -> CloudEvent | None:
        """Read a binary event from its headers, or None where there are no CloudEvents attributes at all."""
        attributes: dict[str, Any] = {}
        for name, value in headers.items():
            lower = name.lower()
            for prefix in PREFIXES:
                if lower.startswith(prefix):
                    attributes[lower.removeprefix(prefix)] = _text(value)
        if not attributes:
            return None
        if content_type is not None:
            attributes.setdefault("datacontenttype", content_type)
        if isinstance(data, bytes):
            return cls.from_json({**attributes, "data_base64": base64.b64encode(data).decode()})
        return cls.from_json({**attributes, "data": data})

    def to_json(self) -> dict[str, Any]:
        """Return the event in the JSON event format."""
        event: dict[str, Any] = {"specversion": "1.0", "id": self.id, "source": self.source, "type": self.type}
        for name in _ATTRIBUTES[4:]:
            if (value := getattr(self, name)) is not None:
                event[name] = value
        if isinstance(self.data, bytes):
            event["data_base64"] = base64.b64encode(self.data).decode()
        elif self.data is not None:
            event["data"] = self.data
        return {**self.extensions, **event}


def now() -> str:
    """Return the present as an RFC 3339 time, in UTC."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
