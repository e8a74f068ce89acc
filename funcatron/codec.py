"""Values to bytes and back: JSON for answers, and a JSON form for arguments that a record can keep.

JSON carries no bytes and no files, so in a stored input bytes are ``{"$bytes": "<base64>"}`` and an uploaded file is
``{"$file": "<base64>", "filename": ..., "content_type": ...}``; a member of the user's that starts with ``$`` gets one
more ``$`` in front.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import hashlib
import io
import math
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Protocol, runtime_checkable

import msgspec
import orjson

__all__ = ["Upload", "decode_input", "decode_json", "encode_input", "encode_json"]

DEEPEST = 100
LARGEST_FILE = 16 * 1024 * 1024
"""Bytes of an uploaded file that are read into memory."""
_LEAVES = frozenset({str, int, float, bool, type(None)})
"""What JSON has that holds nothing else."""

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


class TooLarge(TypeError):
    """An uploaded file has too many bytes to be kept: ``size``."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"a file of {size} bytes cannot be kept in a record")


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
    numbers where that is exact and strings otherwise, sets lists, timedeltas seconds; NaN and infinity become null.

    Raises TypeError naming what does not serialise, and where.
    """
    try:
        return orjson.dumps(value, _plain, orjson.OPT_UTC_Z)
    except TypeError:
        return _encode_rare(value)


def _encode_rare(value: Any) -> bytes:
    """Write what orjson does not: keys that are no strings (an option that costs all others double), and integers
    beyond 64 bits.
    """
    try:
        try:
            return _with_any_keys(value)
        except TypeError as error:
            if "64-bit" not in str(error):
                raise
        return msgspec.json.encode(_builtins(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(_complaint(value, _unserialisable, error)) from None


def _with_any_keys(value: Any) -> bytes:
    return orjson.dumps(value, _plain, orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


def _builtins(value: Any) -> Any:
    """Return what orjson would write, in plain types; integers stay what they are."""
    if type(value) is int:
        return value
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _builtins(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        keys = decode_json(_with_any_keys(dict.fromkeys(value)))
        return {key: _builtins(item) for key, item in zip(keys, value.values(), strict=True)}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_builtins(item) for item in value]
    return decode_json(_with_any_keys(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, (set, frozenset, tuple)):
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


def _number(value: Decimal) -> int | float | str | None:
    if not value.is_finite():
        return None
    if abs(value) < 2**63 and value == value.to_integral_value():
        return int(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


def _unserialisable(leaf: Any) -> str | None:
    if isinstance(leaf, int):
        return None
    try:
        _with_any_keys(leaf)
    except TypeError:
        return _lone_surrogate(leaf) or f"{type(leaf).__name__} does not serialise as JSON"
    return None


def _complaint(value: Any, test: Callable[[Any], str | None], error: BaseException) -> str:
    """Return which member of ``value`` a test finds fault with, as a JSON Pointer and what is said; else the error."""
    try:
        found = _first(value, "", test)
    except RecursionError:
        return "the value is nested too deeply, or holds itself"
    return found or ("the value is nested too deeply" if "recursion" in str(error).lower() else str(error))


def _first(value: Any, at: str, test: Callable[[Any], str | None]) -> str | None:
    if isinstance(value, Mapping):
        members: Iterable[tuple[Any, Any]] = value.items()
        for key in value:
            if test is _unserialisable and not isinstance(key, (str, int)) and test({key: None}) is not None:
                return f"{at or 'the value'}: {key!r} ({type(key).__name__}) cannot be a key of a JSON object"
    elif isinstance(value, (list, tuple)):
        members = enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    else:
        said = test(value)
        return said and f"{at or 'the value'}: {said}"
    return next((found for key, item in members if (found := _first(item, f"{at}/{key}", test))), None)


def _lone_surrogate(leaf: Any) -> str | None:
    if isinstance(leaf, str) and not leaf.isascii():
        try:
            leaf.encode()
        except UnicodeEncodeError:
            return "the string has a lone surrogate, which is no valid Unicode"
    return None


def encode_input(arguments: Mapping[str, Any], *, strict: bool = True) -> dict[str, Any]:
    """Return arguments in the form that a record keeps: JSON values only. Uploads are read from their beginning.

    Raises TypeError naming what a record cannot keep (objects of no known kind, NaN, lone surrogates), and where;
    TooLarge for a file that is larger than 16 MiB.
    With ``strict=False`` that is kept as text, for inputs that were refused and are on record to be looked at.
    """
    try:
        return {name: _store(value) for name, value in arguments.items()}
    except TooLarge:
        if strict:
            raise
    except (TypeError, RecursionError) as error:
        if strict:
            raise TypeError(_complaint(arguments, _unstorable, error)) from None
    return {_readable(name): _anyhow(value, 0) for name, value in arguments.items()}


def decode_input(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that ``encode_input`` was given. Raises ValueError or TypeError for what it did not make."""
    return {name: _restore(value) for name, value in stored.items()}


