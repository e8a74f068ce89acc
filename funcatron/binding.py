"""Arguments: from what a call carries to what a handler's signature names, the same on every door.

At load, ``bind`` joins an operation's parameters to a handler's signature and lists every mistake. At call time the
Binder checks the arguments (defaults filled in, all violations at once) and makes the handler's keyword arguments.

Arguments are keyed by *argument name*: the parameter's name in snake_case, with the location appended where two would
be the same. A signature may use that name, the document's own spelling, or connexion's.
"""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Collection, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from funcatron.errors import InvalidInput, Violation
from funcatron.event import CloudEvent
from funcatron.loading import Loader, loader_for
from funcatron.schemas import SchemaValidator, compile_schema
from funcatron.spec.operation import Media, Operation, Parameter
from funcatron.types import MISSING, Handler, Location

__all__ = ["Binder", "argument_name", "bind"]

RESERVED = frozenset({"context", "event"})
CONNEXION_EXTRAS = frozenset({"user", "token_info", "context_"})
CONNEXION_DETAILS = frozenset({"user", "token_info"})
"""What connexion gives to a handler that takes everything (``**kwargs``)."""
_IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})
"""OpenAPI 3.0.3 section 4.7.12.2: header parameters of these names shall be ignored."""
_FILE_FORMATS = frozenset({"binary", "base64"})


def argument_name(name: str) -> str:
    """Return a parameter's name as a Python identifier in snake_case.

    ``itemId`` gives ``item_id``, ``X-Count`` ``x_count``, ``filter[name]`` ``filter_name``; a keyword gets a trailing
    underscore, a leading digit an underscore in front.
    """
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    name = re.sub(r"([a-z\d])([A-Z])", r"\1_\2", name)
    name = re.sub(r"\W+", "_", name).strip("_").lower() or "argument"
    if name[0].isdigit():
        name = "_" + name
    return name + "_" if keyword.iskeyword(name) else name


def _spellings(name: str) -> list[str]:
    """Return every way a signature may spell a parameter: ours, the document's, connexion's two."""
    sanitized = re.sub(r"^[^a-zA-Z_]+", "", re.sub(r"[^0-9a-zA-Z_]", "", re.sub(r"\[(?!])", "_", name)))
    return [argument_name(name), name, sanitized, argument_name(name) + "_"]


