"""Which path leads to which operation, exactly as connexion's stack routes; what is unusual there leads nowhere here.

connexion mounts each API at its base path, the most specific first, and the first mount that fits takes all. In front
of them stand the Swagger UI's pages. A mount's routes are tried in the document's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from starlette.exceptions import HTTPException

from funcatron.http.trie import Items, Trie

__all__ = ["Mount", "Routes"]

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Mount(Generic[V]):
    """An API's routes. ``covered`` are what paths begin with that the Swagger UI answers, or may answer."""

    base_path: str
    trie: Trie[V]
    covered: tuple[str, ...]


class _Quick(NamedTuple, Generic[V]):
    """A mount as paths are looked up in it. ``clear`` are first segments of which nothing is covered."""

    base_path: str
    clear: frozenset[str]
    covered: tuple[str, ...]
    trie: Trie[V]


class Routes(Generic[V]):
    """Finds a request's operation among all APIs, given in connexion's order, one for each base path."""

    def __init__(self, mounts: Iterable[Mount[V]]) -> None:
        mounts = list(mounts)
        self._mounts = [(mount.base_path + "/", len(mount.base_path), mount.covered, mount.trie) for mount in mounts]
        quick = [
            _Quick(mount.base_path, _clear(mount.trie, mount.covered), mount.covered, mount.trie) for mount in mounts
        ]
        self._rest = [mount for mount in quick if not mount.base_path]
        heads = {_head(mount.base_path) for mount in quick if mount.base_path}
        self._heads = {head: [mount for mount in quick if _head(mount.base_path) in (head, "")] for head in heads}
        self._bases = frozenset(mount.base_path for mount in mounts)
        self._sure = {head: mount.trie for mount in self._rest for head in mount.clear - heads - {""}}
        """By the first segments that only paths of one mount begin with, and no page that covers any of them."""
        self._items = dict(self._find_items())
        self._known: dict[str, dict[str, tuple[V, dict[str, str]]]] = {}

    def _find_items(self) -> Iterator[tuple[str, Items[V]]]:
        """Yield the items of paths that certainly belong to one mount, by what stands before their last segment."""
        for mount in self._rest:
            for before, items in mount.trie.items():
                if self._sure.get(_head(before)) is mount.trie:
                    yield before, items
        for first, *others in self._heads.values():
            if first.base_path and not any(other.base_path for other in others):
                for before, items in first.trie.items():
                    if _head(before) in first.clear:
                        yield first.base_path + before, items

    def find(self, method: str, path: str) -> tuple[V, dict[str, str]] | None:
        """Return the operation and its path parameters as text; None where connexion has to look. Raises ValueError."""
        known = self._known.get(path)
        if known is not None and method in known:
            value, texts = known[method]
            return value, texts.copy()
        before, _, last = path.rpartition("/")
        items = self._items.get(before)
        if items is not None:
            taken, routes = items
            if method in routes and last not in taken and "\n" not in last:
                value, name = routes[method]
                return value, {name: last}
        segments = path.split("/")
        if len(segments) == 1:
            return None
        trie, below = self._sure.get(segments[1]), path
        if trie is None:
            place = self._place(path, segments)
            if place is None:
                return None
            trie, below, segments = place
        found = trie.trace(method, below, segments)
        if found is not None and not found[1] and (there := trie.known(below)) is not None:
            self._known[path] = there
        return found

    def _place(self, path: str, segments: list[str]) -> tuple[Trie[V], str, list[str]] | None:
        """Return the mount's routes to look in, for what of the path, and its segments; None where connexion looks."""
        if path in self._bases:
            return None
        below = path
        for base_path, clear, covered, trie in self._heads.get(segments[1], self._rest):
            if base_path:
                if not path.startswith(base_path + "/"):
                    continue
                below = path[len(base_path) :]
                segments = below.split("/")
            hidden = covered and segments[1] not in clear and below.startswith(covered)
            return None if hidden else (trie, below, segments)
        return None

    def missing(self, method: str, path: str) -> HTTPException | None:
        """Return what connexion raises where it has no operation, None where it may have one, a redirect or a page.

        Raises ValueError.
        """
        if path in self._bases or path[:1] != "/" or "//" in path or "\n" in path:
            return None
        for prefix, length, covered, trie in self._mounts:
            if path.startswith(prefix):
                return None if covered and path[length:].startswith(covered) else _missing(trie, method, path[length:])
        return HTTPException(404)


def _head(base_path: str) -> str:
    return base_path[1:].partition("/")[0]


def _clear(trie: Trie[V], covered: tuple[str, ...]) -> frozenset[str]:
    """Return what paths begin with, as a whole segment, that have routes and are nowhere covered."""
    heads = {head: f"/{head}" for head in trie.heads}
    return frozenset(
        head
        for head, start in heads.items()
        if not any(start.startswith(page) or page.startswith(start) for page in covered)
    )


def _missing(trie: Trie[V], method: str, path: str) -> HTTPException | None:
    """Starlette's router redirects where the path with a slash at its end, or without it, has a route."""
    methods = trie.first(path)
    if methods:
        return None if method in methods else HTTPException(405, headers={"Allow": _allowed(methods)})
    other = path[:-1] if path.endswith("/") else path + "/"
    return None if trie.methods(other) else HTTPException(404)


def _allowed(methods: frozenset[str]) -> str:
    """The order is that of starlette's set, which is made like this."""
    made = {"GET"} if "GET" in methods else set(methods)
    if "GET" in methods:
        made.add("HEAD")
    return ", ".join(made)
