"""Parameters of a path, as they stand in the URL: routing decodes a path, and what is encoded in it may be data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from starlette.types import Scope

from funcatron.errors import Problem
from funcatron.http.styles import Pairs

__all__ = ["PathTemplate"]

_TEMPLATE = re.compile(r"\{([^{}]+)\}")


class PathTemplate:
    """Finds a path's parameters as they stand in the URL, still percent-encoded (routing has seen them decoded).

    ``router_names`` are the router's names for them; where one ``spans`` segments, only the router's values are known.
    """

    def __init__(self, route: str, router_names: Mapping[str, str], *, spans: bool = False) -> None:
        self._router_names = router_names
        self._spans = spans
        self._segments = route.split("/")[1:]
        self._patterns = {
            index: (_names(segment), _pattern(segment))
            for index, segment in enumerate(self._segments)
            if _names(segment)
        }
        self._count = len({name for names, _ in self._patterns.values() for name in names})

    @property
    def has_whole_segments(self) -> bool:
        """Whether each parameter is all of one segment, and stands once: then the router's texts are they."""
        named = [names for names, _ in self._patterns.values()]
        whole = all(self._segments[index] == f"{{{names[0]}}}" for index, (names, _) in self._patterns.items())
        return whole and not self._spans and len(named) == self._count

    def match(self, scope: Scope) -> Pairs:
        """Return each parameter's text; raises Problem 404 where one that stands twice has two values."""
        raw: bytes | None = scope.get("raw_path")
        segments = (raw.decode("latin-1") if raw else quote(scope["path"])).split("/")[-len(self._segments) :]
        found = {} if self._spans or len(segments) != len(self._segments) else self._matched(segments)
        return found if len(found) == self._count else self._routed(scope.get("path_params", {})) | found

    def _matched(self, segments: list[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for index, (names, pattern) in self._patterns.items():
            matched = pattern.fullmatch(segments[index])
            if matched is not None:
                for name, text in zip(names, matched.groups(), strict=True):
                    _add(found, name, text)
        return found

    def _routed(self, values: Mapping[str, Any]) -> dict[str, list[str]]:
        """The router's own values, encoded again."""
        found: dict[str, list[str]] = {}
        for router_name, name in self._router_names.items():
            if router_name in values:
                _add(found, name, quote(str(values[router_name]), safe=""))
        return found


def _add(found: dict[str, list[str]], name: str, text: str) -> None:
    """Note a parameter's text; where it stood before with another value, nothing has this path."""
    first = found.setdefault(name, [text])[0]
    if first != text and unquote_to_bytes(first) != unquote_to_bytes(text):
        raise Problem(404, detail=f"{{{name}}} stands twice in the path, with two values")


def _names(segment: str) -> list[str]:
    return _TEMPLATE.findall(segment)


def _pattern(segment: str) -> re.Pattern[str]:
    literals = _TEMPLATE.split(segment)
    return re.compile(
        "".join(
            "(.+?)" if index % 2 else re.escape(quote(literal, safe="/:@!$&'()*+,;=~"))
            for index, literal in enumerate(literals)
        )
    )
