"""Forms of marshmallow's Schemas and fields.

Of a field whose class is the user's own nothing is known, of validators only marshmallow's are. Where a hook changes
what comes before a Schema sees it (``pre_load``) or after it wrote it (``post_dump``), nothing is certain.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import marshmallow
import msgspec
from marshmallow import fields, validate

from funcatron.agreement.form import ANYTHING, Form, Member, Others, kinds_of_values
from funcatron.annotations import Typed
from funcatron.errors import FuncatronError
from funcatron.spec.json_schema import Direction

__all__ = ["schema_form"]

_HOOKS: Mapping[Direction, str] = {"request": "pre_load", "response": "post_dump"}
_METHODS: Mapping[Direction, str] = {"request": "_deserialize", "response": "_serialize"}
_OTHERS: Mapping[str, Others] = {"raise": "refused", "exclude": "dropped", "include": "taken"}
_KINDS: Mapping[type, tuple[str, str | None]] = {
    fields.Email: ("string", "email"),
    fields.URL: ("string", "uri"),
    fields.UUID: ("string", "uuid"),
    fields.AwareDateTime: ("string", "date-time"),
    fields.NaiveDateTime: ("string", "date-time"),
    fields.DateTime: ("string", "date-time"),
    fields.Date: ("string", "date"),
    fields.Time: ("string", None),  # with or without a zone, which JSON Schema's format demands
    fields.IPv4: ("string", "ipv4"),
    fields.IPv6: ("string", "ipv6"),
    fields.IP: ("string", None),
    fields.IPInterface: ("string", None),
    fields.String: ("string", None),
    fields.Integer: ("integer", None),
    fields.Float: ("number", None),
    fields.Boolean: ("boolean", None),
    fields.Mapping: ("object", None),
}
"""What JSON a field takes and gives; those that depend on their settings are in ``_settled``."""


def schema_form(typed: Typed, direction: Direction) -> Form:
    """Return the form of what a Schema loads (``request``) or dumps (``response``)."""
    return _schema(typed.schema, typed.many, direction)


def _schema(schema: marshmallow.Schema, many: bool, direction: Direction) -> Form:
    if many:
        return Form(kinds=frozenset({"array"}), items=functools.partial(_schema, schema, False, direction))
    partial = schema.partial
    members = {}
    for name, field in schema.fields.items():
        is_partial = partial is True or (isinstance(partial, Iterable) and name in partial)
        members[_key(name, field)] = Member(
            form=functools.partial(_field, field, direction),
            required=field.required and not is_partial,
            read_only=field.dump_only,
            write_only=field.load_only,
        )
    return Form(
        key=(type(schema), frozenset(members)),
        kinds=frozenset({"object"}),
        members=members,
        others=_OTHERS.get(str(schema.unknown), "unsaid"),
        firm=not _hooked(schema, _HOOKS[direction]),
    )


def _hooked(schema: marshmallow.Schema, hook: str) -> bool:
    own = type(schema)
    replaced = own.load is not marshmallow.Schema.load or own.dump is not marshmallow.Schema.dump
    return replaced or any(key == hook for key, found in getattr(schema, "_hooks", {}).items() if found)


def _key(name: str, field: Any) -> str:
    return name if field.data_key is None else str(field.data_key)


def _field(field: Any, direction: Direction) -> Form:
    form = _settled(field, direction) or _plain(field, direction)
    if form.kinds is None and form.options is None:
        return form
    form = _validated(form, field.validators)
    if field.allow_none:
        kinds = None if form.kinds is None else form.kinds | {"null"}
        options = None if form.options is None else (*form.options, None)
        form = msgspec.structs.replace(form, kinds=kinds, options=options)
    return form


def _plain(field: Any, direction: Direction) -> Form:
    kind = next((cls for cls in type(field).__mro__ if cls in _KINDS), None)
    if kind is None or not _is_marshmallows(field, direction):
        return ANYTHING
    name, form = _KINDS[kind]
    if direction == "response" and getattr(field, "as_string", False):
        name = "string"
    lenient = kind is fields.Integer and not field.strict
    return Form(kinds=frozenset({name}), format=form, converts=frozenset({"number"} if lenient else ()))


def _settled(field: Any, direction: Direction) -> Form | None:
    """Return the form of a field whose kind depends on its settings, None for others."""
    if not _is_marshmallows(field, direction):
        return None
    match field:
        case fields.Pluck():
            schema = _schema_of(field)
            form: Form = _field(schema.fields[field.field_name], direction)
            return _listed(form) if field.many or schema.many else form
        case fields.Nested():
            return _nested(field, direction)
        case fields.List():
            return Form(kinds=frozenset({"array"}), items=functools.partial(_field, field.inner, direction))
        case fields.Tuple():
            return Form(kinds=frozenset({"array"}))
        case fields.Enum():
            return _enum(field)
        case fields.DateTime() if field.format not in (None, "iso", "iso8601"):
            return Form(kinds=frozenset({"number"})) if field.format in ("timestamp", "timestamp_ms") else ANYTHING
        case fields.TimeDelta():
            return Form(kinds=frozenset({"number"}))
        case fields.Decimal():
            return _decimal(field, direction)
        case fields.Constant() if direction == "response":
            options = _json([field.constant])
            return Form(kinds=kinds_of_values(options), options=options)
    return None


def _nested(field: Any, direction: Direction) -> Form:
    schema = _schema_of(field)
    form = _schema(schema, field.many or schema.many, direction)
    if field.unknown is not None and form.members is not None:
        return msgspec.structs.replace(form, others=_OTHERS.get(str(field.unknown), "unsaid"))
    return form


def _schema_of(field: Any) -> marshmallow.Schema:
    """Return the Schema of a nested field, which may be named or made late; raises FuncatronError if there is none."""
    try:
        schema: marshmallow.Schema = field.schema
    except Exception as error:
        place = f"{type(field.parent).__name__}.{field.name}"
        raise FuncatronError(f"the Schema of {place} cannot be found: {type(error).__name__}: {error}") from error
    return schema


def _listed(form: Form) -> Form:
    return Form(kinds=frozenset({"array"}), items=lambda: form)


def _enum(field: Any) -> Form:
    members = list(field.enum)
    names = [member.value for member in members] if field.by_value else [member.name for member in members]
    options = _json(names) if not isinstance(field.by_value, fields.Field) else None
    return Form(kinds=kinds_of_values(options), options=options) if options else ANYTHING


def _decimal(field: Any, direction: Direction) -> Form:
    if direction == "request":
        return ANYTHING  # numbers, and texts that are one
    return Form(kinds=frozenset({"string" if field.as_string else "number"}))


def _is_marshmallows(field: Any, direction: Direction) -> bool:
    """Whether marshmallow's own code loads (or dumps) what a field takes."""
    method: Any = getattr(type(field), _METHODS[direction])
    return bool(method.__module__ == fields.__name__)


