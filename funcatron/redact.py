"""Redaction: what must not be seen in records and logs is replaced before it is shown or kept."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

__all__ = ["MASK", "is_credential", "public_headers", "redact", "redact_record", "redact_text"]

MASK = "***"
_CREDENTIALS = re.compile(r"authorization|cookie|token|secret|passw|api[-_]?key", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^\s/:@\"']{0,256}:)[^\s/@\"']{1,256}(?=@)")


@lru_cache(1024)
def is_credential(header: str) -> bool:
    """Return whether a header of this name carries a credential or a cookie."""
    return _CREDENTIALS.search(header) is not None


def public_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with names in lower case, credentials and cookies left out."""
    return {name.lower(): value for name, value in headers.items() if not is_credential(name)}


def redact(value: Any, names: Sequence[str]) -> Any:
    """Return a JSON value in which every member whose name contains one of ``names`` (any case) is masked.

    What a problem says of such a member (its ``errors`` and ``detail`` quote values) is masked too.
    """
    return _redacted(value, _pattern(tuple(names))) if names else value


def redact_record(shown: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return a record's JSON with its input, result, problem and history redacted."""
    parts = ("input", "result", "problem", "history")
    return {**shown, **{part: redact(shown[part], names) for part in parts if part in shown}}


def redact_text(text: str, names: Sequence[str]) -> str:
    """Return a log message in which ``name=value`` and ``"name": value`` of the named are masked, and the passwords
    of URLs.
    """
    text = _URL_PASSWORD.sub(lambda match: match[1] + MASK, text) if "://" in text else text
    return _assignment(tuple(names)).sub(lambda match: match[1] + MASK, text) if names else text


def _redacted(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, Mapping):
        shown = {key: MASK if pattern.search(str(key)) else _redacted(item, pattern) for key, item in value.items()}
        if _tells_of(value, pattern):
            shown["message"] = MASK
        if isinstance(value.get("errors"), list) and isinstance(value.get("detail"), str):
            told = [error["message"] for error in value["errors"] if _tells_of(error, pattern)]
            shown["detail"] = functools.reduce(lambda text, one: text.replace(one, MASK), told, value["detail"])
        return shown
    if isinstance(value, (list, tuple)):
        return [_redacted(item, pattern) for item in value]
    return value


def _tells_of(error: Any, pattern: re.Pattern[str]) -> bool:
    """Whether this is what a problem says of a member that is masked."""
    if not isinstance(error, Mapping) or not isinstance(error.get("message"), str):
        return False
    pointer = error.get("pointer")
    return isinstance(pointer, str) and pattern.search(pointer) is not None


@lru_cache(8)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(_words(names), re.IGNORECASE)


def _words(names: tuple[str, ...]) -> str:
    """Return an expression for the names; an underscore stands for a hyphen and for nothing too."""
    return "|".join(re.escape(name).replace("_", "[-_]?") for name in names)


@lru_cache(8)
def _assignment(names: tuple[str, ...]) -> re.Pattern[str]:
    """Match the name up to its value, then the value: quoted (with spaces), or a word, its scheme in front or not."""
    words = _words(names)
    quoted = r"""b?"(?:[^"\\]|\\.)*"|b?'(?:[^'\\]|\\.)*'"""
    scheme = r"(?:(?:basic|bearer|digest|token)\s+)?"
    return re.compile(
        rf"""((?:{words})[\w-]{{0,64}}["']?\s{{0,8}}[=:]\s{{0,8}})(?:{quoted}|{scheme}["']?[^\s"',;}}&]+)""",
        re.IGNORECASE,
    )
