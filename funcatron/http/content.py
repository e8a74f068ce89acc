"""JSON and text from the wire: what is malformed is a violation with its place, never a 500."""

from __future__ import annotations

import codecs
from typing import Any

import msgspec

from funcatron.codec import decode_json
from funcatron.errors import InvalidInput, Violation

__all__ = ["UnknownCharset", "media_parameter", "read_json"]

_BOM = codecs.BOM_UTF8


class UnknownCharset(LookupError):
    """The text is in a charset that nobody here knows."""


def read_json(content: bytes, pointer: str, charset: str | None = None) -> Any:
    """Return the value of a JSON text (RFC 8259); integers stay exact.

    Raises InvalidInput at ``pointer`` for what is no JSON or no UTF-8, and UnknownCharset.
    """
    if charset is not None and charset.lower() not in ("utf-8", "utf8", "us-ascii"):
        content = _transcode(content, pointer, charset)
    try:
        return decode_json(content.removeprefix(_BOM))
    except UnicodeDecodeError as error:
        complaint = f"is not UTF-8: {error.reason} at byte {error.start}"
    except msgspec.DecodeError as error:
        complaint = "is not JSON: " + str(error).removeprefix("JSON is malformed: ")
    except RecursionError:
        complaint = "is nested too deeply"
    raise InvalidInput([Violation(pointer, complaint)])


def _transcode(content: bytes, pointer: str, charset: str) -> bytes:
    try:
        return content.decode(charset).encode()
    except LookupError:
        raise UnknownCharset(f"the charset {charset!r} is unknown; send UTF-8") from None
    except UnicodeError as error:
        raise InvalidInput([Violation(pointer, f"is not {charset}: {error}")]) from None


def media_parameter(content_type: str, name: str) -> str | None:
    """Return a parameter of a media type (``charset``, ``boundary``), unquoted, or None (RFC 9110 section 5.6.6)."""
    for part in content_type.split(";")[1:]:
        key, separator, value = part.partition("=")
        if separator and key.strip().lower() == name:
            return value.strip().strip('"') or None
    return None
