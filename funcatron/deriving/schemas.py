"""Types in Python as Schema Objects of OpenAPI 3.1: marshmallow's by apispec, all others by msgspec."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping
from typing import Any

import msgspec
from marshmallow import fields, validate

from funcatron.annotations import Typed
from funcatron.extras import needs

with needs("spec"):
    from apispec import APISpec
    from apispec.ext.marshmallow import MarshmallowPlugin
    from apispec.ext.marshmallow.common import make_schema_key, resolve_schema_instance

__all__ = ["Schemas"]

_REFERENCE = "#/components/schemas/"


class Schemas:
    """The schemas of one document, each type once."""

    def __init__(self, title: str, version: str) -> None:
        marshmallow = MarshmallowPlugin(schema_name_resolver=self._name)
        self._spec = APISpec(title, version, "3.1.0", plugins=[marshmallow])
        converter: Any = marshmallow.converter
        converter.add_attribute_function(_more_of_field)
        self._known: set[str] = set()
        self._names: dict[Any, str] = {}

    def of(self, typed: Typed) -> Any:
        """Return what stands for a type: a schema, or a marshmallow Schema, which ``paths`` resolves."""
        if typed.schema is None:
            return self.of_plain(typed.plain)
        if typed.many and not typed.schema.many:
            return {"type": "array", "items": typed.schema}
        return typed.schema

    def of_plain(self, annotation: Any) -> dict[str, Any]:
        """Return the schema of what msgspec knows. Raises TypeError where it knows nothing of it."""
        (schema,), components = msgspec.json.schema_components((annotation,), ref_template=_REFERENCE + "{name}")
        for name, component in components.items():
            self.add(name, component)
        return schema

    def add(self, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Put a schema among the components, and return a reference to it."""
        if name not in self._known:
            self._known.add(name)
            self._spec.components.schema(name, dict(schema))
        return {"$ref": _REFERENCE + name}

    def _name(self, schema: Any) -> str:
        """Return a name for a marshmallow Schema: one for each set of modifiers, also of one that holds itself with
        others (apispec alone would give both the same).
        """
        made = resolve_schema_instance(schema)
        key = make_schema_key(made)
        if key not in self._names:
            wish = type(made).__name__.removesuffix("Schema") or "Schema"
            names = itertools.chain([wish], (f"{wish}{number}" for number in itertools.count(2)))
            self._names[key] = next(name for name in names if name not in self._known)
            self._known.add(self._names[key])
        return self._names[key]

    def document(self, operations: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
        """Return the document of operations by path and method."""
        with warnings.catch_warnings():  # of Schemas that share a name: each gets its own
            warnings.simplefilter("ignore", UserWarning)
            for (path, method), operation in operations.items():
                self._spec.path(path=path, operations={method: dict(operation)})
        made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(_cleaned(self._spec.to_dict())))
        return {key: made[key] for key in ("openapi", "info", "paths", "components") if key in made}


def _more_of_field(converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    """Add to what apispec says of a field: bounds that are excluded, and formats by their names in JSON Schema."""
    said: dict[str, Any] = {}
    if isinstance(field, fields.URL):
        said["format"] = "uri"
    if not isinstance(field, fields.Number):
        return said
    for validator in field.validators:
        if isinstance(validator, validate.Range):
            if validator.min is not None and not validator.min_inclusive:
                said |= {"exclusiveMinimum": validator.min, "minimum": None}
            if validator.max is not None and not validator.max_inclusive:
                said |= {"exclusiveMaximum": validator.max, "maximum": None}
    return said


def _cleaned(node: Any) -> Any:
    """Return the document without what is None where no schema may be, and without ``min``, which no schema has."""
    if isinstance(node, Mapping):
        empty = {"format", "maximum", "min", "minimum", "pattern"}
        is_schema = "type" in node and not isinstance(node["type"], Mapping)
        return {
            key: _cleaned(value)
            for key, value in node.items()
            if not (is_schema and key in empty and (value is None or key == "min"))
        }
    return [_cleaned(item) for item in node] if isinstance(node, list | tuple) else node
