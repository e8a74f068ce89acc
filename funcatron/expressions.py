"""Runtime expressions (OpenAPI 3.0.3 section 4.7.20): where a callback goes, read from the call and its answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["evaluate"]

_EMBEDDED = re.compile(r"\{(\$[^{}]+)\}")


def evaluate(expression: str, lookup: Callable[[str, str], Any]) -> str | None:
    """Return ``expression`` with every ``{$...}`` (or the whole of it, if it is bare) replaced by what it names.

    ``lookup(source, name)`` gives the values: source is ``url``, ``method``, ``request.path``, ``request.query``,
    ``request.header``, ``request.body``, ``response.header`` or ``response.body``; for a body, name is the JSON
    Pointer. Returns None where any part is missing: an optional callback that was not asked for.
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
    """Return what a JSON Pointer (RFC 6901) names in ``document``, or None."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, Mapping):
            document = document.get(key)
        elif isinstance(document, list) and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document


def _value(expression: str, lookup: Callable[[str, str], Any]) -> str | None:
    name = expression.removeprefix("$")
    if name in ("url", "method"):
        value = lookup(name, "")
    else:
        source, _, rest = name.partition(".")
        place, _, field = rest.partition(".")
        if place.startswith("body"):
            value = lookup(f"{source}.body", place.partition("#")[2])
        else:
            value = lookup(f"{source}.{place}", field)
    return None if value is None or isinstance(value, (dict, list)) else str(value)
