"""The work: nothing, but every run is noted in one file, by whoever runs it, at the cost of a microsecond.

The same function is funcatron's handler and Celery's task.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["BODY", "BROKER", "MARKS", "RESULTS", "Mark", "body", "marks", "marks_written", "noop"]

MARKS = "BENCHMARK_MARKS"
"""The environment variable that names the file."""
BROKER = "BENCHMARK_BROKER"
RESULTS = "BENCHMARK_RESULTS"
"""The environment variables that tell Celery's processes the URLs."""

_MARK = struct.Struct("<qq")
BODY: Mapping[str, Any] = {
    "type": "com.example.object.created",
    "source": "/swift/account/container",
    "data": {"name": "x" * 330, "size": 12345},
}


class Mark(NamedTuple):
    """When a task began (``time.monotonic_ns``, one clock for all processes of a machine), and which."""

    at: int
    seq: int


def body(seq: int) -> dict[str, Any]:
    """Return an input of about 500 bytes of JSON."""
    return {"seq": seq, **BODY}


def noop(body: Mapping[str, Any]) -> dict[str, Any]:
    os.write(_file(), _MARK.pack(time.monotonic_ns(), body["seq"]))
    return {"ok": True, "seq": body["seq"]}


@cache
def _file() -> int:
    return os.open(os.environ[MARKS], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def marks(file: Path) -> list[Mark]:
    """Return what was noted, in order."""
    return [Mark(*fields) for fields in _MARK.iter_unpack(file.read_bytes())] if file.exists() else []


def marks_written(file: Path) -> int:
    """Return how many runs were noted."""
    return file.stat().st_size // _MARK.size if file.exists() else 0
