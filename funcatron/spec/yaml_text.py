"""Reading YAML as OpenAPI wants it: YAML 1.2 with JSON's types (OpenAPI 3.0.3 section 4.3), by libyaml.

PyYAML resolves scalars by YAML 1.1, where ``no`` is false, ``2024-01-31`` a date, ``012`` ten and ``1:30`` ninety. So
libyaml only composes here, and scalars are resolved by the core schema of YAML 1.2 (section 10.3). Merge keys (``<<``)
are kept: documents use them. Keys are the text as written, so that a response code is a string.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from funcatron.spec.pointer import Parts
from funcatron.spec.syntax import MAX_DEPTH, Flaw, Flaws

__all__ = ["locator", "parse"]

MAX_EXPANSION = 1_000_000
"""How many nodes aliases may add to those of the text ("billion laughs")."""

_PLAIN = "plain"
_STR = "tag:yaml.org,2002:str"
_RESOLVED = {_PLAIN, *(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float"))}
_CONSTANTS: dict[str, Any] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INDENT = re.compile(r"[ \t]*")
_INT = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_JSON = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")


class _Composer(yaml.CSafeLoader):
    """libyaml's composer; only tells plain scalars from quoted ones."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        return _PLAIN if kind is yaml.ScalarNode and implicit[0] else _STR


def parse(text: str) -> Any:
    """Return the tree of dicts, lists and scalars. Raises Flaws that lists every mistake with its line."""
    node = _compose(text)
    if node is None:
        raise Flaws([Flaw(None, (), "the file is empty")])
    builder = _Builder(len(text) + MAX_EXPANSION)
    tree = builder.build(node, ())
    if builder.flaws:
        raise Flaws(builder.flaws)
    return tree


def locator(text: str) -> Callable[[Parts], int | None]:
    """Return a function that gives the line (from 1) of the node that the parts lead to, or of its nearest ancestor."""
    root = _compose(text)

    def line(parts: Parts) -> int | None:
        node, found = root, None if root is None else _line(root)
        for part in parts:
            child = _child(node, part)
            if child is None:
                break
            found, node = child
        return found

    return line


def _compose(text: str) -> yaml.Node | None:
    try:
        composer = _Composer(text)
        try:
            return composer.get_single_node()
        finally:
            composer.dispose()
    except yaml.MarkedYAMLError as error:
        line = _clamped(error.problem_mark or error.context_mark, text)
        told = ", ".join(part for part in (error.context, error.problem) if part)
        if line is not None and "\t" in (_INDENT.match(text.split("\n")[line - 1]) or [""])[0]:
            told = "a tab indents the line; YAML takes spaces alone"
        raise Flaws([Flaw(line, (), f"not valid YAML: {told}")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        raise Flaws([Flaw(line, (), f"not valid YAML: {error.reason}")]) from None


def _clamped(mark: yaml.Mark | None, text: str) -> int | None:
    """Return the line of a mark; at the text's end libyaml points behind it."""
    return None if mark is None else min(mark.line, text.count("\n")) + 1


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _child(node: yaml.Node | None, part: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in _pairs(node):
            if key.value == part:
                return _line(key), value
    elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        child = node.value[int(part)]
        return _line(child), child
    return None


def _pairs(node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Yield a mapping's own pairs, then the merged ones: the first of a name is the one that counts."""
    merged: list[yaml.Node] = []
    for key, value in node.value:
        if _is_merge(key):
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
        else:
            yield key, value
    for other in merged:
        if isinstance(other, yaml.MappingNode):
            yield from _pairs(other)


def _is_merge(key: yaml.Node) -> bool:
    return key.tag == _PLAIN and bool(key.value == "<<")


class _Builder:
    """Makes plain Python of composed nodes and notes every flaw on the way."""

    def __init__(self, limit: int) -> None:
        self.flaws: list[Flaw] = []
        self._open: set[int] = set()
        self._left = limit

    def build(self, node: yaml.Node, parts: Parts) -> Any:
        self._left -= 1
        if self._left < 0:
            raise Flaws([Flaw(_line(node), parts, "the aliases expand to too much")])
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, parts)
        if id(node) in self._open:
            raise Flaws([Flaw(_line(node), parts, "an alias contains itself; use $ref for what is recursive")])
        if len(parts) >= MAX_DEPTH:
            raise Flaws([Flaw(_line(node), parts, f"nested deeper than {MAX_DEPTH} levels")])
        if node.tag not in (_STR, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self._flaw(node, parts, f"the tag {node.tag} is not JSON")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.build(child, (*parts, str(index))) for index, child in enumerate(node.value)]
            return self._mapping(node, parts)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node, parts: Parts) -> dict[str, Any]:
        built: dict[str, Any] = {}
        merges: list[yaml.Node] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._flaw(key, parts, "a key must be a string")
            elif _is_merge(key):
                merges += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif key.value in built:
                self._flaw(key, (*parts, key.value), f"the key {key.value!r} stands twice")
            else:
                built[key.value] = self.build(value, (*parts, key.value))
        for other in merges:
            if isinstance(other, yaml.MappingNode):
                for name, value in self.build(other, (*parts, "<<")).items():
                    built.setdefault(name, value)
            else:
                self._flaw(other, parts, "a merge key (<<) takes a mapping or a list of mappings")
        return built

    def _scalar(self, node: yaml.ScalarNode, parts: Parts) -> Any:
        value = str(node.value)
        if node.tag == _STR:
            return value
        if node.tag not in _RESOLVED:
            self._flaw(node, parts, f"the tag {node.tag} is not JSON")
            return value
        if value in _CONSTANTS:
            return _CONSTANTS[value]
        if value[0] not in "-+.0123456789":
            return value
        try:
            return self._number(node, value, parts)
        except ValueError:  # more digits than Python converts
            self._flaw(node, parts, "the number is too long")
            return value

    def _number(self, node: yaml.ScalarNode, value: str, parts: Parts) -> Any:
        if _INT.match(value):
            return int(value)
        if _FLOAT.match(value):
            number = float(value)
            if number - number == 0:
                return number
            self._flaw(node, parts, f"{value} is out of a number's range")
        elif _BASED.match(value):
            return int(value, 0)
        elif _NOT_JSON.match(value):
            self._flaw(node, parts, f"{value} is not JSON")
        return value

    def _flaw(self, node: yaml.Node, parts: Parts, message: str) -> None:
        self.flaws.append(Flaw(_line(node), parts, message))
