"""Overlays (OpenAPI Overlay Specification 1.0.0 and 1.1.0): changes to a document that one does not own.

An overlay is a list of actions; each selects nodes of the document by JSONPath (RFC 9535) and removes them, or merges
something into them. They are applied when a document is read, before its references are followed and anything is
checked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

import jsonschema_rs

from funcatron.errors import Mistake, SpecError
from funcatron.spec.explain import findings
from funcatron.spec.pointer import Parts
from funcatron.spec.source import Source, read

__all__ = ["Patches", "apply", "read_overlays"]

logger = logging.getLogger("funcatron.spec")

Patches = dict[Parts, tuple[Source, Parts]]
"""Where what was merged into a document came from: its place there, the overlay, and its place in that."""

_EXTENDABLE: dict[str, Any] = {"patternProperties": {"^x-": {}}, "additionalProperties": False}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["overlay", "info", "actions"],
    "properties": {
        "overlay": {"type": "string", "pattern": r"^1\.[01]\.[0-9]+$"},
        "info": {
            "type": "object",
            "required": ["title", "version"],
            "properties": {"title": {"type": "string"}, "version": {"type": "string"}, "description": {}},
            **_EXTENDABLE,
        },
        "extends": {"type": "string"},
        "description": {},
        "actions": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["target"],
                "properties": {
                    "target": {"type": "string"},
                    "description": {},
                    "update": {},
                    "copy": {"type": "string"},
                    "remove": {"type": "boolean"},
                },
                **_EXTENDABLE,
            },
        },
    },
    **_EXTENDABLE,
}


def read_overlays(overlays: Iterable[str | Path | Mapping[str, Any]]) -> list[Source]:
    """Read overlays (YAML or JSON; paths, URLs or dicts). Raises SpecError with the mistakes of all of them."""
    sources: list[Source] = []
    mistakes: list[Mistake] = []
    for overlay in overlays:
        try:
            source = read(overlay)
        except SpecError as error:
            mistakes += error.mistakes
            continue
        sources.append(source)
        mistakes += _mistakes(source)
    if mistakes:
        raise SpecError(mistakes)
    return sources


def apply(overlays: Sequence[Source], root: Source) -> Patches:
    """Change the root's tree as the overlays say that are for it, in their order.

    Raises SpecError where a node cannot be changed that way. An action that selects nothing is logged as a warning.
    """
    patches: Patches = {}
    for overlay in overlays:
        if _is_for(overlay, root):
            mistakes = [
                mistake
                for index, action in enumerate(overlay.tree["actions"])
                for mistake in _act(overlay, ("actions", str(index)), action, root, patches)
            ]
            if mistakes:
                raise SpecError(mistakes)
    return patches


def _mistakes(source: Source) -> Iterator[Mistake]:
    for finding in findings(_validator().iter_errors(source.tree), _SCHEMA, source.tree):
        yield source.mistake(tuple(str(step) for step in finding.path), finding.message)
    actions = source.tree.get("actions") if isinstance(source.tree, dict) else None
    for index, action in enumerate(actions if isinstance(actions, list) else ()):
        for key in ("target", "copy"):
            if isinstance(action, dict) and isinstance(action.get(key), str):
                try:
                    _query(action[key])
                except ValueError as error:
                    yield source.mistake(("actions", str(index), key), str(error))


@cache
def _validator() -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft202012Validator(_SCHEMA)


@cache
def _query(text: str) -> Any:
    """Return a compiled JSONPath. Raises ValueError with what is wrong with it."""
    import jsonpath

    try:
        return jsonpath.compile(text)
    except jsonpath.JSONPathError as error:
        told = str(error).partition("\n")[0]
        raise ValueError(f"{text!r} is no JSONPath (RFC 9535): {told}") from None


def _is_for(overlay: Source, root: Source) -> bool:
    """Whether an overlay is for a document: for the one that it ``extends``, or for any."""
    extended = overlay.tree.get("extends")
    return extended is None or overlay.refer(urldefrag(extended)[0])[0] == root.uri


def _act(overlay: Source, place: Parts, action: Mapping[str, Any], root: Source, patches: Patches) -> Iterator[Mistake]:
    tree: Any = root.tree
    found = [tuple(str(part) for part in match.parts) for match in _query(action["target"]).finditer(tree)]
    if not found:
        mistake = overlay.mistake((*place, "target"), f"{action['target']} selects nothing in {root.name}")
        logger.warning("%s", mistake)
    if action.get("remove") is True:
        yield from _remove(overlay, place, tree, found)
        return
    if "copy" in action:
        copied = [deepcopy(match.value) for match in _query(action["copy"]).finditer(tree)]
        if len(copied) != 1:
            yield overlay.mistake((*place, "copy"), f"must select one node, and selects {len(copied)}")
            return
        for parts in found:
            yield from _update(overlay, (*place, "copy"), tree, parts, copied[0], {})
    if "update" in action:
        for parts in found:
            yield from _update(overlay, (*place, "update"), tree, parts, action["update"], patches)


def _remove(overlay: Source, place: Parts, tree: Any, found: Sequence[Parts]) -> Iterator[Mistake]:
    if () in found:
        yield overlay.mistake((*place, "target"), "selects the whole document, which cannot be removed")
        return
    for parts in sorted(found, key=lambda parts: [int(p) if p.isdigit() else 0 for p in parts], reverse=True):
        holder = _at(tree, parts[:-1])
        if isinstance(holder, list):
            del holder[int(parts[-1])]
        elif isinstance(holder, dict):  # it is None where it went with a node around it
            holder.pop(parts[-1], None)


def _update(overlay: Source, place: Parts, tree: Any, parts: Parts, update: Any, patches: Patches) -> Iterator[Mistake]:
    node = _at(tree, parts)
    if isinstance(node, dict):
        if isinstance(update, dict):
            _merge(node, update, parts, overlay, place, patches)
        else:
            yield overlay.mistake(place, f"must be an object, to be merged into {_named(parts)}")
    elif isinstance(node, list):
        node.extend(deepcopy(update) if isinstance(update, list) else [deepcopy(update)])
    elif isinstance(update, dict | list):
        yield overlay.mistake(place, f"cannot be merged into {_named(parts)}, which is neither an object nor a list")
    else:
        _at(tree, parts[:-1])[parts[-1]] = update
        patches[parts] = (overlay, place)


def _merge(
    node: dict[str, Any], update: dict[str, Any], parts: Parts, overlay: Source, place: Parts, patches: Patches
) -> None:
    for key, value in update.items():
        here, there = (*parts, key), (*place, key)
        if isinstance(value, dict) and isinstance(node.get(key), dict):
            _merge(node[key], value, here, overlay, there, patches)
        elif isinstance(value, list) and isinstance(node.get(key), list):
            node[key] += deepcopy(value)
        else:
            node[key] = deepcopy(value)
            patches[here] = (overlay, there)


def _at(tree: Any, parts: Parts) -> Any:
    for part in parts:
        try:
            tree = tree[int(part)] if isinstance(tree, list) else tree[part]
        except (LookupError, TypeError):
            return None
    return tree


def _named(parts: Parts) -> str:
    return "/".join(parts) or "the document"
