r"""Patterns of schemas, and formats that are checked as patterns.

JSON Schema wants regular expressions of ECMA-262, which jsonschema-rs runs; documents written for connexion may use
what only Python's ``re`` has (``\Z``, ``(?P<name>...)``, ``(?i)``). Such a pattern is run by Python. One that neither
understands is a mistake in the document.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import jsonschema_rs

__all__ = ["BYTE", "KEYWORDS", "PYTHON_PATTERN", "UUID", "is_ecma", "is_pattern"]

UUID = r"^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
"""RFC 4122 section 3. jsonschema-rs knows the format, but not in draft 4."""

BYTE = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
"""base64 (RFC 4648 section 4), OpenAPI's format ``byte``."""

PYTHON_PATTERN = "x-python-pattern"


class _PythonPattern:
    """The keyword under which lowered schemas carry a pattern for Python (jsonschema-rs's protocol for keywords)."""

    def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:
        self._pattern = re.compile(value)

    def validate(self, instance: Any) -> None:
        if isinstance(instance, str) and not self._pattern.search(instance):
            raise ValueError(f"match the pattern {self._pattern.pattern}")


KEYWORDS: dict[str, Any] = {PYTHON_PATTERN: _PythonPattern}


@lru_cache(maxsize=4096)
def is_ecma(pattern: str) -> bool:
    """Whether jsonschema-rs runs this pattern."""
    try:
        jsonschema_rs.Draft4Validator({"pattern": pattern})
    except jsonschema_rs.ValidationError:
        return False
    return True


@lru_cache(maxsize=4096)
def is_pattern(pattern: str) -> bool:
    """Whether anybody understands this pattern."""
    if is_ecma(pattern):
        return True
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True
