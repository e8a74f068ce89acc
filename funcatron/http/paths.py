"""Parameters of a path, as they stand in the URL: routing decodes a path, and what is encoded in it may be data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.types import Scope

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

    def match(self, scope: Scope) -> Pairs:
        """Return each parameter's text."""
        raw: bytes | None = scope.get("raw_path")
        segments = (raw.decode("latin-1") if raw else quote(scope["path"])).split("/")[-len(self._segments) :]
        found = {} if self._spans or len(segments) != len(self._segments) else self._matched(segments)
        return found if len(found) == self._count else self._routed(scope.get("path_params", {})) | found

    def _matched(self, segments: list[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for index, (names, pattern) in self._patterns.items():
            matched = pattern.fullmatch(segments[index])
            if matched is not None:
                found.update({name: [matched[group + 1]] for group, name in enumerate(names)})
        return found

    def _routed(self, values: Mapping[str, Any]) -> dict[str, list[str]]:
        """The router's own values, encoded again."""
        return {
            name: [quote(str(values[router_name]), safe="")]
            for router_name, name in self._router_names.items()
            if router_name in values
        }


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
