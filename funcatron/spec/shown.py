"""Values as a message shows them: JSON, and short."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["shown"]

LIMIT = 80
"""The most characters of a value that a message repeats."""


def shown(value: Any) -> str:
    """Return the value as JSON of at most 80 characters; what is not JSON is named by its type."""
    text = _written(value, LIMIT)
    return text if len(text) <= LIMIT else text[: LIMIT - 3] + "..."


def _written(value: Any, room: int) -> str:
    """Write no more than is shown: a body may be large."""
    if isinstance(value, str):
        return json.dumps(value[: room + 1], ensure_ascii=False)
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping):
        return "{" + _joined(((f"{_written(k, room)}: ", v) for k, v in value.items()), room - 1) + "}"
    if isinstance(value, list | tuple):
        return "[" + _joined((("", item) for item in value), room - 1) + "]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) and value.bit_length() > 2_000:  # str() would refuse, or take long
        return f"an integer of {value.bit_length()} bits"
    return str(value) if isinstance(value, int | float) else type(value).__name__


def _joined(items: Any, room: int) -> str:
    text = ""
    for lead, item in items:
        text += (", " if text else "") + lead + (_written(item, room - len(text)) if room > len(text) else "")
        if len(text) > room:
            break
    return text
