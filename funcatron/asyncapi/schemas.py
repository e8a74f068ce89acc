"""From OpenAPI's schemas to AsyncAPI's, which are JSON Schema draft 7 with a few words more.

Nothing is lowered for a validator here: names, titles, descriptions and examples stay, for people read the outcome.
Source: AsyncAPI 3.0.0, Schema Object; OpenAPI 3.0.3 section 4.7.24, 3.1.0 section 4.8.24.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from funcatron.spec.document import Document
from funcatron.spec.json_schema import among
from funcatron.spec.pointer import split_fragment

__all__ = ["Schemas", "key_of"]

_ONE = frozenset(
    {"additionalItems", "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"}
)
_MANY = frozenset({"allOf", "anyOf", "oneOf"})
_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_OURS = frozenset({"discriminator", "example", "nullable", "x-nullable", "xml"})
"""What OpenAPI alone says, or says otherwise."""
_IDENTITY = frozenset({"$id", "$schema", "$anchor", "$dynamicAnchor", "$vocabulary", "id"})
"""What names a schema: references have been turned into pointers, and here it stands elsewhere."""


def key_of(name: str) -> str:
    """Return a name that may be a key of AsyncAPI's components."""
    return re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("_") or "_"


class Schemas:
    """The schemas of one AsyncAPI document; ``components`` are those that were referred to, once they are complete."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self._names: dict[tuple[int, str], str] = {}
        self._waiting: list[tuple[str, Document, str]] = []

    def complete(self) -> None:
        """Make the components that were referred to; one after another, because chains of references are long."""
        while self._waiting:
            name, document, ref = self._waiting.pop()
            self.components[name] = self.of(document, document.resolve(ref))

    def of(self, document: Document, schema: Any) -> Any:
        """Return a schema of this OpenAPI document; what it refers to becomes a component."""
        if not isinstance(schema, Mapping):
            return schema if isinstance(schema, bool) else {}
        ref = schema.get("$ref", schema.get("$dynamicRef"))
        if isinstance(ref, str):
            return self._referred(document, ref, schema)
        made = {}
        for key, value in schema.items():
            if key not in _IDENTITY and key not in _OURS:
                made[key] = self._keyword(document, key, value)
        _translate(schema, made)
        return made

    def _keyword(self, document: Document, key: str, value: Any) -> Any:
        if key in _MANY or (key in ("items", "prefixItems") and isinstance(value, list)):
            return [self.of(document, part) for part in value]
        if key in _ONE:
            return self.of(document, value)
        if key in _NAMED and isinstance(value, Mapping):
            return {name: self.of(document, part) for name, part in value.items()}
        return value

    def _referred(self, document: Document, ref: str, schema: Mapping[str, Any]) -> Any:
        if not ref.startswith("#"):  # a metaschema, which everybody knows
            return {"$ref": ref}
        pointed = {"$ref": f"#/components/schemas/{self._name(document, ref)}"}
        beside = {key: value for key, value in schema.items() if key not in ("$ref", "$dynamicRef")}
        if document.version < (3, 1) or not beside:
            return pointed
        return {"allOf": [pointed, self.of(document, beside)]}  # draft 7 ignores what stands beside a reference

    def _name(self, document: Document, ref: str) -> str:
        known = self._names.get((id(document), ref))
        if known is not None:
            return known
        wanted = name = key_of((split_fragment(ref[1:]) or ("schema",))[-1])
        number = 1
        while name in self.components:
            number += 1
            name = f"{wanted}_{number}"
        self._names[id(document), ref] = name
        self.components[name] = {}
        self._waiting.append((name, document, ref))
        return name


def _translate(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    """Put what OpenAPI says in words of its own."""
    if "example" in schema and "examples" not in schema:
        made["examples"] = [schema["example"]]
    discriminator = schema.get("discriminator")
    if discriminator is not None:  # in AsyncAPI a name alone, as in OpenAPI 2.0
        made["discriminator"] = (
            discriminator.get("propertyName") if isinstance(discriminator, Mapping) else discriminator
        )
    if made.get("type") == "file":
        made |= {"type": "string", "format": "binary"}
    if isinstance(options := made.get("enum"), list):  # OpenAPI lets them be there twice
        made["enum"] = [option for at, option in enumerate(options) if not among(option, options[:at])]
    if schema.get("nullable") is True or schema.get("x-nullable") is True:
        _allow_null(made)
    for bound in ("Minimum", "Maximum"):
        if isinstance(flag := made.get("exclusive" + bound), bool):
            del made["exclusive" + bound]
            if flag and bound.lower() in made:
                made["exclusive" + bound] = made.pop(bound.lower())
    if isinstance(made.get("prefixItems"), list):
        rest = made.pop("items", None)
        made["items"] = made.pop("prefixItems")
        if rest is not None:
            made["additionalItems"] = rest


def _allow_null(made: dict[str, Any]) -> None:
    if isinstance(kind := made.get("type"), str):
        made["type"] = [kind, "null"]
    if isinstance(options := made.get("enum"), list) and None not in options:
        made["enum"] = [*options, None]