def _store(value: Any) -> Any:
    kind = type(value)
    if kind is dict:  # most are of these types: asked first, and exactly
        return {_stored_key(key): _store(item) for key, item in value.items()}
    if kind is int or kind is bool or (kind is str and value.isascii()):
        return value
    if isinstance(value, enum.Enum):
        return _store(value.value)
    if value is None or isinstance(value, (str, int, float)):
        if (isinstance(value, float) and not math.isfinite(value)) or _lone_surrogate(value):
            raise TypeError(f"{value!r} cannot be kept")
        return value
    if isinstance(value, Mapping):
        return {_stored_key(key): _store(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_store(item) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Upload):
        if (size := value.file.seek(0, os.SEEK_END)) > LARGEST_FILE:
            raise TooLarge(size)
        value.file.seek(0)
        content = value.file.read()
        value.file.seek(0)
        return {
            "$file": base64.b64encode(content).decode(),
            "filename": value.filename,
            "content_type": value.content_type,
        }
    return _store(decode_json(encode_json(value)))


def _stored_key(key: Any) -> str:
    if type(key) is str and key.isascii():
        return "$" + key if key.startswith("$") else key
    text = key if isinstance(key, str) else str(key)
    if _lone_surrogate(text):
        raise TypeError(f"the key {text!r} has a lone surrogate, which is no valid Unicode")
    return "$" + text if text.startswith("$") else text


def _unstorable(leaf: Any) -> str | None:
    try:
        _store(leaf)
    except (TypeError, RecursionError):
        if isinstance(leaf, float):
            return f"{leaf} is not a finite number"
        return _lone_surrogate(leaf) or f"{type(leaf).__name__} cannot be kept in a record"
    return None


def _anyhow(value: Any, depth: int) -> Any:
    """Return a value that is not to be called with again: what cannot be kept is text."""
    if depth < DEEPEST and isinstance(value, Mapping):
        return {_stored_key(_readable(key)): _anyhow(item, depth + 1) for key, item in value.items()}
    if depth < DEEPEST and isinstance(value, (list, tuple)):
        return [_anyhow(item, depth + 1) for item in value]
    return _store(value) if _unstorable(value) is None else _readable(value)


def _readable(value: Any) -> str:
    if isinstance(value, Upload):
        size = value.file.seek(0, os.SEEK_END)
        value.file.seek(0)
        digest = hashlib.sha256()
        while piece := value.file.read(1024 * 1024):
            digest.update(piece)
        value.file.seek(0)
        return f"a file of {size} bytes, SHA-256 {digest.hexdigest()}"
    try:
        return str(value).encode("utf-8", "backslashreplace").decode()
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deeply"


def _restore(value: Any) -> Any:
    if isinstance(value, list):
        return [item if type(item) in _LEAVES else _restore(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$" not in "".join(value):  # as in most: no key has a meaning, none was changed
        return {key: item if type(item) in _LEAVES else _restore(item) for key, item in value.items()}
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"], validate=True)
    if "$file" in value:
        return StoredUpload(
            base64.b64decode(value["$file"], validate=True), value.get("filename"), value.get("content_type")
        )
    return {(key[1:] if key.startswith("$$") else key): _restore(item) for key, item in value.items()}
