"""References: several files become one tree in which every ``$ref`` is local and resolves.

Nothing is dereferenced, so recursion survives: what another file holds is copied once to the place where its kind is
kept (``components/schemas``, ``definitions``, ...) and the references point there. Where a copy came from is
remembered, so that a mistake in it is reported in its own file.
"""

from __future__ import annotations

import re
from collections.abc import Container
from copy import deepcopy
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

from funcatron.errors import Mistake, SpecError
from funcatron.spec.pointer import Parts, find, join, split_fragment
from funcatron.spec.source import Source, read_uri
from funcatron.spec.structure import Dialect, walk

__all__ = ["Bundle", "follow"]


class Bundle:
    """One tree made of one or more sources; the root's tree, a mapping, is changed.

    ``sources`` are what it is made of, by URI, ``origins`` where parts of the tree came from, other than the root.
    ``mistakes`` lists the references that lead nowhere, ``strays`` the kind and place of what is referenced where
    nothing of its kind stands (below an extension, say): the document's schema does not see that it is of its kind.
    """

    def __init__(self, root: Source, dialect: Dialect) -> None:
        self.root = root
        self.dialect = dialect
        self.tree: dict[str, Any] = root.tree
        homes = {home[:length] for home in dialect.homes.values() for length in range(1, len(home) + 1)}
        malformed = [home for home in homes if _exists(self.tree, home) and not isinstance(find(self.tree, home), dict)]
        if malformed:  # copies could not be kept
            raise SpecError(root.mistake(home, "must be an object") for home in malformed)
        self.sources: dict[str, Source] = {root.uri: root}
        self.mistakes: list[Mistake] = []
        self.strays: list[tuple[str, Parts]] = []
        self._unread: set[str] = set()
        self._copies: dict[tuple[str, Parts, str], Parts] = {}
        self.origins: dict[Parts, tuple[Source, Parts]] = {}

    @classmethod
    def restored(
        cls,
        root: Source,
        dialect: Dialect,
        sources: dict[str, Source],
        origins: dict[Parts, tuple[Source, Parts]],
    ) -> Bundle:
        """Return a bundle as it was when it was complete and had no mistake."""
        bundle = cls(root, dialect)
        bundle.sources, bundle.origins = sources, origins
        return bundle

    def origin(self, parts: Parts) -> tuple[Source, Parts]:
        """Return the source of a node of the tree, and its place there."""
        for length in range(len(parts), 0, -1):
            if parts[:length] in self.origins:
                source, way = self.origins[parts[:length]]
                return source, way + parts[length:]
        return self.root, parts

    def mistake(self, parts: Parts, message: str) -> Mistake:
        """Return a Mistake at a node of the tree, with the file and line that it came from."""
        source, way = self.origin(parts)
        return source.mistake(way, message)

    def complete(self) -> None:
        """Bring in all that is referenced, then check that every reference leads somewhere."""
        references: list[tuple[dict[str, Any], Parts, str]] = []
        seen: set[tuple[str, Parts]] = set()
        waiting: list[tuple[str, Parts]] = [("document", ())]
        while waiting:
            wanted, parts = waiting.pop()
            if (wanted, parts) in seen or not _exists(self.tree, parts):
                continue
            if wanted != "document" and parts[:-1] != self.dialect.homes[wanted]:
                self.strays.append((wanted, parts))
            for kind, node, place in walk(self.dialect, wanted, find(self.tree, parts), parts):
                if (kind, place) in seen:
                    continue
                seen.add((kind, place))
                if isinstance(node.get("$ref"), str) and kind in self.dialect.homes:
                    written = node["$ref"]
                    target = self._localise(kind, node, place)
                    if target is not None:
                        references.append((node, place, written))
                        waiting.append((kind, target))
        for node, place, written in references:
            self._check(node, place, written)

    def _localise(self, kind: str, node: dict[str, Any], place: Parts) -> Parts | None:
        """Make one reference local and return the parts that it leads to, None where that is a mistake."""
        source, way = self.origin(place)
        uri, fragment = urldefrag(node["$ref"])
        way = (*way, "$ref")
        try:
            target = split_fragment(fragment)
        except ValueError:
            self._note(source, way, f"{node['$ref']!r} has no valid JSON Pointer after the #")
            return None
        if uri == "" and source is self.root:
            return target
        other = self._source(source, uri, way) if uri else source
        if other is None:
            return None
        if other is not self.root:
            try:
                target = self._copy(kind, other, target)
            except LookupError:
                self._note(source, way, f"{node['$ref']!r} leads to nothing in {other.name}")
                return None
        node["$ref"] = "#" + _fragment(target)
        return target

    def _source(self, source: Source, uri: str, way: Parts) -> Source | None:
        try:
            absolute, name = source.refer(uri)
        except ValueError as error:
            self._note(source, way, f"{uri!r} is no URL: {error}")
            return None
        if absolute in self._unread:
            return None
        if absolute not in self.sources:
            scheme = urlsplit(absolute).scheme
            if scheme not in ("file", "http", "https"):
                self._note(source, way, f"{uri!r} is neither a file nor an http(s) URL")
                return None
            if scheme == "file" and not source.uri.startswith("file:"):
                self._note(source, way, f"{uri!r}: a document from a URL may not reach for local files")
                return None
            try:
                self.sources[absolute] = read_uri(absolute, name)
            except SpecError as error:
                self._unread.add(absolute)
                for mistake in error.mistakes:
                    # What cannot be read at all is the fault of the one who refers to it.
                    at_fault = mistake.line is None and mistake.pointer == ""
                    self.mistakes.append(source.mistake(way, f"{name} {mistake.message}") if at_fault else mistake)
                return None
        return self.sources[absolute]

    def _copy(self, kind: str, other: Source, way: Parts) -> Parts:
        """Return where the tree keeps the copy of another source's node. Raises LookupError where there is no node."""
        key = (other.uri, way, kind)
        if key not in self._copies:
            node = deepcopy(find(other.tree, way))
            home = self.dialect.homes[kind]
            shelf: dict[str, Any] = self.tree
            for part in home:
                shelf = shelf.setdefault(part, {})
            name = _free_name(shelf, way[-1] if way else PurePosixPath(unquote(urlsplit(other.uri).path)).stem)
            shelf[name] = node
            self._copies[key] = (*home, name)
            self.origins[*home, name] = (other, way)
        return self._copies[key]

    def _check(self, node: dict[str, Any], place: Parts, written: str) -> None:
        try:
            follow(self.tree, node)
        except LookupError:
            self._note(*self.origin((*place, "$ref")), f"{written!r} leads to nothing")
        except RecursionError:
            self._note(*self.origin((*place, "$ref")), f"{written!r} leads to itself")

    def _note(self, source: Source, way: Parts, message: str) -> None:
        self.mistakes.append(source.mistake(way, message))


