"""What of a document is still sound once its mistakes are cut out, so that its handlers can be checked too.

A person who mends a document wants to see everything that is wrong with it, the handlers' mistakes included. So each
mistake takes along the smallest part that means something alone: an ``x-funcatron``, an operation, a path.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["prune"]

EXTENSION = "x-funcatron"
MENDABLE: dict[str, Any] = {"info": {"title": "", "version": ""}, "tags": [], "externalDocs": None, "servers": None}
"""Parts of the root that say nothing of an operation, and what may stand in for each."""


def prune(tree: dict[str, Any], places: Iterable[Sequence[str]]) -> bool:
    """Cut out of ``tree`` what the mistakes at these places spoil; False where the rest cannot be relied on."""
    return all(_cut(tree, tuple(place)) for place in places)


def _cut(tree: dict[str, Any], place: tuple[str, ...]) -> bool:
    if EXTENSION in place:
        return _remove(tree, place[: place.index(EXTENSION) + 1])
    match place:
        case (("paths" | "webhooks" | "x-webhooks"), _, method, *_) if method != "parameters":
            return _remove(tree, place[:3])
        case (("paths" | "webhooks" | "x-webhooks"), _, *_):
            return _remove(tree, place[:2])
        case (part, *_) if part in MENDABLE:
            tree.pop(part, None)
            if MENDABLE[part] is not None:
                tree[part] = MENDABLE[part]
            return True
    return False


def _remove(tree: dict[str, Any], place: tuple[str, ...]) -> bool:
    node: Any = tree
    for step in place[:-1]:
        if not isinstance(node, dict) or step not in node:
            return True  # cut out with an earlier mistake
        node = node[step]
    if isinstance(node, dict):
        node.pop(place[-1], None)
    return True
