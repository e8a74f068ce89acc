"""``x-funcatron-schema``: a Schema Object of the document names the type of its values in Python.

The name (``package.module.OrderSchema``) is a marshmallow Schema, its class or one that is made; or a dataclass, a
TypedDict, a msgspec Struct. It is read where a body or an answer is that Schema Object, or a list of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from funcatron.annotations import Typed, typed_by
from funcatron.errors import FuncatronError
from funcatron.importing import import_handler
from funcatron.spec.document import Document
from funcatron.spec.operation import Operation
from funcatron.spec.pointer import Parts, find, join, split, split_fragment

__all__ = ["KEY", "NamedTypes", "body_places", "named_types", "reply_places", "settled"]

KEY = "x-funcatron-schema"

MOST_STEPS = 100
"""References and ``allOf`` of one part that lead to a name; a schema may lead to itself."""


class NamedTypes(msgspec.Struct, frozen=True):
    """What a document names for one operation: the type of its body, and of its answers by status and media type."""

    body: Typed | None = None
    replies: Mapping[tuple[str, str], Typed] = {}


def named_types(operation: Operation) -> tuple[NamedTypes, list[tuple[str, str]]]:
    """Return the types that the document names for an operation, and what is wrong, each with its pointer."""
    if not operation.document.may_have(KEY):
        return NamedTypes(), []
    complaints: list[tuple[str, str]] = []
    bodies: dict[str, Typed] = {}
    for media_type, parts in body_places(operation) if _names_body(operation) else ():
        if (typed := _typed_at(operation.document, parts, complaints)) is not None:
            bodies[media_type] = typed
    others = [typed for typed in bodies.values() if not typed.is_same(next(iter(bodies.values())))]
    if others and operation.body is not None:
        names = " and ".join(dict.fromkeys(typed.name for typed in bodies.values()))
        complaints.append((operation.body.pointer, f"the body can have one type, and has {names}"))
    replies = {
        (status, media_type): typed
        for status, media_type, parts in (reply_places(operation) if _names_reply(operation) else ())
        if (typed := _typed_at(operation.document, parts, complaints)) is not None
    }
    return NamedTypes(next(iter(bodies.values()), None), replies), list(dict.fromkeys(complaints))


def body_places(operation: Operation) -> Iterator[tuple[str, Parts]]:
    """Yield the media types of the body, each with the way to its schema; not those of 2.0's forms."""
    body, tree = operation.body, operation.document.content
    if body is None or body.unpacked:
        return
    holder = settled(tree, split(body.pointer))
    for media_type, media in body.content.items():
        if media.schema is not None:
            yield media_type, _schema_of(tree, holder, media_type)


def reply_places(operation: Operation) -> Iterator[tuple[str, str, Parts]]:
    """Yield status, media type, and the way to the schema, of all answers that have one."""
    tree = operation.document.content
    for status, reply in operation.replies.items():
        holder = settled(tree, (*split(operation.pointer), "responses", status))
        for media_type, media in reply.content.items():
            if media.schema is not None:
                yield status, media_type, _schema_of(tree, holder, media_type)


def settled(tree: Any, parts: Parts) -> Parts:
    """Return the way to what stands at ``parts``, its references followed."""
    node = find(tree, parts)
    while isinstance(node, Mapping) and isinstance(node.get("$ref"), str):
        parts = split_fragment(node["$ref"][1:])
        node = find(tree, parts)
    return parts


def _schema_of(tree: Any, holder: Parts, media_type: str) -> Parts:
    if "content" in find(tree, holder):
        return (*holder, "content", media_type, "schema")
    return (*holder, "schema")  # 2.0


def _names_body(operation: Operation) -> bool:
    """Whether a body has a name: most have none, and their places need not be looked for."""
    content = {} if operation.body is None else operation.body.content
    return any(_named(operation.document.content, media.schema) for media in content.values())


def _names_reply(operation: Operation) -> bool:
    tree = operation.document.content
    return any(_named(tree, media.schema) for reply in operation.replies.values() for media in reply.content.values())


def _named(tree: Any, node: Any, parts: Parts = ()) -> tuple[Parts, bool] | None:
    """Return the way to the schema object with the name of ``node``, which stands at ``parts``, and whether it is that
    of a list's items.
    """
    many = False
    for _ in range(MOST_STEPS):
        if not isinstance(node, Mapping):
            return None
        if KEY in node:
            return parts, many
        if "$ref" in node:
            parts = split_fragment(node["$ref"][1:])
            node = find(tree, parts)
        elif isinstance(node.get("allOf"), list) and len(node["allOf"]) == 1:
            parts, node = (*parts, "allOf", "0"), node["allOf"][0]
        elif "items" in node and not many:
            parts, node, many = (*parts, "items"), node["items"], True
        else:
            return None
    return None


def _typed_at(document: Document, parts: Parts, complaints: list[tuple[str, str]]) -> Typed | None:
    """Return the type that the schema at ``parts`` is named after; what is wrong is added to ``complaints``."""
    named = _named(document.content, find(document.content, parts), parts)
    if named is None:
        return None
    place, many = named
    typed, complaint = _imported(document, find(document.content, place)[KEY], many)
    if complaint is not None:
        complaints.append((join((*place, KEY)), complaint))
    return typed


def _imported(document: Document, target: Any, many: bool) -> tuple[Typed | None, str | None]:
    if not isinstance(target, str):
        return None, "must be the name of a marshmallow Schema: package.module.OrderSchema"
    try:
        typed = typed_by(import_handler(target, document.folder), many=many)
    except FuncatronError as error:
        return None, str(error)
    if typed is None:
        return None, f"{target} is no marshmallow Schema, dataclass, TypedDict or msgspec Struct"
    return typed, None
