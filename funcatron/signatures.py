"""Signatures: at load, an operation's parameters are joined to a handler's arguments, and every mistake is listed."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from funcatron.annotations import Typed, typed_argument
from funcatron.binding import Binder, Plan, Slot, argument_name, is_json, spellings_of
from funcatron.loading import Loader
from funcatron.schemas import compile_schema
from funcatron.spec.operation import Media, Operation, Parameter
from funcatron.types import MISSING, Handler, is_async

__all__ = ["bind"]

RESERVED = frozenset({"context", "event"})
CONNEXION_EXTRAS = frozenset({"user", "token_info", "context_"})
_IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})
"""OpenAPI 3.0.3 section 4.7.12.2: header parameters of these names shall be ignored."""
_FILE_FORMATS = frozenset({"binary", "base64"})
_KINDS = ("reserved", "parameter", "body", "service", "extra", "field")
_FORMS = ("multipart/", "application/x-www-form-urlencoded")


def bind(
    operation: Operation, handler: Handler, services: Collection[str], named: Typed | None = None
) -> tuple[Binder | None, list[str]]:
    """Join an operation and a handler's signature; returns the Binder, or None and every mistake in words.

    ``named`` is the type of the body that the document names.
    """
    mistakes: list[str] = []
    slots, body_name = _name_arguments(operation, mistakes)
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        signature = inspect.Signature([inspect.Parameter("everything", inspect.Parameter.VAR_KEYWORD)])
    plan = _Match(operation, slots, body_name, services).plan(signature, mistakes)
    typed = named if plan.everything else None
    if plan.body_keyword is not None:
        typed = _body_type(handler, plan.body_keyword, named, mistakes)
    loader = None if typed is None else Loader(typed)
    if complaint := _misread(operation, handler, plan.body_keyword or "", loader):
        mistakes.append(complaint)
    if mistakes:
        return None, mistakes
    return Binder(
        operation,
        plan,
        slots,
        body_name=body_name,
        loader=loader,
        field_defaults=_field_defaults(operation),
    ), []


def _body_type(handler: Handler, keyword: str, named: Typed | None, mistakes: list[str]) -> Typed | None:
    """Return the type of the body. A Schema that the document names may make what the annotation says."""
    annotated, complaint = typed_argument(handler, keyword)
    if complaint and named is None:
        mistakes.append(complaint)
    if named is None:
        return annotated
    if annotated is not None and not named.is_same(annotated) and not (named.schema and annotated.schema is None):
        said = f"is annotated with {annotated.name}, and the document names {named.name}"
        mistakes.append(f"the handler's argument {keyword!r} {said}")
    return named


def _name_arguments(operation: Operation, mistakes: list[str]) -> tuple[tuple[Slot, ...], str | None]:
    body_name = None
    if operation.body is not None:
        body_name = argument_name(operation.body.name)
    elif operation.route is None or operation.extension.triggers:
        body_name = "body"  # an event's data, where the document describes no body
    taken = {body_name} if body_name else set()
    slots = []
    order = {"path": 0, "query": 1, "header": 2, "cookie": 3}
    for parameter in sorted(operation.parameters, key=lambda p: order[p.location]):
        if parameter.location == "header" and parameter.name.lower() in _IGNORED_HEADERS:
            continue
        name = argument_name(parameter.name)
        if name in RESERVED:
            mistakes.append(
                f"the {parameter.location} parameter {parameter.name!r} would be the argument {name!r}, which is "
                f"reserved (reserved are: {', '.join(sorted(RESERVED))}); rename it"
            )
        while name in taken:
            name = f"{name}_{parameter.location}"
        taken.add(name)
        slots.append(
            Slot(
                name=name,
                parameter=parameter,
                pointer=f"/{parameter.location}/{_escape(parameter.name)}",
                default=_default(operation, parameter),
                validator=compile_schema(operation.document, parameter.schema, direction="request"),
            )
        )
    return tuple(slots), body_name


def _misread(operation: Operation, handler: Handler, name: str, loader: Loader | None) -> str | None:
    """Say why a body cannot be read as bytes, where the annotation asks for that."""
    if loader is None or loader.form == "value" or operation.body is None:
        return None
    if loader.form == "pieces" and is_async(handler):  # to wait for them would stop the loop that they come by
        return f"the handler's argument {name!r} is read on the event loop: annotate it with AsyncIterator[bytes]"
    parsed = [key for key in operation.body.content if _is_parsed(key)]
    if not parsed:
        return None
    return (
        f"the handler's argument {name!r} is to be read as a file or in pieces, but {', '.join(parsed)} is parsed: "
        "describe another media type, such as application/octet-stream"
    )


def _is_parsed(media_type: str) -> bool:
    """Whether a body of this type is read whole, for what it says: JSON and forms. Ranges are not."""
    return media_type.lower().startswith(_FORMS) or ("*" not in media_type and is_json(media_type))


class _Match:
    """What an operation offers to a signature."""

    def __init__(
        self, operation: Operation, slots: Iterable[Slot], body_name: str | None, services: Collection[str]
    ) -> None:
        self._operation = operation
        self._slots = {slot.name: slot for slot in slots}
        self._by_spelling = spellings_of(self._slots.values(), None)
        self._body_name = body_name
        self._bodies = {body_name, "body", operation.body.name if operation.body else "body"} if body_name else set()
        self._services = services
        self._fields = _form_fields(operation)

    def plan(self, signature: inspect.Signature, mistakes: list[str]) -> Plan:
        """Return what the signature wants; what nobody can fill is added to ``mistakes``."""
        named: dict[str, list[str]] = {kind: [] for kind in _KINDS}
        absent: dict[str, None] = {}
        for name, parameter in signature.parameters.items():
            bare = parameter.default is parameter.empty
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                continue
            if parameter.kind is parameter.POSITIONAL_ONLY:
                if bare:
                    mistakes.append(f"the handler's argument {name!r} is positional-only; arguments are passed by name")
                continue
            kind = self._kind(name)
            if kind is not None:
                named[kind].append(name)
                if bare and not self._always_there(kind, name):
                    absent[name] = None
            elif bare:
                mistakes.append(self._unfillable(name))
        body_keyword = named["body"][-1] if named["body"] else None
        parameters = {name: self._by_spelling[name] for name in named["parameter"]}
        return Plan(
            keywords=parameters | dict.fromkeys(named["body"], self._body_name or ""),
            body_keyword=body_keyword,
            context="context" in named["reserved"],
            event="event" in named["reserved"],
            extras=frozenset(named["extra"]),
            services=tuple(named["service"]),
            unpacked=tuple(named["field"]),
            everything=any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()),
            absent=absent,
            empty_body=body_keyword in absent and _is_object(self._operation),
        )

    def _kind(self, name: str) -> str | None:
        offers = (RESERVED, self._by_spelling, self._bodies, self._services, CONNEXION_EXTRAS, self._fields)
        return next((kind for kind, names in zip(_KINDS, offers, strict=True) if name in names), None)

    def _always_there(self, kind: str, name: str) -> bool:
        """Whether every call that is valid has this argument."""
        if kind == "parameter":
            slot = self._slots[self._by_spelling[name]]
            return slot.parameter.required or slot.default is not MISSING
        if kind == "body":
            return self._operation.body is not None and self._operation.body.required
        return kind in ("reserved", "service")

    def _unfillable(self, name: str) -> str:
        offered = [*self._slots, *self._bodies, *self._fields, *self._services, *RESERVED]
        names = ", ".join(sorted({one for one in offered if one and one.isidentifier()}))
        return f"the handler's argument {name!r} can be filled by nothing: {self._operation.name} offers {names}"


def _form_fields(operation: Operation) -> frozenset[str]:
    """Return the members of a form that connexion hands to a handler by name: files, and all of 2.0's fields."""
    if operation.body is None:
        return frozenset()
    return frozenset(
        name
        for media_type, media in operation.body.content.items()
        if media_type.startswith(_FORMS)
        for name, schema in _properties(operation, media).items()
        if operation.body.unpacked or _is_file(schema) or _is_file(_dereference(operation, schema.get("items", {})))
    )


