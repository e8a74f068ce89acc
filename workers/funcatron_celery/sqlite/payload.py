"""The form in which a message rests in a queue's file: kombu's message dict, as JSON."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson
from kombu.utils.json import dumps as kombu_dumps
from kombu.utils.json import loads as kombu_loads

__all__ = ["decode", "encode", "payload"]


def payload(
    body: str | bytes,
    *,
    queue: str,
    headers: Mapping[str, Any],
    properties: Mapping[str, Any] | None = None,
    content_type: str = "application/json",
    content_encoding: str = "utf-8",
) -> bytes:
    """Return the ``payload`` of a ``funcatron.ports.Message`` whose consumer sees exactly these parts.

    ``body`` is what the producer serialized: text, or bytes (kept as base64). ``headers`` and ``properties``
    (``correlation_id``, ``reply_to``, ``priority``, ...) hold JSON values. The form is::

        {"body": ..., "content-type": ..., "content-encoding": ..., "headers": {...},
         "properties": {"body_encoding": null or "base64", "delivery_mode": 2, "priority": 0,
                        "delivery_info": {"exchange": "", "routing_key": <queue>}, ...}}

    For a Celery task (protocol 2) ``body`` is the JSON of ``[args, kwargs, embed]``, the headers hold ``task`` and
    ``id`` at least, and ``correlation_id`` is the id.
    """
    binary = isinstance(body, bytes)
    return orjson.dumps(
        {
            "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
            "content-type": content_type,
            "content-encoding": content_encoding,
            "headers": headers,
            "properties": {
                "delivery_mode": 2,
                "priority": 0,
                **(properties or {}),
                "body_encoding": "base64" if binary else None,
                "delivery_info": {"exchange": "", "routing_key": queue},
            },
        }
    )


def encode(message: Mapping[str, Any]) -> bytes:
    """Return kombu's message dict as JSON; kombu's own encoder keeps its way with dates, UUIDs and decimals."""
    return bytes(kombu_dumps(message), "utf-8")


def decode(payload: bytes) -> dict[str, Any]:
    """Return kombu's message dict, its body unpacked. Raises ValueError for what is not one."""
    try:
        message = kombu_loads(payload.decode()) if b'"__type__"' in payload else orjson.loads(payload)
    except (ArithmeticError, AttributeError, LookupError, TypeError, RecursionError) as error:  # of kombu's own types
        raise ValueError(f"not a message: {error}") from error
    if not isinstance(message, dict) or not isinstance(message.get("properties"), dict):
        raise ValueError("not a message: an object with properties is wanted")
    properties = message["properties"]
    body, encoding = message.get("body"), properties.get("body_encoding")
    if encoding is not None or not isinstance(body, str):
        message["body"] = _unpacked(body, encoding)
        properties["body_encoding"] = None
    return message


def _unpacked(body: Any, encoding: Any) -> str | bytes:
    if not isinstance(body, str) or encoding not in (None, "utf-8", "base64"):
        raise ValueError("not a message: the body must be text, or bytes in base64")
    return base64.b64decode(body, validate=True) if encoding == "base64" else body
