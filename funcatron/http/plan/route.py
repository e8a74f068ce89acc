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
        mounts = list(mounts)
        self._mounts = [(mount.base_path + "/", len(mount.base_path), mount.covered, mount.trie) for mount in mounts]
        self._bases = frozenset(mount.base_path for mount in mounts)

    def find(self, method: str, path: str) -> tuple[V, dict[str, str]] | None:
        """Return the operation and its path parameters as text; None where connexion has to look. Raises ValueError."""
        if path in self._bases:
            return None
        for prefix, length, covered, trie in self._mounts:
            if path.startswith(prefix):
                below = path[length:] if length else path
                return None if covered and below.startswith(covered) else trie.find(method, below)
        return None
