"""Which media type an answer has, where its handler does not say so."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterator
from pathlib import Path
from typing import Any

from funcatron.binding import find_media, is_json
from funcatron.files import media_type_of
from funcatron.replies.errors import InvalidReply

__all__ = ["BYTES", "infer"]

BYTES = (bytes, bytearray, memoryview)


def infer(types: tuple[str, ...], status: int, value: Any) -> str:
    """Choose a media type as connexion does: the only one, else by the value's kind; JSON where none is named."""
    if len(types) == 1 and "*" not in types[0]:
        return types[0]
    if value is None:
        return next(filter(is_json, types), "")
    wanted = _kind(value)
    if not types:
        return wanted
    named = find_media(dict.fromkeys(types), wanted)
    if named is not None:
        return named if "*" not in named else wanted
    if wanted == "application/json":
        found = next((t for t in types if is_json(t) and "*" not in t), None)
        if found is not None:
            return found
    raise InvalidReply(
        f"several media types are declared for {status} ({', '.join(types)}) and a {type(value).__name__} does not "
        "say which one it is: return a Content-Type header"
    )


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text/plain"
    if isinstance(value, Path):
        return media_type_of(value)
    if isinstance(value, (*BYTES, AsyncIterable, Iterator)):
        return "application/octet-stream"
    return "application/json"