def _field_defaults(operation: Operation) -> dict[str, Any]:
    """Return the defaults of 2.0's form fields, which are parameters there."""
    if operation.body is None or not operation.body.unpacked:
        return {}
    return {
        name: schema["default"]
        for media in operation.body.content.values()
        for name, schema in _properties(operation, media).items()
        if "default" in schema
    }


def _is_object(operation: Operation) -> bool:
    """Whether the body is an object: connexion gives its handler an empty one where a call has none."""
    if operation.body is None:
        return False
    schemas = [_dereference(operation, media.schema or {}) for media in operation.body.content.values()]
    return any(schema.get("type") == "object" and not schema.get("nullable") for schema in schemas)


def _properties(operation: Operation, media: Media) -> dict[str, Any]:
    schema = _dereference(operation, media.schema or {})
    return {name: _dereference(operation, item) for name, item in schema.get("properties", {}).items()}


def _is_file(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "file" or (schema.get("type") == "string" and schema.get("format") in _FILE_FORMATS)


def _default(operation: Operation, parameter: Parameter) -> Any:
    return _dereference(operation, parameter.schema).get("default", MISSING)


def _dereference(operation: Operation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow ``$ref`` to the schema that is meant."""
    return operation.document.resolve(schema["$ref"]) if "$ref" in schema else schema


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
