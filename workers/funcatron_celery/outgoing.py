"""The AMQP frames that publish our messages, made from a template for each function.

py-amqp serializes the table of headers for every message and writes each message to the socket by itself, which costs
far more than everything else about publishing. Ours differ in their id alone: so the frames are made once, and those of
a whole batch are written together. Source: AMQP 0-9-1, sections 2.3.5 (frames), 4.2.6 (content) and basic.publish.
"""

from __future__ import annotations

import functools
import os
from struct import pack

from amqp.serialization import dumps

from funcatron.execution import Execution
from funcatron_celery import envelope

__all__ = ["publishing"]

METHOD, HEADER, BODY = 1, 2, 3
BASIC, PUBLISH = 60, 40
MANDATORY = 1
PROPERTIES = 1 << 15 | 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10
"""content-type, content-encoding, headers, delivery-mode, correlation-id: in this order."""
PERSISTENT = 2

_OCCURRENCES = 3  # of the id: in two headers, and as the correlation id
_MARK = "\x01"


def publishing(channel: int, routing_key: str, execution: Execution) -> bytes:
    """Return the frames that publish the message of an execution to the default exchange: persistent, mandatory."""
    execution_id = execution.id.encode()
    parts = _template(channel, routing_key, execution.function, len(execution_id), os.getpid())
    if len(parts) != _OCCURRENCES + 1:  # too short an id to be told from the rest
        return _frames(channel, routing_key, execution.function, execution.id)
    return execution_id.join(parts)


@functools.lru_cache(maxsize=1024)
def _template(channel: int, routing_key: str, function: str, length: int, pid: int) -> list[bytes]:
    """Return what stands around the id; ``pid`` because the headers name the process."""
    mark = _MARK * max(1, length)
    return _frames(channel, routing_key, function, mark).split(mark.encode())


def _frames(channel: int, routing_key: str, function: str, execution_id: str) -> bytes:
    method = pack(">HHH", BASIC, PUBLISH, 0) + _short("") + _short(routing_key) + pack("B", MANDATORY)
    properties = (
        pack(">H", PROPERTIES)
        + _short("application/json")
        + _short("utf-8")
        + dumps("F", [envelope.headers(function, execution_id)])
        + pack("B", PERSISTENT)
        + _short(execution_id)
    )
    header = pack(">HHQ", BASIC, 0, len(envelope.BODY)) + properties
    return _frame(METHOD, channel, method) + _frame(HEADER, channel, header) + _frame(BODY, channel, envelope.BODY)


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def _short(text: str) -> bytes:
    encoded = text.encode()
    return pack("B", len(encoded)) + encoded
