"""What reading operations has in common for every version: a valid, bundled tree in which references resolve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from funcatron.spec.operation import Body, Parameter, Reply
from funcatron.spec.pointer import Parts, find, split_fragment
from funcatron.spec.references import follow

__all__ = ["Placed", "Reading"]

Placed = tuple[Parts, Mapping[str, Any]]
"""An object of the tree with the way to it."""


class Reading:
    """Reads what an operation takes and gives; each version says what that is in its own words."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.tree = tree

    def base_path(self) -> str:
        """Return the path in front of every route, ``""`` or such as ``/v1``."""
        raise NotImplementedError

    def parameters(self, found: Iterable[Placed]) -> tuple[Parameter, ...]:
        """Return the parameters in the URL and the headers; ``found`` are the merged ones of path and operation."""
        raise NotImplementedError

    def body(self, operation: Placed, found: Iterable[Placed]) -> Body | None:
        """Return the request body, None where there is none."""
        raise NotImplementedError

    def replies(self, operation: Mapping[str, Any]) -> dict[str, Reply]:
        """Return the responses by status: ``200``, ``2XX``, ``default``."""
        raise NotImplementedError

    def resolved(self, node: Any) -> Any:
        """Return what a node stands for, references followed."""
        return follow(self.tree, node)

    def placed(self, place: Parts, node: Any) -> Placed:
        """Return what a node stands for and where that stands."""
        while "$ref" in node:
            place = split_fragment(node["$ref"][1:])
            node = find(self.tree, place)
        return place, node

    def path_item(self, place: Parts, node: Mapping[str, Any]) -> dict[str, tuple[Parts, Any]]:
        """Return a Path Item's fields, each with its place; its own win over those that its ``$ref`` brings in."""
        fields: dict[str, tuple[Parts, Any]] = {}
        while True:
            for key, value in node.items():
                fields.setdefault(key, ((*place, key), value))
            if "$ref" not in node:
                return fields
            place = split_fragment(node["$ref"][1:])
            node = find(self.tree, place)

    def merged_parameters(self, item: tuple[Parts, Any] | None, operation: tuple[Parts, Any] | None) -> list[Placed]:
        """Return the parameters of path and operation, each once by name and place; the operation's win."""
        merged: dict[tuple[str, str], Placed] = {}
        for place, listed in (item or ((), ()), operation or ((), ())):
            for index, node in enumerate(listed):
                found = self.placed((*place, str(index)), node)
                merged[found[1]["in"], found[1]["name"]] = found
        return list(merged.values())

    def responses(self, operation: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield status and response, references followed."""
        for status, response in operation.get("responses", {}).items():
            if not status.startswith("x-"):
                yield status, self.resolved(response)
