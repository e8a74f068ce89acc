"""The chunks of answers that are made as they are sent: text, lines of JSON, server-sent events.

Source: HTML, section 9.2 (server-sent events).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from funcatron.codec import encode_json
from funcatron.replies.media_types import BYTES

__all__ = ["chunk", "event_chunk"]

_LINE_END = re.compile("\r\n|\n|\r")


def chunk(item: Any) -> bytes:
    """Return one chunk of a stream: text and bytes as they are, other values as a line of JSON."""
    if isinstance(item, str):
        return item.encode()
    return bytes(item) if isinstance(item, BYTES) else encode_json(item) + b"\n"


def event_chunk(item: Any) -> bytes:
    """Write one server-sent event (HTML, section 9.2): a mapping's id, event, retry and data, or data alone."""
    fields = item if isinstance(item, Mapping) and "data" in item else {"data": item}
    lines = [
        f"{name}: {_LINE_END.sub(' ', str(fields[name]))}"
        for name in ("id", "event", "retry")
        if fields.get(name) is not None
    ]
    data = fields["data"]
    if isinstance(data, BYTES):
        data = bytes(data).decode("utf-8", "replace")
    text = data if isinstance(data, str) else encode_json(data).decode()
    lines += [f"data: {line}" for line in _LINE_END.split(text)]
    return ("\n".join(lines) + "\n\n").encode()
