"""What ceilometermiddleware says of Swift's requests: oslo.messaging notifications with a CADF event in them.

Read here without IO. What they say is taken for a hint: their outcome is ``success`` for refused requests too, they
have no status, size, ETag or time of the object, and they come out of order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from funcatron_openstack.hint import Hint, Malformed, Verb

__all__ = ["EVENT_TYPE", "decoded_name", "hint_of_target", "read_notification", "unwrapped"]

EVENT_TYPE = "objectstore.http.request"
_VERBS: dict[str, Verb] = {"put": "put", "post": "post", "delete": "delete", "copy": "put"}
_RECEIVED = "storage.objects.incoming.bytes"


def unwrapped(message: Any) -> Mapping[str, Any]:
    """Return the notification in a message: in oslo's envelope (``messagingv2``) or without one (``messaging``).

    Raises Malformed.
    """
    if isinstance(message, Mapping) and "oslo.message" in message:
        try:
            message = msgspec.json.decode(message["oslo.message"])
        except (msgspec.DecodeError, TypeError, UnicodeDecodeError) as error:
            raise Malformed(f"oslo.message is not JSON: {error}") from None
    if not isinstance(message, Mapping) or not isinstance(message.get("payload"), Mapping):
        raise Malformed("there is no payload of a notification")
    return message


def read_notification(message: Any) -> list[Hint]:
    """Return the hint in a notification, decoded from JSON; none where nothing can have changed. Raises Malformed."""
    notification = unwrapped(message)
    if notification.get("event_type") != EVENT_TYPE:
        return []
    payload = notification["payload"]
    target, initiator = payload.get("target"), payload.get("initiator")
    if not isinstance(target, Mapping) or not isinstance(target.get("metadata"), Mapping):
        raise Malformed("the payload has no target with metadata")
    known = isinstance(initiator, Mapping) and initiator.get("project_id") is not None
    user_id = str(initiator["id"]) if known and "id" in initiator else None
    metadata = target["metadata"]
    return hint_of_target(
        path=metadata.get("path"),
        action=target.get("action"),
        transaction_id=metadata.get("http_header_x_trans_id"),
        user_id=user_id,
        received=_received(payload.get("measurements")),
    )


def hint_of_target(
    *, path: Any, action: Any, transaction_id: str | None, user_id: str | None, received: int
) -> list[Hint]:
    """Return the hint of a request: its ``path`` as the middleware writes it, its method in lower case, and how many
    bytes its body had; none for a request that changes nothing. Raises Malformed.
    """
    verb = _VERBS.get(str(action).lower())
    if verb is None:
        return []
    if not isinstance(path, str):
        raise Malformed("the target has no path")
    _, account, container, name = (*path.split("/", 3), "", "", "", "")[:4]
    form = verb == "post" and received > 0  # FormPost: the path is no object's, but the beginning of the names of many
    return [
        Hint(
            verb=verb,
            account=decoded_name(account),
            container=decoded_name(container) or None,
            object=None if form else decoded_name(name) or None,
            transaction_id=transaction_id if isinstance(transaction_id, str) else None,
            user_id=user_id,
        )
    ]


def decoded_name(quoted: str) -> str:
    """Return a name as the client spelled it; the middleware quotes what WSGI decoded as latin-1. Raises Malformed."""
    try:
        return unquote(quoted, errors="strict").encode("latin-1").decode()
    except ValueError:
        raise Malformed(f"this is no name as the middleware writes them: {quoted!r}") from None


def _received(measurements: Any) -> int:
    for measurement in measurements if isinstance(measurements, list) else ():
        if isinstance(measurement, Mapping) and isinstance(metric := measurement.get("metric"), Mapping):
            result = measurement.get("result")
            if metric.get("name") == _RECEIVED and isinstance(result, int):
                return result
    return 0
