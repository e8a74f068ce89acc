"""Values to bytes and back: JSON for answers, and a JSON form for arguments that a record can keep.

JSON carries no bytes and no files, so in a stored input bytes are ``{"$bytes": "<base64>"}`` and an uploaded file is
``{"$file": "<base64>", "filename": ..., "content_type": ...}``; a member of the user's that starts with ``$`` gets one
more ``$`` in front.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import io
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Protocol, runtime_checkable

import msgspec
import orjson

__all__ = ["Upload", "decode_input", "decode_json", "encode_input", "encode_json"]

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z

decode_json = msgspec.json.Decoder().decode
"""Decode JSON bytes; integers of any size stay exact. Raises msgspec.DecodeError."""


@runtime_checkable
class Upload(Protocol):
    """An uploaded file as starlette and connexion pass it."""

    filename: str | None
    file: Any

    @property
    def content_type(self) -> str | None:
        """The media type that the client claims."""


class StoredUpload:
    """An uploaded file that comes back from a record; has what starlette's UploadFile has."""

    def __init__(self, content: bytes, filename: str | None, content_type: str | None) -> None:
        self.file = io.BytesIO(content)
        self.filename = filename
        self.content_type = content_type
        self.size = len(content)

    async def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes, all by default."""
        return self.file.read(size)

    async def seek(self, offset: int) -> None:
        """Go to ``offset`` bytes from the beginning."""
        self.file.seek(offset)

    async def close(self) -> None:
        """Release the content."""
        self.file.close()


def encode_json(value: Any) -> bytes:
    """Return ``value`` as JSON (UTF-8). Dataclasses, datetimes, UUIDs and enums are native to orjson; Decimals become
    numbers where that is exact and strings otherwise, sets lists, timedeltas seconds.

    Raises TypeError naming what does not serialise, and where.
    """
    try:
        return orjson.dumps(value, _plain, _OPTIONS)
    except TypeError as error:
        if "64-bit" in str(error):
            return _encode_big(value)
        raise TypeError(_complaint(value) or str(error)) from None


def _encode_big(value: Any) -> bytes:
    """Integers beyond 64 bits: orjson refuses them; the standard library writes them exactly."""
    import json

    return json.dumps(value, default=_plain_or_native, ensure_ascii=False, separators=(",", ":")).encode()


def _plain_or_native(value: Any) -> Any:
    try:
        return _plain(value)
    except TypeError:
        return orjson.loads(orjson.dumps(value, _plain, _OPTIONS))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else _exact(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} does not serialise as JSON")


def _exact(value: Decimal) -> float | str:
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


def _complaint(value: Any, at: str = "") -> str | None:
    """Return which member of ``value`` does not serialise, as a JSON Pointer and its type."""
    if isinstance(value, Mapping):
        members = ((f"{at}/{key}", item) for key, item in value.items())
    elif isinstance(value, (list, tuple)):
        members = ((f"{at}/{index}", item) for index, item in enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = ((f"{at}/{f.name}", getattr(value, f.name)) for f in dataclasses.fields(value))
    else:
        try:
            orjson.dumps(value, _plain, _OPTIONS)
        except TypeError:
            return f"{at or 'the value'}: {type(value).__name__} does not serialise as JSON"
        return None
    return next((found for place, item in members if (found := _complaint(item, place))), None)


def encode_input(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments in the form that a record keeps: JSON values only. Uploads are read from their beginning."""
    return {name: _store(value) for name, value in arguments.items()}


def decode_input(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that ``encode_input`` was given."""
    return {name: _restore(value) for name, value in stored.items()}


def _store(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, Mapping):
        return {("$" + key if key.startswith("$") else key): _store(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_store(item) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Upload):
        value.file.seek(0)
        content = value.file.read()
        value.file.seek(0)
        return {
            "$file": base64.b64encode(content).decode(),
            "filename": value.filename,
            "content_type": value.content_type,
        }
    return orjson.loads(encode_json(value))


def _restore(value: Any) -> Any:
    if isinstance(value, list):
        return [_restore(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    if "$file" in value:
        return StoredUpload(base64.b64decode(value["$file"]), value.get("filename"), value.get("content_type"))
    return {(key[1:] if key.startswith("$$") else key): _restore(item) for key, item in value.items()}
