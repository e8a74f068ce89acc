"""Forms of JSON Schema as the versions of OpenAPI have it, and of the types that msgspec describes by it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import msgspec

from funcatron.agreement.form import ANYTHING, Form, Member, Others, kinds_of_values
from funcatron.annotations import Typed
from funcatron.named_types import settled
from funcatron.spec.pointer import Parts, find

__all__ = ["described", "plain_type"]

_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_LENGTHS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_ALTERNATIVES = ("oneOf", "anyOf")
_NOT_UNDERSTOOD = frozenset({"$dynamicRef", "discriminator", "if", "not", "patternProperties", "unevaluatedProperties"})
MOST_PARTS = 1000


def described(tree: Any, parts: Parts, *, others: Others = "unsaid") -> tuple[Form, Parts]:
    """Return the form of the Schema Object at ``parts`` of a tree, and the way to it, references followed.

    ``others`` is what becomes of further members where a schema does not say.
    """
    parts = settled(tree, parts)
    node = find(tree, parts)
    if not isinstance(node, Mapping):
        return ANYTHING, parts
    alternatives = next((key for key in _ALTERNATIVES if isinstance(node.get(key), list)), None)
    if alternatives is not None:
        return _of_alternatives(tree, (*parts, alternatives), node, others)
    if isinstance(node.get("allOf"), list):
        if len(node["allOf"]) != 1 or node.keys() & {"properties", "required", "type"}:
            return _of_all(tree, parts, node, others), parts
        return described(tree, (*parts, "allOf", "0"), others=others)  # nullable beside it allows nothing
    if _NOT_UNDERSTOOD & node.keys():
        return ANYTHING, parts
    return _form(tree, parts, node, others), parts


def plain_type(typed: Typed) -> Form:
    """Return the form of a dataclass, a TypedDict, a Struct or a list of one; anything where msgspec has no schema."""
    try:
        (schema,), components = msgspec.json.schema_components((typed.plain,), ref_template="#/$defs/{name}")
    except (TypeError, RuntimeError):
        return ANYTHING
    return described({"schema": schema, "$defs": components}, ("schema",), others="dropped")[0]


def _of_alternatives(tree: Any, parts: Parts, node: Mapping[str, Any], others: Others) -> tuple[Form, Parts]:
    """Return the form of what may also be null; other alternatives are not compared."""
    (*outer, key) = parts
    listed = [(str(index), one) for index, one in enumerate(node[key])]
    rest = [index for index, one in listed if not (isinstance(one, Mapping) and one.get("type") == "null")]
    if len(rest) != 1 or len(rest) == len(listed) or "allOf" in node or "properties" in node:
        return ANYTHING, tuple(outer)
    form, place = described(tree, (*parts, rest[0]), others=others)
    return _with_null(form), place


def _of_all(tree: Any, parts: Parts, node: Mapping[str, Any], others: Others) -> Form:
    """Return the form of an object that several schemas describe, each of them some of its members."""
    rest = {key: value for key, value in node.items() if key != "allOf"}
    places = [(*parts, "allOf", str(index)) for index in range(len(node["allOf"]))]
    found = [described(tree, place, others=others) for place in places]
    found += [(_form(tree, parts, rest, others), parts)] if "properties" in rest else []
    required = set(node.get("required", ()))
    members: dict[str, Member] = {}
    for form, place in found:
        if form is ANYTHING or form.kinds not in (None, {"object"}) or form.others == "refused":
            return ANYTHING
        required |= set(find(tree, place).get("required", ()))
        for name, member in (form.members or {}).items():
            twice = name in members
            members[name] = msgspec.structs.replace(member, form=lambda: ANYTHING) if twice else member
    members = {
        name: msgspec.structs.replace(member, required=member.required or name in required)
        for name, member in members.items()
    }
    has_members = any(form.members is not None for form, _ in found)
    return Form(key=parts, kinds=frozenset({"object"}), members=members if has_members else None, others=others)


def _form(tree: Any, parts: Parts, node: Mapping[str, Any], others: Others) -> Form:
    options = (node["const"],) if "const" in node else None
    if isinstance(node.get("enum"), list):
        options = tuple(node["enum"])
    kinds = _kinds(node, options)
    if _is_nullable(node) and kinds is not None:
        kinds |= {"null"}
    members = _members(tree, parts, node, others)
    form = node.get("format")
    if form in ("decimal", "duration") and others == "dropped":  # msgspec takes numbers for these, too
        kinds, form = None, None
    return Form(
        key=parts,
        kinds=kinds,
        options=options,
        limits=_limits(node),
        pattern=node.get("pattern"),
        format=form,
        members=members,
        others=_others(node, others),
        items=_lazy(tree, (*parts, "items"), others) if isinstance(node.get("items"), Mapping) else None,
    )


def _kinds(node: Mapping[str, Any], options: tuple[Any, ...] | None) -> frozenset[str] | None:
    kind = node.get("type")
    if isinstance(kind, str):
        return frozenset({kind})
    if isinstance(kind, list):
        return frozenset(kind)
    return frozenset({"object"}) if "properties" in node else kinds_of_values(options)


def _is_nullable(node: Mapping[str, Any]) -> bool:
    return node.get("nullable") is True or node.get("x-nullable") is True


def _with_null(form: Form) -> Form:
    if form.kinds is None:
        return form
    options = None if form.options is None else (*form.options, None)
    return msgspec.structs.replace(form, kinds=form.kinds | {"null"}, options=options)


def _limits(node: Mapping[str, Any]) -> dict[str, float]:
    limits = {key: node[key] for key in (*_BOUNDS, *_LENGTHS) if isinstance(node.get(key), int | float)}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        # In OpenAPI 2.0 and 3.0 it says whether the bound itself is excluded.
        if isinstance(limits.get(exclusive), bool) and limits.pop(exclusive) and bound in limits:
            limits[exclusive] = limits.pop(bound)
    return limits


def _members(tree: Any, parts: Parts, node: Mapping[str, Any], others: Others) -> dict[str, Member] | None:
    properties = node.get("properties")
    if not isinstance(properties, Mapping):
        return None
    required = node.get("required", ())
    found = {}
    for name, child in properties.items():
        place = (*parts, "properties", name)
        child = find(tree, settled(tree, place)) if isinstance(child, Mapping) else {}
        found[name] = Member(
            form=_lazy(tree, place, others),
            place=place,
            required=name in required,
            read_only=child.get("readOnly") is True,
            write_only=child.get("writeOnly") is True or child.get("x-writeOnly") is True,
        )
    return found


def _others(node: Mapping[str, Any], unsaid: Others) -> Others:
    said = node.get("additionalProperties")
    if said is None:
        return unsaid
    return "refused" if said is False else "taken"


def _lazy(tree: Any, parts: Parts, others: Others) -> Any:
    return functools.partial(_form_at, tree, parts, others)


def _form_at(tree: Any, parts: Parts, others: Others) -> Form:
    return described(tree, parts, others=others)[0]
