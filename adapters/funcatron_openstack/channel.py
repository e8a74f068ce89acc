"""Where notifications of a container come in, and what they look like, for the AsyncAPI document. Pure."""

from __future__ import annotations

from typing import Any

from funcatron.ports import Channel, Form

__all__ = ["notified", "posted"]

_BARE = {
    "type": "object",
    "title": "A notification of ceilometermiddleware",
    "required": ["event_type", "payload"],
    "properties": {
        "event_type": {"type": "string", "examples": ["objectstore.http.request"]},
        "payload": {"type": "object", "description": "A CADF event: what was asked of Swift"},
    },
}
_WRAPPED = {
    "type": "object",
    "title": "The same in oslo.messaging's envelope",
    "required": ["oslo.message"],
    "properties": {
        "oslo.version": {"type": "string", "examples": ["2.0"]},
        "oslo.message": {"type": "string", "contentMediaType": "application/json"},
    },
}
_RECORDS = {
    "type": "object",
    "title": "A bucket notification of Ceph",
    "required": ["Records"],
    "properties": {
        "Records": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["eventName", "s3"],
                "properties": {"eventName": {"type": "string"}, "s3": {"type": "object"}},
            },
        }
    },
}


def notified(url: str, exchange: str, routing_key: str, wanted: str) -> Channel:
    """Return the channel of the bus at ``url``; ``wanted`` says in words what the trigger looks for in it."""
    declared: dict[str, Any] = {"name": exchange, "type": "topic", "durable": False, "autoDelete": False}
    form = Form(
        name="notification",
        content_type="application/json",
        payload={"anyOf": [_WRAPPED, _BARE, _RECORDS]},
        summary=f"A hint at a change, for {wanted}: the object is asked for before anything is called",
    )
    return Channel(
        address=routing_key,
        url=url,
        forms=[form],
        bindings={"amqp": {"is": "routingKey", "exchange": declared}},
        description="Notifications of Swift",
    )


def posted(wanted: str) -> Channel:
    """Return the channel of what Ceph posts, where there is no bus."""
    form = Form(
        name="notification",
        content_type="application/json",
        payload=_RECORDS,
        summary=f"A hint at a change, for {wanted}: the object is asked for before anything is called",
    )
    return Channel(address="/events", url=None, forms=[form], operation={"http": {"method": "POST"}})