def _validated(form: Form, validators: Iterable[Any]) -> Form:
    for validator in validators:
        match validator:
            case validate.Range():
                form = _limited(form, _range(validator) if form.kinds and form.kinds <= {"integer", "number"} else {})
            case validate.Length():
                form = _limited(form, _length(validator, form))
            case validate.OneOf():
                form = _chosen(form, validator.choices)
            case validate.Equal():
                form = _chosen(form, [validator.comparable])
            case validate.Regexp() if form.pattern is None and type(validator) is validate.Regexp:
                form = msgspec.structs.replace(form, pattern=validator.regex.pattern)
    return form


def _range(validator: validate.Range) -> dict[str, float]:
    bounds = {
        "minimum" if validator.min_inclusive else "exclusiveMinimum": validator.min,
        "maximum" if validator.max_inclusive else "exclusiveMaximum": validator.max,
    }
    return {key: float(bound) for key, bound in bounds.items() if isinstance(bound, int | float | Decimal)}


def _length(validator: validate.Length, form: Form) -> dict[str, float]:
    unit = {"array": "Items", "object": "Properties"}.get(next(iter(form.kinds or ()), ""), "Length")
    least = validator.min if validator.equal is None else validator.equal
    most = validator.max if validator.equal is None else validator.equal
    return {key + unit: bound for key, bound in (("min", least), ("max", most)) if bound is not None}


def _limited(form: Form, limits: Mapping[str, float]) -> Form:
    """Return the form with these limits too: of two of a kind the narrower one."""
    joined = dict(form.limits)
    for key, bound in limits.items():
        narrower = max if key.startswith(("min", "exclusiveMin")) else min
        joined[key] = narrower(joined.get(key, bound), bound)
    return msgspec.structs.replace(form, limits=joined)


def _chosen(form: Form, choices: Iterable[Any]) -> Form:
    options = _json(choices)
    if options is None or form.format is not None:  # what a format loads is no JSON any more
        return form
    if form.options is not None:
        options = tuple(option for option in options if option in form.options)
    return msgspec.structs.replace(form, options=options)


def _json(values: Iterable[Any]) -> tuple[Any, ...] | None:
    values = [float(value) if isinstance(value, Decimal) else value for value in values]
    scalars = all(value is None or isinstance(value, str | int | float) for value in values)
    return tuple(values) if scalars and not any(isinstance(value, Enum) for value in values) else None
