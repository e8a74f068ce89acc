"""Plugins, found by entry point: triggers, stores, dispatchers, workers."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from funcatron.errors import FuncatronError

__all__ = ["load", "names"]


@cache
def _found(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def names(group: str) -> list[str]:
    """Return the names of a group's plugins, sorted; nothing is imported."""
    return sorted(_found(group))


def load(group: str, name: str) -> Any:
    """Import and return the plugin ``name`` of a group; raises FuncatronError that says what there is."""
    point = _found(group).get(name)
    if point is None:
        known = ", ".join(names(group)) or "none"
        raise FuncatronError(f"no plugin {name!r} in {group}; installed are: {known}")
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise FuncatronError(f"the plugin {name!r} of {group} ({point.value}) cannot be loaded: {error}") from error
