"""Redaction: what must not be seen in records and logs is replaced before it is shown or kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

__all__ = ["CREDENTIAL_HEADERS", "public_headers", "redact", "redact_text"]

CREDENTIAL_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "x-auth-token",
        "x-service-token",
        "x-subject-token",
        "cookie",
        "set-cookie",
    }
)
MASK = "***"


def public_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with names in lower case, credentials and cookies left out."""
    return {name.lower(): value for name, value in headers.items() if name.lower() not in CREDENTIAL_HEADERS}


def redact(value: Any, names: Sequence[str]) -> Any:
    """Return a JSON value in which every member whose name contains one of ``names`` (any case) is masked."""
    if not names:
        return value
    if isinstance(value, Mapping):
        return {
            key: MASK if _pattern(tuple(names)).search(str(key)) else redact(item, names) for key, item in value.items()
        }
    if isinstance(value, list):
        return [redact(item, names) for item in value]
    return value


def redact_text(text: str, names: Sequence[str]) -> str:
    """Return a log message in which ``name=value`` and ``"name": value`` of the named are masked."""
    if not names:
        return text
    return _assignment(tuple(names)).sub(lambda match: match[1] + MASK, text)


@lru_cache(8)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, names)), re.IGNORECASE)


@lru_cache(8)
def _assignment(names: tuple[str, ...]) -> re.Pattern[str]:
    words = "|".join(map(re.escape, names))
    return re.compile(
        rf"""((?:[\w-]*(?:{words})[\w-]*)["']?\s*[=:]\s*(?:bearer\s+|basic\s+)?["']?)[^\s"',;}}&]+""", re.IGNORECASE
    )
