"""The operations of a document: those with a route (``paths``) and those without (``webhooks``, ``x-webhooks``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from funcatron.spec import extension
from funcatron.spec.names import free_name, made_name, target
from funcatron.spec.openapi3 import OpenAPI3
from funcatron.spec.operation import Callback, Extension, Operation
from funcatron.spec.pointer import Parts, join
from funcatron.spec.reading import Reading
from funcatron.spec.structure import Dialect
from funcatron.spec.swagger2 import Swagger2

if TYPE_CHECKING:
    from funcatron.spec.document import Document

__all__ = ["READERS", "operations"]

READERS: Mapping[tuple[int, int], type[Reading]] = {(2, 0): Swagger2, (3, 0): OpenAPI3, (3, 1): OpenAPI3}

_CONTROLLERS = ("x-openapi-router-controller", "x-swagger-router-controller")

Fields = dict[str, tuple[Parts, Any]]


def operations(document: Document, reading: Reading, dialect: Dialect) -> tuple[Operation, ...]:
    """Return the operations of a valid document in its order, the webhooks last."""
    found = [
        (path, method, fields, section == "paths")
        for section in ("paths", *dialect.webhooks)
        for path, fields in _path_items(reading, section)
        for method in fields
        if method in dialect.methods
    ]
    given = {name for _, method, fields, _ in found if (name := fields[method][1].get("operationId"))}
    names: set[str] = set(given)
    made = []
    for path, method, fields, routed in found:
        name = fields[method][1].get("operationId")
        if not name:
            name = free_name(made_name(method, path), names)
            names.add(name)
        made.append(_operation(document, reading, (name, method, path), fields, routed=routed))
    return tuple(made)


def _path_items(reading: Reading, section: str) -> Iterator[tuple[str, Fields]]:
    for path, item in reading.tree.get(section, {}).items():
        if not path.startswith("x-"):
            yield path, reading.path_item((section, path), item)


def _operation(
    document: Document, reading: Reading, called: tuple[str, str, str], fields: Fields, *, routed: bool
) -> Operation:
    name, method, path = called
    place, node = fields[method]
    own = ((*place, "parameters"), node["parameters"]) if "parameters" in node else None
    found = reading.merged_parameters(fields.get("parameters"), own)
    return Operation(
        name=name,
        target=target(node.get("operationId") or None, _controller(reading, fields, node), name),
        method=method,
        path=path,
        route=document.base_path + path if routed else None,
        document=document,
        pointer=join(place),
        parameters=reading.parameters(found),
        body=reading.body((place, node), found),
        replies=reading.replies(node),
        security=_security(reading.tree, node),
        callbacks=tuple(_callbacks(reading, node)),
        extension=_extension(reading, fields, place, node),
        summary=node.get("summary", ""),
        tags=tuple(node.get("tags", ())),
    )


def _controller(reading: Reading, fields: Fields, node: Mapping[str, Any]) -> str | None:
    """Return the nearest router controller: connexion reads the operation's, the others are its defaults."""
    for holder in (node, {key: value for key, (_, value) in fields.items()}, reading.tree):
        for key in _CONTROLLERS:
            if holder.get(key):
                return str(holder[key])
    return None


def _extension(reading: Reading, fields: Fields, place: Parts, node: Mapping[str, Any]) -> Extension:
    layers: list[tuple[str, Mapping[str, Any]]] = []
    if extension.KEY in reading.tree:
        layers.append((join((extension.KEY,)), reading.tree[extension.KEY]))
    if extension.KEY in fields:
        layers.append((join(fields[extension.KEY][0]), fields[extension.KEY][1]))
    if extension.KEY in node:
        layers.append((join((*place, extension.KEY)), node[extension.KEY]))
    return extension.make(layers)


def _security(tree: Mapping[str, Any], node: Mapping[str, Any]) -> tuple[Mapping[str, tuple[str, ...]], ...]:
    requirements = node.get("security", tree.get("security", ()))
    return tuple({scheme: tuple(scopes) for scheme, scopes in either.items()} for either in requirements)


def _callbacks(reading: Reading, node: Mapping[str, Any]) -> Iterator[Callback]:
    for name, reference in node.get("callbacks", {}).items():
        place, callback = reading.placed((), reference)
        for expression, item in callback.items():
            if not expression.startswith("x-"):
                for method in reading.path_item((*place, expression), item):
                    if method in ("get", "put", "post", "delete", "patch", "options", "head", "trace"):
                        yield Callback(name=name, expression=expression, method=method)
