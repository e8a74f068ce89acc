"""CloudEvents over HTTP: binary, structured and batch mode, and what others post that is none but tells of some.

Source: CloudEvents 1.0.2, HTTP protocol binding (section 3) and JSON event format (sections 3 and 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from funcatron import plugins
from funcatron.errors import InvalidInput, Violation
from funcatron.event import BATCH, STRUCTURED, CloudEvent

__all__ = ["read_events"]

PLUGINS = "funcatron.events"
_PREFIX = "ce-"
_REQUIRED = ("specversion", "id", "source", "type")
HINT = f"send ce- headers, or one event as {STRUCTURED}, or several as {BATCH}"


def read_events(headers: Mapping[str, str], body: Any) -> list[CloudEvent]:
    """Return the events of a request; ``headers`` in lower case, ``body`` decoded by its Content-Type.

    A body without any CloudEvents header may be of a form that a plugin reads: an entry point of ``funcatron.events``,
    a function that returns the events in a JSON object, or None where it is of another form.

    Raises InvalidInput that names every violation of every event.
    """
    content_type = headers.get("content-type")
    bare = (content_type or "").partition(";")[0].strip().lower()
    if bare == STRUCTURED:
        return _read([("/body", body)])
    if bare == BATCH:
        return _read([(f"/body/{index}", item) for index, item in enumerate(body)])
    if isinstance(body, Mapping) and not any(name.startswith(_PREFIX) for name in headers):
        for name in plugins.names(PLUGINS):
            found: list[CloudEvent] | None = plugins.load(PLUGINS, name)(body)
            if found is not None:
                return found
    return [_binary(headers, body, content_type)]


def _read(items: list[tuple[str, Any]]) -> list[CloudEvent]:
    events: list[CloudEvent] = []
    violations: list[Violation] = []
    for place, item in items:
        try:
            events.append(CloudEvent.from_json(item))
        except InvalidInput as invalid:
            violations += [Violation(place + v.pointer.removeprefix("/event"), v.message) for v in invalid.violations]
    if violations:
        raise InvalidInput(violations)
    return events


def _binary(headers: Mapping[str, str], body: Any, content_type: str | None) -> CloudEvent:
    """Header values are percent-encoded UTF-8 (HTTP binding, section 3.1.3.2)."""
    attributes = {name: unquote(value) for name, value in headers.items() if name.startswith(_PREFIX)}
    if isinstance(body, bytes) and content_type is not None and content_type.startswith("text/"):
        body = body.decode("utf-8", "replace")
    try:
        event = CloudEvent.from_headers(attributes, body, content_type)
    except InvalidInput as invalid:
        raise InvalidInput(
            [Violation(v.pointer.replace("/event/", f"/header/{_PREFIX}"), v.message) for v in invalid.violations]
        ) from None
    if event is None:
        raise InvalidInput([Violation(f"/header/{_PREFIX}{name}", f"is required: {HINT}") for name in _REQUIRED])
    return event