def _free_name(taken: Container[str], wish: str) -> str:
    wish = re.sub(r"[^A-Za-z0-9._-]+", "_", wish) or "_"
    return next(name for name in chain([wish], (f"{wish}_{number}" for number in count(2))) if name not in taken)


def follow(tree: Any, node: Any) -> Any:
    """Return what a node stands for: itself, or what its chain of local references ends at.

    Raises LookupError where it leads nowhere, RecursionError where it never ends.
    """
    seen = set()
    while isinstance(node, dict) and isinstance(node.get("$ref"), str):
        if node["$ref"] in seen:
            raise RecursionError(node["$ref"])
        seen.add(node["$ref"])
        if not node["$ref"].startswith("#"):
            raise LookupError(node["$ref"])
        node = find(tree, split_fragment(node["$ref"][1:]))
    return node


def _exists(tree: Any, parts: Parts) -> bool:
    try:
        find(tree, parts)
    except LookupError:
        return False
    return True


def _fragment(parts: Parts) -> str:
    """Return a pointer as a URI fragment. Only what RFC 3986 forbids is encoded, so that names stay readable."""
    return re.sub(r"[^\w/~.!$&'()*+,;=:@?-]", lambda m: "".join(f"%{b:02X}" for b in m[0].encode()), join(parts))
