"""Headers of answers: a mapping of names to values, where a name that is sent several times has a list of them.

Source: RFC 9110 section 5.3. Only ``Set-Cookie`` cannot be joined with commas, but all are sent as they were given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

__all__ = ["Headers", "first", "gathered", "joined", "pairs"]

Headers: TypeAlias = Mapping[str, str | Sequence[str]]


def gathered(given: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> dict[str, str | list[str]]:
    """Return headers by name, from a mapping or from pairs; a name is spelled as it was first.

    Raises TypeError or ValueError for what are no pairs.
    """
    headers: dict[str, str | list[str]] = {}
    spelled: dict[str, str] = {}
    for name, value in given.items() if isinstance(given, Mapping) else given:
        key = spelled.setdefault(str(name).lower(), str(name))
        values = [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]
        if key in headers:
            before = headers[key]
            values = [*([before] if isinstance(before, str) else before), *values]
        headers[key] = values[0] if len(values) == 1 else values
    return headers


def pairs(headers: Headers) -> Iterator[tuple[str, str]]:
    """Yield each name with each of its values."""
    for name, value in headers.items():
        if isinstance(value, (list, tuple)):
            for item in value:
                yield name, str(item)
        else:
            yield name, str(value)


def joined(headers: Headers) -> dict[str, str]:
    """Return one value for each name, several of them joined with commas."""
    return {name: ", ".join(value for _, value in pairs({name: given})) for name, given in headers.items()}


def first(headers: Headers, name: str) -> str | None:
    """Return the (first) value of a header, in whatever case it is named."""
    return next((value for given, value in pairs(headers) if given.lower() == name.lower()), None)
