"""Messages of any producer as CloudEvents: structured, binary, or plain. Pure.

Source: CloudEvents AMQP protocol binding 1.0.2 (headers ``cloudEvents:`` or ``cloudEvents_``), and ``ce-`` headers as
HTTP gateways leave them.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from funcatron.errors import InvalidInput, Violation
from funcatron.event import STRUCTURED, CloudEvent, now

__all__ = ["to_event"]

MESSAGE = "org.funcatron.queue.message"


def to_event(queue: str, body: Any, headers: Any, content_type: Any, message_id: str | None) -> CloudEvent:
    """Return the event that a message carries, or is.

    ``message_id`` is what the producer or the broker calls the message for good, None if nobody does: then two equal
    bodies are two events. Raises InvalidInput for what says it is JSON or a CloudEvent and is not.
    """
    raw = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else bytes(body)
    media = content_type.split(";")[0].strip().lower() if isinstance(content_type, str) else ""
    if media == STRUCTURED:
        return CloudEvent.from_json(_json(raw))
    given = headers if isinstance(headers, Mapping) else {}
    data = _data(raw, media)
    event = CloudEvent.from_headers({str(k): v for k, v in given.items()}, data, content_type or None)
    if event is not None:
        return event
    return CloudEvent(
        id=message_id or str(uuid.uuid4()),
        source=f"/queues/{queue}",
        type=MESSAGE,
        time=now(),
        datacontenttype=media or None,
        data=data,
    )


def _data(raw: bytes, media: str) -> Any:
    if media == "application/json" or media.endswith("+json"):
        return _json(raw)
    if media.startswith("text/"):
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw
    if media in {"", "application/data"}:  # nothing is said of the content: see what it is
        try:
            return msgspec.json.decode(raw)
        except msgspec.DecodeError:
            pass
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw
    return raw


def _json(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput([Violation("/body", f"is not JSON: {error}")]) from None
