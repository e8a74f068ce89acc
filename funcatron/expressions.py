"""Runtime expressions (OpenAPI 3.0.3 section 4.7.20.4): where a callback goes, read from the call and its answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from funcatron.types import MISSING

__all__ = ["evaluate", "point"]

_EMBEDDED = re.compile(r"\{(\$[^{}]+)\}")
_WHOLE = frozenset({"url", "method", "statusCode"})


def evaluate(expression: str, lookup: Callable[[str, str], Any]) -> str | None:
    """Return ``expression`` with every ``{$...}`` (or the whole of it, if it is bare) replaced by what it names.

    ``lookup(source, name)`` gives the values: source is ``url``, ``method``, ``statusCode``, ``request.path``,
    ``request.query``, ``request.header``, ``request.body``, ``response.header`` or ``response.body``; for a body, name
    is the JSON Pointer. Returns None where any part is missing: an optional callback that was not asked for.
    """
    if expression.startswith("$"):
        return _value(expression, lookup)
    parts: list[str] = []
    end = 0
    for match in _EMBEDDED.finditer(expression):
        value = _value(match[1], lookup)
        if value is None:
            return None
        parts += [expression[end : match.start()], value]
        end = match.end()
    return "".join([*parts, expression[end:]])


def point(document: Any, pointer: str) -> Any:
    """Return what a JSON Pointer (RFC 6901) names in ``document``, or MISSING."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, Mapping) and key in document:
            document = document[key]
        elif isinstance(document, list) and key.isascii() and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return MISSING
    return document


def _value(expression: str, lookup: Callable[[str, str], Any]) -> str | None:
    name = expression.removeprefix("$")
    side, _, rest = name.partition(".")
    if name in _WHOLE:
        value = lookup(name, "")
    elif rest == "body" or rest.startswith("body#"):
        value = lookup(f"{side}.body", rest.removeprefix("body").removeprefix("#"))
    else:
        place, _, field = rest.partition(".")
        value = lookup(f"{side}.{place}", field)
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, (int, float)) else None
