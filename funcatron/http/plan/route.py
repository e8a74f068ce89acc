"""Which path leads to which operation, exactly as connexion's stack routes; what is unusual there leads nowhere here.

connexion mounts each API at its base path, the most specific first, and the first mount that fits takes all. In front
of them stand the Swagger UI's pages. A mount's routes are tried in the document's order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from funcatron.http.trie import Trie

__all__ = ["Mount", "Routes"]

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Mount(Generic[V]):
    """An API's routes. ``covered`` are what paths begin with that the Swagger UI answers, or may answer."""

    base_path: str
    trie: Trie[V]
    covered: tuple[str, ...]


class Routes(Generic[V]):
    """Finds a request's operation among all APIs, given in connexion's order, one for each base path."""

    def __init__(self, mounts: Iterable[Mount[V]]) -> None:
        self._mounts = list(mounts)
        self._only = self._mounts[0] if len(self._mounts) == 1 and not self._mounts[0].base_path else None
        self._bases = frozenset(mount.base_path for mount in self._mounts)

    def find(self, method: str, path: str) -> tuple[V, dict[str, str]] | None:
        """Return the operation and its path parameters as text; None where connexion has to look. Raises ValueError."""
        mount = self._only or self._mounted(path)
        if mount is None:
            return None
        base = len(mount.base_path)
        below = path[base:] if base else path
        if mount.covered and below.startswith(mount.covered):
            return None
        return mount.trie.find(method, below)

    def _mounted(self, path: str) -> Mount[V] | None:
        if path in self._bases:
            return None
        for mount in self._mounts:
            if path.startswith(mount.base_path + "/"):
                return mount
        return None
