"""From the schemas of OpenAPI 3.1 to plain JSON Schema 2020-12, each on its own.

A Schema Object of 3.1 (3.1.0 section 4.8.24) is JSON Schema 2020-12 already. What is done here is what has to be done
in any version: what a schema refers to comes along as ``$defs``, only what it reaches; ``readOnly`` and ``writeOnly``
count by direction; formats and patterns are put as jsonschema-rs checks them. ``format`` is an assertion, as in the
older versions; ``contentEncoding`` and its like are annotations (2020-12 validation, section 8.1).

References come as ``references`` leaves them: pointers into the whole document. A schema with an ``$id`` is a resource
of its own and stays one here, so that a ``$dynamicRef`` in it finds what it found before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from funcatron.spec.json_schema import FORMATS, NEVER, STAND_INS, Direction, Resolve
from funcatron.spec.patterns import PYTHON_PATTERN, is_ecma
from funcatron.spec.pointer import join, split_fragment

__all__ = ["METASCHEMAS", "lower"]

METASCHEMAS = "https://json-schema.org/draft/"
"""What begins so is known to jsonschema-rs and referred to as it is."""

_ONE = frozenset(
    {"additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then", "unevaluatedItems",
     "unevaluatedProperties"}
)  # fmt: skip
_MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SHELVES = frozenset({"$defs", "definitions"})  # what is referred to comes along from there
_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_COPIED = frozenset(
    {"const", "dependentRequired", "enum", "exclusiveMaximum", "exclusiveMinimum", "maxContains", "maxItems",
     "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties", "minimum",
     "multipleOf", "type", "uniqueItems"}
)  # fmt: skip
_BASE = "urn:funcatron:schema"
_BINARY = frozenset({"binary", "base64"})


def lower(schema: Any, resolve: Resolve, *, direction: Direction, files: bool = False) -> dict[str, Any]:
    """Return the schema as self-contained 2020-12. ``resolve`` gives what a local reference stands for.

    With ``files`` the stand-ins (``json_schema.STAND_INS``) are valid where the schema describes a file.
    """
    lowering = _Lowering(resolve, direction, files)
    lowered = lowering.schema(schema, frozenset())
    whole: dict[str, Any] = dict(lowered) if isinstance(lowered, dict) else {"allOf": [lowered]}
    lowering.complete()
    if lowering.definitions:
        whole["$defs"] = {**whole.get("$defs", {}), **lowering.definitions}
    if lowering.has_resources:
        whole["$id"] = _BASE
    return whole


class _Lowering:
    """``has_resources``: whether a schema has an ``$id``; then the whole has one too, for references out of it."""

    def __init__(self, resolve: Resolve, direction: Direction, files: bool) -> None:
        self.definitions: dict[str, Any] = {}
        self._resources = 0
        self._resolve = resolve
        self._direction = direction
        self._one_sided = "readOnly" if direction == "request" else "writeOnly"
        self._files = files
        self._names: dict[tuple[str, frozenset[str]], str] = {}
        self._waiting: list[tuple[str, str, frozenset[str], str | None]] = []

    @property
    def has_resources(self) -> bool:
        return self._resources > 0

    def schema(self, schema: Any, waived: frozenset[str], resource: str | None = None) -> Any:
        """Return one schema lowered, a dict or a bool.

        ``waived`` are properties that a schema around it says not to demand; ``resource`` is the name of the resource
        that it stands in, None for the document.
        """
        if not isinstance(schema, Mapping):
            return schema if isinstance(schema, bool) else True
        waived |= self._waived(schema, set())
        lowered = {key: value for key, value in schema.items() if key in _COPIED}
        if isinstance(schema.get("$id"), str):
            resource = self._resource_name()
            lowered["$id"] = f"{_BASE}:{resource}"
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str):
                self._refer(value, lowered, waived, dynamic=key == "$dynamicRef", inside=resource is not None)
            elif key == "$dynamicAnchor" and resource is not None:
                lowered[key] = value
            else:
                self._nest(key, value, lowered, waived, resource)
        self._assert(schema, lowered, waived)
        if self._files and _is_file(schema):
            return {"anyOf": [lowered, {"enum": list(STAND_INS)}]}
        return lowered

    def _nest(
        self, key: str, value: Any, lowered: dict[str, Any], waived: frozenset[str], resource: str | None
    ) -> None:
        """Lower the schemas that a keyword holds."""
        if key in _ONE:
            lowered[key] = self.schema(value, frozenset(), resource)
        elif key in _MANY and isinstance(value, list):
            inherited = waived if key == "allOf" else frozenset[str]()
            lowered[key] = [*lowered.get(key, ()), *(self.schema(part, inherited, resource) for part in value)]
        elif key in _NAMED and isinstance(value, Mapping) and (resource is not None or key not in _SHELVES):
            lowered[key] = {name: self._property(key, part, resource) for name, part in value.items()}

    def _assert(self, schema: Mapping[str, Any], lowered: dict[str, Any], waived: frozenset[str]) -> None:
        """Put the keywords that are checked otherwise than they are written."""
        required, pattern, form = schema.get("required"), schema.get("pattern"), schema.get("format")
        if isinstance(required, list):
            lowered["required"] = [name for name in required if name not in waived]
        if isinstance(pattern, str):
            lowered["pattern" if is_ecma(pattern) else PYTHON_PATTERN] = pattern
        if isinstance(form, str) and form in FORMATS and form != "uuid":
            lowered["allOf"] = [*lowered.get("allOf", ()), dict(FORMATS[form])]
        elif isinstance(form, str) and form not in _BINARY:
            lowered["format"] = form

    def complete(self) -> None:
        """Lower what was referred to; one after another, because chains of references are long."""
        while self._waiting:
            name, ref, waived, resource = self._waiting.pop()
            lowered = self.schema(self._resolve(ref), waived, resource)
            self.definitions[name] = lowered if resource is None else {**lowered, "$id": f"{_BASE}:{resource}"}

    def _resource_name(self) -> str:
        self._resources += 1
        return f"r{self._resources}"

    def _property(self, key: str, schema: Any, resource: str | None) -> Any:
        if key == "properties" and self._direction == "response" and self._is_one_sided(schema):
            return dict(NEVER)
        return self.schema(schema, frozenset(), resource)

    def _refer(self, ref: str, lowered: dict[str, Any], waived: frozenset[str], *, dynamic: bool, inside: bool) -> None:
        """Add a reference to a lowered schema; a dynamic one is so only to a dynamic anchor in a resource."""
        if ref.startswith(METASCHEMAS):
            target, keyword = ref, "$ref"
        else:
            target, keyword = self._define(ref, waived, inside=inside), "$ref"
            anchor = self._resolve_one(ref).get("$dynamicAnchor")
            if dynamic and isinstance(anchor, str) and target.startswith(f"{_BASE}:"):
                target, keyword = f"{target.partition('#')[0]}#{anchor}", "$dynamicRef"
        if keyword in lowered:
            lowered["allOf"] = [*lowered.get("allOf", ()), {keyword: target}]
        else:
            lowered[keyword] = target

    def _resolve_one(self, ref: str) -> Mapping[str, Any]:
        """Return the schema that a reference stands for; an empty one for true, false and what is no schema."""
        node = self._resolve(ref)
        return node if isinstance(node, Mapping) else {}

    def _define(self, ref: str, waived: frozenset[str], *, inside: bool) -> str:
        """Return the reference by which the definition of ``ref`` is known; ``inside`` a resource it is absolute."""
        home, rest = self._home(ref)
        if (home, waived) not in self._names:
            name = f"d{len(self._names)}" if rest is None else self._resource_name()
            self._names[home, waived] = name
            resource = None if rest is None else name
            self._waiting.append((name, home, waived, resource))
        name = self._names[home, waived]
        if rest is not None:
            return f"{_BASE}:{name}#{rest}"
        return f"{_BASE if inside else ''}#/$defs/{name}"

    def _home(self, ref: str) -> tuple[str, str | None]:
        """Return the reference of the resource that a schema stands in, and the pointer to it from there, or None."""
        parts = split_fragment(ref[1:])
        for length in range(len(parts), 0, -1):
            if isinstance(self._resolve_one("#" + _quoted(join(parts[:length]))).get("$id"), str):
                return "#" + _quoted(join(parts[:length])), _quoted(join(parts[length:]))
        return ref, None

    def _waived(self, schema: Any, seen: set[str]) -> frozenset[str]:
        """Return the properties, also those of its allOf and its reference, that this direction does not demand."""
        if not isinstance(schema, Mapping):
            return frozenset()
        names = {name for name, child in _members(schema).items() if self._is_one_sided(child)}
        parts = [self._waived(part, seen) for part in schema.get("allOf", ())]
        ref = schema.get("$ref")
        if isinstance(ref, str) and ref.startswith("#") and ref not in seen:
            seen.add(ref)
            parts.append(self._waived(self._resolve(ref), seen))
        return frozenset(names).union(*parts)

    def _is_one_sided(self, schema: Any, seen: frozenset[str] = frozenset()) -> bool:
        if not isinstance(schema, Mapping):
            return False
        ref = schema.get("$ref")
        if self._one_sided not in schema and isinstance(ref, str) and ref.startswith("#") and ref not in seen:
            return self._is_one_sided(self._resolve(ref), seen | {ref})
        return schema.get(self._one_sided) is True


def _members(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _is_file(schema: Mapping[str, Any]) -> bool:
    """Whether bytes may stand here: 3.1 says ``contentMediaType`` (section 4.8.14.5), older documents ``binary``."""
    if schema.get("type") not in ("string", None) or "contentEncoding" in schema:
        return False
    return schema.get("format") == "binary" or (schema.get("type") == "string" and "contentMediaType" in schema)


def _quoted(pointer: str) -> str:
    return pointer.replace("%", "%25")