@dataclass(frozen=True, slots=True)
class _Slot:
    """One parameter with what checking it takes."""

    name: str
    parameter: Parameter
    pointer: str
    default: Any
    validator: SchemaValidator


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a signature wants: keyword to argument name, and which extras by name."""

    keywords: Mapping[str, str]
    body_keyword: str | None
    context: bool
    event: bool
    extras: tuple[str, ...]
    services: tuple[str, ...]
    unpacked: tuple[str, ...]
    everything: bool


class Binder:
    """Checks what a call of one function carries, and makes its handler's keyword arguments."""

    def __init__(
        self, operation: Operation, plan: _Plan, slots: tuple[_Slot, ...], body_name: str | None, loader: Loader | None
    ) -> None:
        self.operation = operation
        self.services = plan.services
        self.wants_context = plan.context
        self.body_argument = body_name
        self.arguments: Mapping[tuple[Location, str], str] = {
            (slot.parameter.location, slot.parameter.name): slot.name for slot in slots
        }
        self._plan = plan
        self._slots = slots
        self._names = {slot.name for slot in slots} | ({body_name} if body_name else set())
        self._by_spelling = _spellings_of(slots, body_name)
        self._bodies: dict[str, SchemaValidator | None] = {}
        self._loader = loader
        self._field_defaults = _field_defaults(operation)

    def check(self, arguments: Mapping[str, Any], *, media_type: str | None = None) -> dict[str, Any]:
        """Return the arguments with defaults filled in, all of them valid.

        ``media_type`` chooses among the body's schemas; the first one that is JSON is taken without it. Raises
        InvalidInput that names every violation.
        """
        checked: dict[str, Any] = {}
        violations: list[Violation] = []
        for slot in self._slots:
            value = arguments.get(slot.name, MISSING)
            if value is MISSING:
                if slot.default is not MISSING:
                    checked[slot.name] = deepcopy(slot.default)
                elif slot.parameter.required:
                    violations.append(Violation(slot.pointer, "is required"))
                continue
            checked[slot.name] = value
            if not slot.validator.is_valid(value):
                violations += slot.validator.violations(value, slot.pointer)
        if self.body_argument is not None:
            violations += self._check_body(arguments.get(self.body_argument, MISSING), checked, media_type)
        if violations:
            raise InvalidInput(violations)
        return checked

    def _check_body(self, value: Any, checked: dict[str, Any], media_type: str | None) -> list[Violation]:
        body, name = self.operation.body, self.body_argument
        assert name is not None
        if self._field_defaults and (value is MISSING or isinstance(value, Mapping)):
            value = deepcopy(self._field_defaults) | dict(value or {})
        if value is MISSING:
            return [Violation("/body", "is required")] if body is not None and body.required else []
        checked[name] = value
        validator = self.body_validator(media_type)
        if validator is not None and not validator.is_valid(value):
            text = _text(value)
            if text is value or not validator.is_valid(text):
                return validator.violations(text, "/body")
        if self._loader is not None:
            return self._loader.violations(value, "/body")
        return []

    def body_validator(self, media_type: str | None) -> SchemaValidator | None:
        """Return the validator of the body in this media type, None where any content goes; compiled on first use."""
        body = self.operation.body
        if body is None:
            return None
        key = find_media(body.content, media_type)
        if key is None:
            return None
        if key not in self._bodies:
            schema = body.content[key].schema
            self._bodies[key] = compile_schema(self.operation.document, schema, direction="request") if schema else None
        return self._bodies[key]

    def from_call(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return the checked arguments of a call by name: a Celery call's kwargs, ``input`` of ``POST /executions``.

        Members are named as in the document or in snake_case, the body is the member ``body``. What names nothing is
        a violation.
        """
        arguments: dict[str, Any] = {}
        unknown: list[Violation] = []
        for member, value in members.items():
            name = self._by_spelling.get(member)
            if name is None:
                known = ", ".join(sorted(self._names)) or "none"
                unknown.append(Violation(f"/{member}", f"is not an argument of this function; known are: {known}"))
            else:
                arguments[name] = value
        try:
            checked = self.check(arguments)
        except InvalidInput as invalid:
            raise InvalidInput([*unknown, *invalid.violations]) from None
        if unknown:
            raise InvalidInput(unknown)
        return checked

    def map_event(self, event: CloudEvent, mapping: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the arguments that an event carries, unchecked.

        A parameter is filled from the trigger's ``input`` mapping if that has it (a value as it is, or a string
        ``$event#/data/name``: a JSON Pointer into the event's JSON form), else from the same-named member of ``data``;
        the body is ``data`` itself.
        """
        data = event.data
        members = data if isinstance(data, Mapping) else {}
        arguments = {
            name: value
            for member, value in members.items()
            if (name := self._by_spelling.get(member)) is not None and name != self.body_argument
        }
        for member, value in (mapping or {}).items():
            if (name := self._by_spelling.get(member)) is not None:
                given = _evaluate(value, event)
                if given is not MISSING:
                    arguments[name] = given
        if self.body_argument is not None and data is not None:
            arguments.setdefault(self.body_argument, data)
        return arguments

    def from_event(self, event: CloudEvent, mapping: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the checked arguments of an event."""
        return self.check(self.map_event(event, mapping))

    def call(
        self,
        arguments: Mapping[str, Any],
        *,
        context: Any,
        event: CloudEvent | None,
        extras: Mapping[str, Any],
        services: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the handler's keyword arguments; ``arguments`` must have been checked."""
        plan = self._plan
        keywords = {key: arguments[name] for key, name in plan.keywords.items() if name in arguments}
        if plan.everything:
            taken = set(plan.keywords.values())
            keywords |= {name: value for name, value in arguments.items() if name not in taken}
        body = arguments.get(self.body_argument) if self.body_argument else None
        if self._loader is not None and plan.body_keyword and body is not None:
            body = keywords[plan.body_keyword] = self._loader.load(body)
        elif plan.body_keyword and plan.body_keyword not in keywords:
            keywords[plan.body_keyword] = None
        if isinstance(body, Mapping):
            self._unpack(body, keywords)
        if plan.context:
            keywords["context"] = context
        if plan.event:
            keywords["event"] = event
        for name, value in extras.items():
            if name in plan.extras or (plan.everything and name in CONNEXION_DETAILS):
                keywords[name] = value
        keywords.update(services)
        return keywords

    def _unpack(self, body: Mapping[str, Any], keywords: dict[str, Any]) -> None:
        """Hand over a form's members as connexion does: files by name and not in the body, all of 2.0's by name."""
        plan, described = self._plan, self.operation.body
        keywords |= {name: body[name] for name in plan.unpacked if name in body}
        if described is None:
            return
        if described.unpacked and plan.everything:
            keywords.pop(self.body_argument or "", None)
            keywords |= dict(body)
        elif plan.unpacked and plan.body_keyword is not None and self._loader is None and not described.unpacked:
            keywords[plan.body_keyword] = {name: item for name, item in body.items() if name not in plan.unpacked}


def bind(operation: Operation, handler: Handler, services: Collection[str]) -> tuple[Binder | None, list[str]]:
    """Join an operation and a handler's signature; returns the Binder, or None and every mistake in words."""
    mistakes: list[str] = []
    slots, body_name = _name_arguments(operation, mistakes)
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        signature = inspect.Signature([inspect.Parameter("everything", inspect.Parameter.VAR_KEYWORD)])
    plan = _match(operation, signature, slots, body_name, services, mistakes)
    loader = None
    if plan.body_keyword is not None:
        loader, complaint = loader_for(handler, plan.body_keyword)
        if complaint:
            mistakes.append(complaint)
    if mistakes:
        return None, mistakes
    return Binder(operation, plan, slots, body_name, loader), []


def _name_arguments(operation: Operation, mistakes: list[str]) -> tuple[tuple[_Slot, ...], str | None]:
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
        if name in taken:
            name = f"{name}_{parameter.location}"
        taken.add(name)
        slots.append(
            _Slot(
                name=name,
                parameter=parameter,
                pointer=f"/{parameter.location}/{_escape(parameter.name)}",
                default=_default(operation, parameter),
                validator=compile_schema(operation.document, parameter.schema, direction="request"),
            )
        )
    return tuple(slots), body_name


def _match(
    operation: Operation,
    signature: inspect.Signature,
    slots: Iterable[_Slot],
    body_name: str | None,
    services: Collection[str],
    mistakes: list[str],
) -> _Plan:
    by_spelling = _spellings_of(slots, None)
    bodies = {body_name, "body", operation.body.name if operation.body else "body"} if body_name else set()
    fields = _form_fields(operation)
    keywords: dict[str, str] = {}
    wanted: dict[str, list[str]] = {"extras": [], "services": [], "unpacked": []}
    body_keyword, everything = None, False
    flags = {"context": False, "event": False}
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            everything = True
        elif parameter.kind is parameter.VAR_POSITIONAL:
            continue
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            mistakes.append(f"the handler's argument {name!r} is positional-only; arguments are passed by name")
        elif name in flags:
            flags[name] = True
        elif name in by_spelling:
            keywords[name] = by_spelling[name]
        elif name in bodies and body_name:
            keywords[name] = body_name
            body_keyword = name
        elif name in services:
            wanted["services"].append(name)
        elif name in CONNEXION_EXTRAS:
            wanted["extras"].append(name)
        elif name in fields:
            wanted["unpacked"].append(name)
        elif parameter.default is parameter.empty:
            offered = [*(slot.name for slot in slots), *bodies, *fields, *services, *RESERVED]
            mistakes.append(_unfillable(operation, name, offered))
    return _Plan(
        keywords,
        body_keyword,
        flags["context"],
        flags["event"],
        tuple(wanted["extras"]),
        tuple(wanted["services"]),
        tuple(wanted["unpacked"]),
        everything,
    )


def _unfillable(operation: Operation, name: str, known: Iterable[str | None]) -> str:
    names = ", ".join(sorted({k for k in known if k and k.isidentifier()}))
    return f"the handler's argument {name!r} can be filled by nothing: {operation.name} offers {names}"


def _spellings_of(slots: Iterable[_Slot], body_name: str | None) -> dict[str, str]:
    """Return every accepted spelling to its argument name; exact names win over other spellings."""
    found: dict[str, str] = {}
    slots = tuple(slots)
    for slot in slots:
        found.setdefault(slot.name, slot.name)
    for slot in slots:
        found.setdefault(slot.parameter.name, slot.name)
    if body_name:
        found.setdefault(body_name, body_name)
        found.setdefault("body", body_name)
    for slot in slots:
        for spelling in _spellings(slot.parameter.name):
            if spelling:
                found.setdefault(spelling, slot.name)
    return found


def _form_fields(operation: Operation) -> frozenset[str]:
    """Return the members of a form that connexion hands to a handler by name: files, and all of 2.0's fields."""
    if operation.body is None:
        return frozenset()
    names: set[str] = set()
    for media_type, media in operation.body.content.items():
        if media_type.startswith(("multipart/", "application/x-www-form-urlencoded")):
            names |= {
                name
                for name, schema in _properties(operation, media).items()
                if operation.body.unpacked or _is_file(schema) or _is_file(schema.get("items", {}))
            }
    return frozenset(names)


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


def _text(value: Any) -> Any:
    """Return bytes as the text that they are; others as they are. Text that is no JSON comes as bytes over HTTP."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _properties(operation: Operation, media: Media) -> dict[str, Any]:
    schema = _dereference(operation, media.schema or {})
    return {name: _dereference(operation, item) for name, item in schema.get("properties", {}).items()}


def _is_file(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "file" or (schema.get("type") == "string" and schema.get("format") in _FILE_FORMATS)


def _default(operation: Operation, parameter: Parameter) -> Any:
    return _dereference(operation, parameter.schema).get("default", MISSING)


def _evaluate(value: Any, event: CloudEvent) -> Any:
    """Return what an ``input`` mapping's value means: itself, or the part of the event that it points at."""
    if not (isinstance(value, str) and value.startswith("$event#")):
        return value
    found: Any = event.to_json()
    for part in value.removeprefix("$event#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return MISSING
    return found


def _dereference(operation: Operation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow ``$ref`` (a chain of them, at most 32 long) to the schema that is meant."""
    for _ in range(32):
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            break
        schema = operation.document.resolve(schema["$ref"])
    return schema


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def find_media(content: Mapping[str, Any], media_type: str | None) -> str | None:
    """Return the key of ``content`` that describes a media type: exact, then ranges, the most specific first.

    Parameters (``; charset=...``) are left aside; without a media type the first JSON one is meant, else the first.
    """
    keys = {key.split(";")[0].strip().lower(): key for key in content}
    if media_type is None:
        return next((key for bare, key in keys.items() if is_json(bare)), next(iter(content), None))
    bare = media_type.split(";")[0].strip().lower()
    kind, _, subtype = bare.partition("/")
    suffix = f"{kind}/*+{subtype.rpartition('+')[2]}"
    return next((keys[k] for k in (bare, suffix, f"{kind}/*", "*/*") if k in keys), None)


def is_json(media_type: str) -> bool:
    """Return whether a media type is JSON (RFC 8259) or has the suffix ``+json`` (RFC 6839)."""
    bare = media_type.split(";")[0].strip().lower()
    return bare in ("application/json", "*/*", "application/*") or bare.endswith("+json")
