"""JSON Pointers (RFC 6901) and the references made of them (RFC 3986 fragments)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias
from urllib.parse import unquote

__all__ = ["Parts", "find", "join", "split", "split_fragment"]

Parts: TypeAlias = tuple[str, ...]
"""A JSON Pointer taken apart, unescaped: the way from the root to a node."""


def join(parts: Iterable[str | int]) -> str:
    """Return the pointer that leads along ``parts``; the root is ``""``."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def split(pointer: str) -> Parts:
    """Return the parts of a pointer. Raises ValueError where it is neither empty nor begins with a slash."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise ValueError(f"a JSON Pointer begins with a slash: {pointer!r}")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))


def split_fragment(fragment: str) -> Parts:
    """Return the parts of a pointer that stands in a URI fragment, percent-encoded (RFC 6901 section 6)."""
    return split(unquote(fragment, errors="strict"))


def find(tree: Any, parts: Iterable[str]) -> Any:
    """Return the node that the parts lead to. Raises LookupError where there is none."""
    node = tree
    for part in parts:
        if isinstance(node, list):
            if not (part == "0" or (part.isascii() and part.isdigit() and part[0] != "0")):
                raise LookupError(part)
            node = node[int(part)]
        elif isinstance(node, dict):
            node = node[part]
        else:
            raise LookupError(part)
    return node
