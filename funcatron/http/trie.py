"""Routing in time that does not depend on the number of routes, with the answers of connexion's and starlette's router.

starlette tries one regular expression after another and takes the first route, in the order of declaration, whose
path and method both match. Here the templates are a tree of path segments, so that only what can match is looked at;
among what matches, the first declared wins, as there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

__all__ = ["Items", "Trie"]

V = TypeVar("V")

PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-zA-Z_][a-zA-Z0-9_]*))?\}")
"""starlette's grammar: what else stands in braces is text."""

CONVERTERS = {"str": "[^/]+", "int": "[+-]?[0-9]+", "float": r"[+-]?[0-9]*(?:\.[0-9]*)?", "path": ".*"}
"""As connexion registers them with starlette (connexion.frameworks.starlette)."""

_NUMBERS = {"int": int, "float": float}


@dataclass(frozen=True, slots=True)
class _Route(Generic[V]):
    """One route; ``place`` is its rank in the order of declaration."""

    place: int
    methods: frozenset[str]
    names: tuple[str, ...]
    numbers: tuple[tuple[int, type[int] | type[float]], ...]
    value: V

    def params(self, values: Sequence[str]) -> dict[str, str]:
        return dict(zip(self.names, values, strict=True))

    def convert(self, values: tuple[str, ...]) -> None:
        """Raise ValueError where starlette's converter does, as for ``.`` as a number."""
        for position, number in self.numbers:
            number(values[position])


@dataclass(slots=True)
class _Node(Generic[V]):
    """Where a prefix of whole segments leads.

    ``plain`` follows a segment that is one string parameter, ``patterns`` those with text, numbers or several
    parameters; ``tails`` match all that is left, slashes too. ``choice`` tells whether there are any of the last two.
    ``routes`` end here.
    """

    literals: dict[str, _Node[V]] = field(default_factory=dict)
    plain: _Node[V] | None = None
    patterns: dict[str, tuple[re.Pattern[str], _Node[V]]] = field(default_factory=dict)
    tails: list[tuple[re.Pattern[str], _Route[V]]] = field(default_factory=list)
    choice: bool = False
    routes: list[_Route[V]] = field(default_factory=list)
    by_method: dict[str, _Route[V]] = field(default_factory=dict)


Items: TypeAlias = tuple[frozenset[str], dict[str, tuple[V, str]]]
"""The paths that end in a parameter, of those that begin alike (``/pets/{id}`` below ``/pets``): last segments that may
be something else, and a value and the parameter's name by method. (Not a named tuple: only plain ones are unpacked at
once.)
"""


