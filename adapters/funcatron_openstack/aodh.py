"""Aodh's event alarms: what it posts to an alarm's action when an event has come.

The body is Aodh's own (``alarm_name``, ``reason_data``), with the event's traits as a list of name, type and value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from funcatron.errors import InvalidInput, Violation
from funcatron.event import CloudEvent
from funcatron_openstack.hint import Hint, Malformed
from funcatron_openstack.notifications import EVENT_TYPE, decoded_name, hint_of_target, read_notification

__all__ = ["event_of_alarm", "is_alarm", "read_alarm", "read_event", "read_events"]

_ALARM = ("alarm_id", "alarm_name", "severity", "previous", "current", "reason")


def is_alarm(message: Mapping[str, Any]) -> bool:
    """Whether this is what Aodh posts."""
    return "alarm_id" in message and "reason_data" in message


def event_of_alarm(message: Mapping[str, Any]) -> CloudEvent:
    """Return the event that raised an alarm: its type is the notification's, its data are the traits as one flat object
    and, under ``alarm``, what is said of the alarm. Raises Malformed for an alarm that no event has raised.
    """
    event, traits = _event(message), _traits(message)
    return CloudEvent(
        id=str(event["message_id"]),
        source=f"/alarms/{message['alarm_id']}",
        type=str(event["event_type"]),
        time=_utc(event.get("generated")),
        datacontenttype="application/json",
        data={**traits, "alarm": {name: message.get(name) for name in _ALARM}},
    )


def read_alarm(message: Mapping[str, Any]) -> list[Hint]:
    """Return the hint in an alarm that a request to Swift has raised; none in any other alarm. Raises Malformed."""
    event = _event(message)
    if event["event_type"] != EVENT_TYPE:
        return []
    raw = event.get("raw")
    if isinstance(raw, Mapping) and isinstance(raw.get("payload"), Mapping):
        return read_notification(raw)
    return _hints(_traits(message))


def read_event(event: CloudEvent) -> list[Hint]:
    """Return the hint in an event that ``event_of_alarm`` has made. Raises Malformed."""
    return _hints(event.data) if event.type == EVENT_TYPE and isinstance(event.data, Mapping) else []


def read_events(body: Mapping[str, Any]) -> list[CloudEvent] | None:
    """Return the event in what was posted, None where it is no alarm. Raises InvalidInput."""
    if not is_alarm(body):
        return None
    try:
        return [event_of_alarm(body)]
    except Malformed as error:
        raise InvalidInput([Violation("/body", str(error))]) from None


def _hints(traits: Mapping[str, Any]) -> list[Hint]:
    return hint_of_target(
        path=traits.get("target_metadata_path") or _path(traits),
        action=traits.get("target_action") or _method(traits.get("action")),
        transaction_id=traits.get("transaction_id"),
        user_id=traits.get("initiator_id") if traits.get("initiator_project_id") else None,
        received=0,
    )


def _event(message: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        event = message["reason_data"]["event"]
        _ = event["message_id"], event["event_type"]
    except (KeyError, TypeError):
        raise Malformed("this is no alarm that an event has raised") from None
    if not isinstance(event, Mapping):
        raise Malformed("the event of the alarm is no object")
    return event


def _traits(message: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {str(name): value for name, _kind, value in _event(message).get("traits", ())}
    except (TypeError, ValueError):
        raise Malformed("the event's traits are no list of name, type and value") from None


def _path(traits: Mapping[str, Any]) -> str:
    """Return the path where definitions have traits of their own for container and object; these are quoted alike."""
    parts = [str(traits[name]) for name in ("container", "object") if traits.get(name)]
    if not parts:
        raise Malformed("no trait of the event names a container")
    project = traits.get("target_id") or traits.get("project_id") or ""
    return "/".join(("v1", f"AUTH_{decoded_name(str(project))}", *parts))


def _method(action: Any) -> str:
    """CADF's action of a request: ``update`` is a PUT, ``create`` a POST."""
    return {"update": "put", "create": "post", "delete": "delete"}.get(str(action), "")


def _utc(generated: Any) -> str | None:
    return f"{generated}Z" if isinstance(generated, str) and not generated.endswith("Z") else generated or None
