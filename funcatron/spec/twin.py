"""A value's twin: what JSON Schema can judge of a Python value, and what it cannot take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from funcatron.spec.explain import Finding, Path
from funcatron.spec.json_schema import STAND_INS

__all__ = ["Twin"]

MAX_DEPTH = 500
"""How deep a value may nest: jsonschema-rs and JSON readers recurse, and a stack must not overflow."""


class Twin:
    """A copy of a value in plain JSON types.

    ``flaws`` lists what no schema can accept: NaN and infinity, lone surrogates, keys that are no strings, nesting
    without end. ``files`` are the places of what is not JSON (bytes, uploads, ...), in whose stead stand-ins are.
    """

    def __init__(self, value: Any) -> None:
        self.flaws: list[Finding] = []
        self.files: set[Path] = set()
        self._original = value
        self.value = self._copy(value, STAND_INS[0])

    def variants(self) -> Iterator[Any]:
        """Yield the twin once with each of the stand-ins."""
        yield self.value
        for stand_in in STAND_INS[1:]:
            flaws, self.flaws = self.flaws, []
            yield self._copy(self._original, stand_in)
            self.flaws = flaws

    def _copy(self, root: Any, stand_in: Any) -> Any:
        """Copy without recursion: how deep a value is must not matter to our own stack."""
        holder: list[Any] = [None]
        waiting: list[tuple[Any, Path, Any, Any]] = [(root, (), holder, 0)]
        while waiting:
            value, path, into, key = waiting.pop()
            if isinstance(value, Mapping | list | tuple):
                into[key], children = self._container(value, path)
                waiting.extend(reversed(children))
            else:
                into[key] = self._leaf(value, path, stand_in)
        return holder[0]

    def _container(self, value: Any, path: Path) -> tuple[Any, list[tuple[Any, Path, Any, Any]]]:
        if len(path) >= MAX_DEPTH:
            self._flaw(path, f"must not be nested deeper than {MAX_DEPTH} levels")
            return None, []
        if isinstance(value, Mapping):
            items = [(self._key(key, path), item) for key, item in value.items()]
            members = dict[str, Any].fromkeys(key for key, _ in items)
            return members, [(item, (*path, key), members, key) for key, item in items]
        entries = [None] * len(value)
        return entries, [(item, (*path, index), entries, index) for index, item in enumerate(value)]

    def _leaf(self, value: Any, path: Path, stand_in: Any) -> Any:
        if value is None or value is True or value is False:
            return value
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float | Decimal):
            if math.isfinite(value):
                return value
            self._flaw(path, "must be a finite number")
            return None
        self.files.add(path)
        return stand_in

    def _text(self, value: str, path: Path) -> str:
        plain = str.__str__(value)
        if not plain.isascii():
            try:
                plain.encode()
            except UnicodeEncodeError:
                self._flaw(path, "must be valid Unicode: it has a lone surrogate")
                return ""
        return plain

    def _key(self, key: Any, path: Path) -> str:
        if not isinstance(key, str):
            self._flaw((*path, str(key)), f"the key must be a string, not {type(key).__name__}")
            return str(key)
        return self._text(key, path)

    def _flaw(self, path: Path, message: str) -> None:
        self.flaws.append(Finding(path, message))
