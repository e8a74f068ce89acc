"""References: several files become one tree in which every ``$ref`` is local and resolves.

Nothing is dereferenced, so recursion survives: what another file holds is copied once to the place where its kind is
kept (``components/schemas``, ``definitions``, ...) and the references point there. Where a copy came from is
remembered, so that a mistake in it is reported in its own file.

In 3.1 what stands beside a schema's ``$ref`` counts; such a reference is moved into an ``allOf``, which means the same,
so that whoever follows references loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from copy import deepcopy
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

from funcatron.errors import Mistake, SpecError
from funcatron.spec.identifiers import Identifiers, absolute
from funcatron.spec.overlay import Patches
from funcatron.spec.pointer import Parts, find, join, split_fragment
from funcatron.spec.source import Source, read_uri
from funcatron.spec.structure import Dialect, walk

__all__ = ["Bundle", "follow"]

_METASCHEMAS = "https://json-schema.org/draft/"  # validators know these; they are referred to as they are
_ANNOTATIONS = frozenset(
    {"$comment", "deprecated", "description", "example", "examples", "externalDocs", "summary", "title"}
)


class Bundle:
    """One tree made of one or more sources; the root's tree, a mapping, is changed.

    ``sources`` are what it is made of, by URI, ``origins`` where parts of the tree came from, other than the root;
    ``patches`` say what overlays have put into the root's tree. ``mistakes`` lists the references that lead nowhere,
    ``strays`` the kind and place of what is referenced where nothing of its kind stands (below an extension, say): the
    document's schema does not see that it is of its kind.
    """

    def __init__(self, root: Source, dialect: Dialect, patches: Patches | None = None) -> None:
        self.root = root
        self._patches = patches or {}
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
        self._identifiers: dict[str, Identifiers] = {}
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
        for length in range(len(parts), 0, -1):
            if parts[:length] in self._patches:
                overlay, place = self._patches[parts[:length]]
                return overlay.mistake(place + parts[length:], message)
        source, way = self.origin(parts)
        return source.mistake(way, message)

    def complete(self) -> None:
        """Bring in all that is referenced, then check that every reference leads somewhere."""
        references: list[tuple[str, dict[str, Any], Parts, str]] = []
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
                if "#/" in str(node.get("$dynamicRef")) and "$ref" not in node:  # 2020-12 core, section 8.2.3.2
                    node["$ref"] = node.pop("$dynamicRef")
                for key in self._keywords(kind, node):
                    written = node[key]
                    target = self._localise(kind, node, place, key)
                    if target is not None:
                        references.append((kind, node, (*place, key), written))
                        waiting.append((kind, target))
        for _, node, place, written in references:
            self._check(node, place, written)
        if self.dialect.json_schema:
            _join_siblings(node for kind, node, _, _ in references if kind == "schema")

    def _keywords(self, kind: str, node: dict[str, Any]) -> list[str]:
        """Return the keywords of a node that refer to another."""
        known = ("$ref", "$dynamicRef") if self._by_name(kind) else ("$ref",)
        if kind not in self.dialect.homes:
            return []
        return [key for key in known if isinstance(node.get(key), str) and not node[key].startswith(_METASCHEMAS)]

    def _localise(self, kind: str, node: dict[str, Any], place: Parts, key: str) -> Parts | None:
        """Make one reference local and return the parts that it leads to, None where that is a mistake."""
        source, way = self.origin(place)
        way = (*way, key)
        try:
            other, target = self._target(kind, node[key], source, way)
        except ValueError:
            wanted = "names no schema" if self._by_name(kind) else "has no valid JSON Pointer after the #"
            self._note(source, way, f"{node[key]!r} {wanted}")
            return None
        if other is None:
            return None
        if other is self.root and node[key].startswith("#/") and split_fragment(node[key][1:]) == target:
            return target  # as it is written
        if other is not self.root:
            try:
                target = self._copy(kind, other, target)
            except LookupError:
                self._note(source, way, f"{node[key]!r} leads to nothing in {other.name}")
                return None
        node[key] = "#" + _fragment(target)
        return target

    def _target(self, kind: str, written: str, source: Source, way: Parts) -> tuple[Source | None, Parts]:
        """Return what a reference at ``way`` of a source leads to, no source where that is a mistake (noted).

        Raises ValueError where its fragment is no JSON Pointer.
        """
        if self._by_name(kind):
            written = self._absolute(written, source, way)
            named = next(
                filter(None, (self._named(written, known) for known in (source, *self.sources.values()))), None
            )
            if named is not None:
                return named
        uri, fragment = urldefrag(written)
        other = self._source(source, uri, way) if uri else source
        named = self._named(f"{other.uri}#{fragment}", other) if other is not None and self._by_name(kind) else None
        return named or (other, split_fragment(fragment))

    def _by_name(self, kind: str) -> bool:
        """Whether objects of this kind may be referred to by names that they have, not only by their place."""
        return kind == "schema" and self.dialect.json_schema

    def _absolute(self, written: str, source: Source, way: Parts) -> str:
        """Return a reference as an absolute one where an ``$id`` around it says what it is relative to."""
        base = self._names(source).base(way[:-1])
        return written if base == source.uri else absolute(base, written)

    def _named(self, written: str, source: Source) -> tuple[Source, Parts] | None:
        """Return the schema of a source that is known by this name, None where none is."""
        place = self._names(source).find(absolute(source.uri, written))
        return None if place is None else (source, place)

    def _names(self, source: Source) -> Identifiers:
        if source.uri not in self._identifiers:
            self._identifiers[source.uri] = Identifiers(source.uri, source.tree, self.dialect)
        return self._identifiers[source.uri]

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
        """Return where the tree keeps the copy of another source's node. Raises LookupError where there is no node.

        A schema is copied together with the resource that it is part of.
        """
        resource = self._names(other).resource(way) if self._by_name(kind) else way
        return self._kept(kind, other, resource) + way[len(resource) :]

    def _kept(self, kind: str, other: Source, way: Parts) -> Parts:
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
            follow(self.tree, {"$ref": node[place[-1]]})
        except LookupError:
            self._note(*self.origin(place), f"{written!r} leads to nothing")
        except RecursionError:
            self._note(*self.origin(place), f"{written!r} leads to itself")

    def _note(self, source: Source, way: Parts, message: str) -> None:
        self.mistakes.append(source.mistake(way, message))


def _join_siblings(nodes: Iterable[dict[str, Any]]) -> None:
    """Move references with others beside them into an ``allOf``."""
    for node in nodes:
        others = node.keys() - {"$ref"} - _ANNOTATIONS
        if "$ref" in node and not all(key.startswith("x-") for key in others):
            parts = node.get("allOf")
            node["allOf"] = [{"$ref": node.pop("$ref")}, *(parts if isinstance(parts, list) else ())]


def _free_name(taken: Container[str], wish: str) -> str:
    wish = re.sub(r"[^A-Za-z0-9._-]+", "_", wish) or "_"
    return next(name for name in chain([wish], (f"{wish}_{number}" for number in count(2))) if name not in taken)


def follow(tree: Any, node: Any) -> Any:
    """Return what a node stands for: itself, or what its chain of local references ends at.

    What JSON Schema itself is described by stands for itself. Raises LookupError where the chain leads nowhere,
    RecursionError where it never ends.
    """
    seen = set()
    while isinstance(node, dict) and isinstance(node.get("$ref"), str) and not node["$ref"].startswith(_METASCHEMAS):
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
