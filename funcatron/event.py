"""CloudEvents 1.0: what everything that is not an HTTP call becomes first.

The structured JSON form, the binary form (attributes in headers) and batches are read and written here, without IO.
Source: CloudEvents specification 1.0.2, its JSON event format, HTTP and AMQP protocol bindings.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from funcatron.errors import InvalidInput, Violation

__all__ = ["CloudEvent"]

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PREFIXES = ("ce-", "cloudevents:", "cloudevents_")
"""How a binary event's attributes are spelled in headers: HTTP, AMQP 1.0, and AMQP brokers that refuse colons."""

SAME = "$data"
"""In an event on record: the argument that has its data. No attribute is spelled so (section 3.1)."""

_REQUIRED = ("specversion", "id", "source", "type")
_OPTIONAL = ("subject", "time", "datacontenttype", "dataschema")
_ATTRIBUTES = _REQUIRED + _OPTIONAL
_PAYLOAD = ("data", "data_base64")


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

    @property
    def project_id(self) -> str | None:
        """The project whose event it is, where its source says so in the extension attribute ``projectid``."""
        project = self.extensions.get("projectid")
        return project if isinstance(project, str) and project else None

    @classmethod
    def from_json(cls, value: Any) -> CloudEvent:
        """Read one event of the JSON event format (section 3); raises InvalidInput naming every violation."""
        if not isinstance(value, Mapping):
            raise InvalidInput([Violation("/event", "a CloudEvent is a JSON object")])
        attributes = {str(name): item for name, item in value.items() if item is not None and name not in _PAYLOAD}
        violations = []
        data = value.get("data")
        if (encoded := value.get("data_base64")) is not None:
            if data is not None:
                violations.append(Violation("/event/data_base64", "and data exclude each other"))
            try:
                data = base64.b64decode(encoded, validate=True)
            except (ValueError, TypeError):
                violations.append(Violation("/event/data_base64", "is not base64"))
        return _event(attributes, data, violations)

    @classmethod
    def from_headers(cls, headers: Mapping[str, Any], data: Any, content_type: str | None) -> CloudEvent | None:
        """Read a binary event from its headers, or None where there are no CloudEvents attributes at all.

        Raises InvalidInput naming every violation.
        """
        attributes: dict[str, Any] = {}
        for name, value in headers.items():
            lower = name.lower()
            for prefix in PREFIXES:
                if lower.startswith(prefix) and value is not None:
                    attributes[lower.removeprefix(prefix)] = _text(value)
        if not attributes:
            return None
        if content_type is not None:
            attributes.setdefault("datacontenttype", content_type)
        return _event({name: item for name, item in attributes.items() if name not in _PAYLOAD}, data, [])

    def to_json(self) -> dict[str, Any]:
        """Return the event in the JSON event format."""
        event: dict[str, Any] = {"specversion": "1.0", "id": self.id, "source": self.source, "type": self.type}
        for name in _OPTIONAL:
            if (value := getattr(self, name)) is not None:
                event[name] = value
        if isinstance(self.data, bytes):
            event["data_base64"] = base64.b64encode(self.data).decode()
        elif self.data is not None:
            event["data"] = self.data
        return {**self.extensions, **event}

    def to_record(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the form that a record keeps beside the ``arguments`` made of the event: as ``to_json``, but data that
        are one of them are not written twice.
        """
        same = None if self.data is None else next((n for n, value in arguments.items() if value is self.data), None)
        event = (self if same is None else msgspec.structs.replace(self, data=None)).to_json()
        event.pop(SAME, None)
        return event if same is None else {**event, SAME: same}

    @classmethod
    def from_record(cls, kept: Mapping[str, Any], arguments: Callable[[], Mapping[str, Any]]) -> CloudEvent:
        """Read what ``to_record`` made; ``arguments`` gives those of the record. Raises InvalidInput."""
        event = cls.from_json({name: value for name, value in kept.items() if name != SAME})
        return event if SAME not in kept else msgspec.structs.replace(event, data=arguments().get(kept[SAME]))


def now() -> str:
    """Return the present as an RFC 3339 time, in UTC."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _event(attributes: Mapping[str, Any], data: Any, violations: list[Violation]) -> CloudEvent:
    """Make an event of its attributes; raises InvalidInput with ``violations`` and what is wrong with them."""
    missing = [name for name in _REQUIRED if not isinstance(attributes.get(name), str) or not attributes[name]]
    wrong = [name for name in _OPTIONAL if not isinstance(attributes.get(name, ""), str)]
    said = "is a required attribute of a CloudEvent, a string that is not empty"
    violations = [
        *(Violation(f"/event/{name}", said) for name in missing),
        *(Violation(f"/event/{name}", "must be a string") for name in wrong),
        *violations,
    ]
    if "specversion" not in missing and not attributes["specversion"].startswith("1."):
        violations.append(Violation("/event/specversion", f"must be 1.0, not {attributes['specversion']}"))
    if violations:
        raise InvalidInput(violations)
    return CloudEvent(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        data=data,
        extensions={name: item for name, item in attributes.items() if name not in _ATTRIBUTES},
        **{name: attributes.get(name) for name in _OPTIONAL},
    )


def _text(value: Any) -> Any:
    """Return a header's value as an attribute's: AMQP has bytes and timestamps too (AMQP binding, section 3.1.3)."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat().replace("+00:00", "Z")
    return value
