"""Schemas by name: ``$id``, ``$anchor`` and ``$dynamicAnchor`` of JSON Schema 2020-12 (core, sections 8.2.1, 8.2.2).

OpenAPI 3.1's Schema Objects may be referred to by these as well as by their place. A reference by name is turned into
one by place when a document is read, so nothing else has to know of names.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urldefrag, urljoin

from funcatron.spec.pointer import Parts, split_fragment
from funcatron.spec.structure import Dialect, walk

__all__ = ["Identifiers", "absolute"]

_ANCHORS = ("$anchor", "$dynamicAnchor")


class Identifiers:
    """The names that the schemas of one source have. ``uri`` is the source's own."""

    def __init__(self, uri: str, tree: Any, dialect: Dialect) -> None:
        self._uri = uri
        self._bases: dict[Parts, str] = {}
        self._places: dict[str, Parts] = {}
        self._anchors: dict[tuple[str, str], Parts] = {}
        kind = "document" if isinstance(tree, dict) and "openapi" in tree else "schema"
        for found, node, place in walk(dialect, kind, tree):
            if found == "schema":
                self._note(node, place)

    def _note(self, node: dict[str, Any], place: Parts) -> None:
        if isinstance(node.get("$id"), str):
            base = urldefrag(absolute(self.base(place), node["$id"]))[0]
            self._bases[place] = base
            self._places.setdefault(base, place)
        for key in _ANCHORS:
            if isinstance(node.get(key), str):
                self._anchors.setdefault((self.base(place), node[key]), place)

    def base(self, place: Parts) -> str:
        """Return the URI that references at this place are relative to."""
        return self._bases.get(self.resource(place), self._uri)

    def resource(self, place: Parts) -> Parts:
        """Return the place of the nearest schema with an ``$id`` that this place is in; itself where it is in none."""
        if self._bases:
            for length in range(len(place), -1, -1):
                if place[:length] in self._bases:
                    return place[:length]
        return place

    def find(self, uri: str) -> Parts | None:
        """Return the place of the schema that an absolute URI names, None where it is not known here by a name.

        Raises ValueError where its fragment is no JSON Pointer.
        """
        base, fragment = urldefrag(uri)
        if fragment and not fragment.startswith("/"):
            return self._anchors.get((base, fragment))
        resource = self._places.get(base)
        return None if resource is None else resource + split_fragment(fragment)


def absolute(base: str, reference: str) -> str:
    """Return a reference as a URI (RFC 3986 section 5.2); a base may be a URN too, which ``urljoin`` does not know."""
    return urldefrag(base)[0] + reference if reference.startswith("#") else urljoin(base, reference)
