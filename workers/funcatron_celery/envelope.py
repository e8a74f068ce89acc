"""The Celery messages that funcatron publishes: protocol 2, without input, made from a template.

Such a message says "run the execution with this id"; the input is in the record. Everything but the id is the same
for all messages of one function, so it is encoded once. Source: Celery's message protocol, version 2
(https://docs.celeryq.dev/en/stable/internals/protocol.html).
"""

from __future__ import annotations

import functools
import os
import socket
from typing import Any, Final

import orjson

from funcatron.execution import Execution
from funcatron_celery.sqlite.payload import payload as encoded

__all__ = ["BODY", "EMBED", "MARK", "headers", "payload"]

MARK = "funcatron"
"""The header that says: this message names an execution on record. Its value is ``execution``."""

EMBED: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
BODY: Final = orjson.dumps([[], {}, EMBED])
"""No arguments, no canvas."""

_ID = "\x00"


def headers(function: str, execution_id: str) -> dict[str, Any]:
    """Return the headers of the message that runs one execution."""
    return {
        "lang": "py",
        "task": function,
        "id": execution_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": execution_id,
        "parent_id": None,
        "argsrepr": "()",
        "kwargsrepr": "{}",
        "origin": _origin(os.getpid()),
        "ignore_result": None,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
        MARK: "execution",
    }


def payload(execution: Execution) -> bytes:
    """Return the whole message as the embedded broker keeps it: one JSON object."""
    return orjson.dumps(execution.id)[1:-1].join(_template(execution.function, execution.queue, os.getpid()))


@functools.lru_cache(maxsize=1)
def _origin(pid: int) -> str:
    return f"{pid}@{socket.gethostname()}"


@functools.lru_cache(maxsize=1024)
def _template(function: str, queue: str, pid: int) -> tuple[bytes, ...]:
    whole = encoded(
        BODY.decode(), queue=queue, headers=headers(function, _ID), properties={"correlation_id": _ID, "reply_to": ""}
    )
    return tuple(whole.split(orjson.dumps(_ID)[1:-1]))