class Trie(Generic[V]):
    """Routes of any number of templates; the cost of finding one follows from the length of the path alone."""

    def __init__(self) -> None:
        self._root: _Node[V] = _Node()
        self._count = 0
        self._concrete: set[str] = set()
        self._found: dict[str, dict[str, tuple[V, dict[str, str]]]] = {}

    def __len__(self) -> int:
        return self._count

    def add(self, method: str, template: str, value: V) -> None:
        """Add a route behind all that were added before; one for GET answers HEAD too.

        ``template`` is in starlette's syntax: ``/pets/{pet_id:int}``, with converters str, int, float, path. Raises
        ValueError for another one, for a name that occurs twice, and for a template that does not begin with a slash.
        """
        if not template.startswith("/"):
            raise ValueError(f"the template {template!r} does not begin with a slash")
        parameters = [(name, kind or "str") for name, kind in PARAMETER.findall(template)]
        names = tuple(name for name, _ in parameters)
        if len(set(names)) < len(names) or any(kind not in CONVERTERS for _, kind in parameters):
            raise ValueError(f"the template {template!r} names a parameter twice or a converter that is not known")
        methods = {method.upper(), "HEAD"} if method.upper() == "GET" else {method.upper()}
        numbers = tuple((i, _NUMBERS[kind]) for i, (_, kind) in enumerate(parameters) if kind in _NUMBERS)
        self._insert(template, _Route(self._count, frozenset(methods), names, numbers, value))
        self._count += 1
        self._found.clear()
        if not parameters:
            self._concrete.add(template)

    def _insert(self, template: str, route: _Route[V]) -> None:
        node, segments = self._root, template.split("/")
        for position, segment in enumerate(segments[1:], 1):
            pieces = PARAMETER.split(segment)
            kinds = pieces[2::3]
            if "path" in kinds:
                node.tails.append((_pattern("/".join(segments[position:])), route))
                node.choice = True
                return
            if len(pieces) == 1:
                node = node.literals.setdefault(segment, _Node())
            elif pieces[0] == pieces[3] == "" and kinds in ([None], ["str"]):
                node.plain = node = node.plain or _Node()
            else:
                pattern = _pattern(segment)
                node.choice = True
                node = node.patterns.setdefault(pattern.pattern, (pattern, _Node()))[1]
        node.routes.append(route)
        for method in route.methods:
            node.by_method.setdefault(method, route)

    def find(self, method: str, path: str) -> tuple[V, dict[str, str]] | None:
        """Return the value of the first declared route that matches, and its path parameters as text.

        ``path`` is percent-decoded, as ASGI's is. None where there is no such route, and for a path with a line feed:
        starlette's regular expressions take that for an end, so it has to be asked. Raises ValueError where starlette
        does, for a number that its converter takes and Python does not (``.`` or one of 5,000 digits).
        """
        known = self._found.get(path)
        if known is not None and method in known:
            value, params = known[method]
            return value, params.copy()
        return self.trace(method, path, path.split("/"))

    def trace(self, method: str, path: str, segments: Sequence[str]) -> tuple[V, dict[str, str]] | None:
        """As ``find``, for who has the path's ``segments`` already: what stands between its slashes."""
        node, values = self._root, []
        if segments[0] or "\n" in path:
            return None
        for segment in segments[1:]:
            if node.choice:
                return self._choose(method, path)
            child = node.literals.get(segment)
            if child is None:
                child = node.plain
                if child is None or not segment:
                    return None
                values.append(segment)
            elif node.plain is not None:
                return self._choose(method, path)
            node = child
        route = node.by_method.get(method)
        if route is None:
            return None
        if not values:
            return self._keep(method, path, (route.value, {}))
        return route.value, {route.names[0]: values[0]} if len(values) == 1 else route.params(values)

    def known(self, path: str) -> dict[str, tuple[V, dict[str, str]]] | None:
        """Return what was found at a path that is a template of its own, by method; None for all other paths."""
        return self._found.get(path)

    def items(self) -> Iterator[tuple[str, Items[V]]]:
        """Yield what ``trace`` finds by the last segment alone, with the text that stands before its slash."""
        waiting = [("", self._root)]
        while waiting:
            before, node = waiting.pop()
            if node.choice:
                continue
            if node.plain is None:
                waiting += [(f"{before}/{text}", child) for text, child in node.literals.items() if "\n" not in text]
            elif node.plain.by_method:
                routes = {method: (route.value, route.names[0]) for method, route in node.plain.by_method.items()}
                yield before, (frozenset({"", *node.literals}), routes)

    @property
    def heads(self) -> frozenset[str]:
        """The texts that paths with a route may begin with, as a whole segment."""
        return frozenset(self._root.literals)

    def methods(self, path: str) -> frozenset[str]:
        """Return the methods of every route that matches the path: what ``Allow`` says with a 405, empty for a 404."""
        return frozenset(method for route, _ in self._matching(path) for method in route.methods)

    def first(self, path: str) -> frozenset[str]:
        """Return the methods of the first declared route that matches the path: what starlette's 405 allows.

        Empty for a 404. Raises ValueError where starlette does.
        """
        matching = sorted(self._matching(path), key=lambda matched: matched[0].place)
        for route, values in matching:
            route.convert(values)
        return matching[0][0].methods if matching else frozenset()

    def _choose(self, method: str, path: str) -> tuple[V, dict[str, str]] | None:
        for route, values in sorted(self._matching(path), key=lambda matched: matched[0].place):
            route.convert(values)
            if method in route.methods:
                return self._keep(method, path, (route.value, route.params(values)))
        return None

    def _keep(self, method: str, path: str, found: tuple[V, dict[str, str]]) -> tuple[V, dict[str, str]]:
        """Remember what is found at a path that is a template of its own: there are only so many."""
        if path in self._concrete:
            self._found.setdefault(path, {})[method] = found[0], found[1].copy()
        return found

    def _matching(self, path: str) -> Iterator[tuple[_Route[V], tuple[str, ...]]]:
        """Yield every route that matches, whatever its method, with the values of its parameters."""
        first, *segments = path.split("/")
        if first or "\n" in path:
            return
        states: list[tuple[_Node[V], tuple[str, ...]]] = [(self._root, ())]
        for position, segment in enumerate(segments):
            following = []
            for node, values in states:
                for pattern, route in node.tails:
                    if matched := pattern.fullmatch("/".join(segments[position:])):
                        yield route, values + matched.groups()
                following += [(child, values + more) for child, more in _steps(node, segment)]
            states = following
        for node, values in states:
            for route in node.routes:
                yield route, values


def _steps(node: _Node[V], segment: str) -> Iterator[tuple[_Node[V], tuple[str, ...]]]:
    """Yield where a segment leads, with the values that it holds."""
    if (child := node.literals.get(segment)) is not None:
        yield child, ()
    if node.plain is not None and segment:
        yield node.plain, (segment,)
    for pattern, child in node.patterns.values():
        if matched := pattern.fullmatch(segment):
            yield child, matched.groups()


def _pattern(text: str) -> re.Pattern[str]:
    """Return the pattern of a part of a template, one group for each parameter."""
    pieces = PARAMETER.split(text)
    parts = [re.escape(pieces[0])]
    for kind, literal in zip(pieces[2::3], pieces[3::3], strict=True):
        parts += [f"({CONVERTERS[kind or 'str']})", re.escape(literal)]
    return re.compile("".join(parts))
