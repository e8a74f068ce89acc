"""Arguments: from what a call carries to what a handler's signature names, the same on every door.

At load, ``funcatron.signatures`` joins an operation's parameters to a handler's signature. At call time the Binder
checks the arguments (defaults filled in, all violations at once) and makes the handler's keyword arguments.

Arguments are keyed by *argument name*: the parameter's name in snake_case, with the location appended where two would
be the same. A signature may use that name, the document's own spelling, or connexion's.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable, Mapping
from copy import deepcopy
from functools import lru_cache
from types import FunctionType
from typing import Any

import msgspec

from funcatron.errors import InvalidInput, Violation
from funcatron.event import CloudEvent
from funcatron.expressions import point
from funcatron.loading import Loader
from funcatron.schemas import SchemaValidator, compile_schema
from funcatron.spec.operation import Operation, Parameter
from funcatron.types import MISSING, Handler, Location

__all__ = ["Binder", "Checked", "Plan", "Slot", "argument_name", "find_media", "fresh", "is_json"]

CONNEXION_DETAILS = frozenset({"user", "token_info"})
"""What connexion gives to a handler that takes everything (``**kwargs``)."""

MOST_MEDIA_TYPES = 64
_SCALARS = (str, int, float, bool, type(None))


@lru_cache(4096)
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


class Slot(msgspec.Struct, frozen=True):
    """One parameter with what checking it takes."""

    name: str
    parameter: Parameter
    pointer: str
    default: Any
    validator: SchemaValidator


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a signature wants.

    ``keywords`` maps the handler's keywords to argument names; ``body_keyword`` is the one of the body; ``extras``,
    ``services`` and ``unpacked`` (members of a form) are wanted by name, ``everything`` by ``**kwargs``; ``absent``
    holds what is passed for what a call may leave out and the signature has no default for; with ``empty_body`` that
    is ``{}`` for the body.
    """

    keywords: Mapping[str, str]
    body_keyword: str | None = None
    context: bool = False
    event: bool = False
    extras: frozenset[str] = frozenset()
    services: tuple[str, ...] = ()
    unpacked: tuple[str, ...] = ()
    everything: bool = False
    absent: Mapping[str, None]
    empty_body: bool = False


class Checked(dict[str, Any]):
    """Checked arguments; ``loaded`` is the body in the type that the handler's annotation asks for, if any."""

    __slots__ = ("loaded",)

    def __init__(self) -> None:
        super().__init__()
        self.loaded: Any = MISSING


class Binder:
    """Checks what a call of one function carries, and makes its handler's keyword arguments."""

    def __init__(
        self,
        operation: Operation,
        plan: Plan,
        slots: tuple[Slot, ...],
        *,
        body_name: str | None,
        loader: Loader | None,
        field_defaults: dict[str, Any],
    ) -> None:
        self.operation = operation
        self.services = plan.services
        self.wants_context = plan.context
        self.body_argument = body_name
        self.arguments: Mapping[tuple[Location, str], str] = {
            (slot.parameter.location, slot.parameter.name): slot.name for slot in slots
        }
        self._plan = plan
        self.slots = slots
        self._names = {slot.name for slot in slots} | ({body_name} if body_name else set())
        self._by_spelling = spellings_of(slots, body_name)
        self._bodies: dict[str | None, SchemaValidator | None] = {}
        self.loader = loader
        self.field_defaults = field_defaults
        self._taken = frozenset(plan.keywords.values())
        body = operation.body
        self._direct = None if _is_involved(plan, loader) else tuple(plan.keywords.items())
        self.as_given = _as_given(plan, self._names) if self._direct is not None else -1
        """How many checked arguments are the handler's keyword arguments as they are; -1 if ``call`` has to look."""
        self._unpacks = bool(plan.unpacked) or (body is not None and body.unpacked and plan.everything)

    def places(self, handler: Handler) -> tuple[str, ...]:
        """Return the arguments of a call that is ``as_given`` in the order of a plain function's parameters: so it is
        called in fewer steps than by name. Empty for all other handlers.
        """
        if self.as_given < 0 or type(handler) is not FunctionType:
            return ()
        first = handler.__code__.co_varnames[: min(self.as_given, handler.__code__.co_argcount)]
        return first if self._names == set(first) else ()

    def check(self, arguments: Mapping[str, Any], *, media_type: str | None = None) -> dict[str, Any]:
        """Return the arguments with defaults filled in, all of them valid.

        ``media_type`` chooses among the body's schemas; the first one that is JSON is taken without it. Raises
        InvalidInput that names every violation.
        """
        checked = Checked()
        violations: list[Violation] = []
        for slot in self.slots:
            value = arguments.get(slot.name, MISSING)
            if value is MISSING:
                if slot.default is not MISSING:
                    checked[slot.name] = fresh(slot.default)
                elif slot.parameter.required:
                    violations.append(Violation(slot.pointer, "is required"))
                continue
            checked[slot.name] = value
            violations += slot.validator.check(value, slot.pointer)
        if self.body_argument is not None:
            value = arguments.get(self.body_argument, MISSING)
            violations += self._check_body(self.body_argument, value, checked, media_type)
        if violations:
            raise InvalidInput(violations)
        return checked

    def _check_body(self, name: str, value: Any, checked: Checked, media_type: str | None) -> list[Violation]:
        body = self.operation.body
        if self.field_defaults and (value is MISSING or isinstance(value, Mapping)):
            value = deepcopy(self.field_defaults) | dict(value or {})
        if value is MISSING:
            return [Violation("/body", "is required")] if body is not None and body.required else []
        checked[name] = value
        validator = self.body_validator(media_type)
        if validator is not None and (violations := validator.check(value, "/body")):
            text = _text(value)
            if text is not value:
                violations = validator.check(text, "/body")
            if violations:
                return violations
        if self.loader is not None and value is not None:
            checked.loaded, violations = self.loader.load(value, "/body")
            return violations
        return []

    def body_validator(self, media_type: str | None) -> SchemaValidator | None:
        """Return the validator of the body in this media type, None where any content goes; compiled on first use."""
        try:
            return self._bodies[media_type]
        except KeyError:
            pass
        body = self.operation.body
        key = None if body is None else find_media(body.content, media_type)
        schema = None if body is None or key is None else body.content[key].schema
        validator = compile_schema(self.operation.document, schema, direction="request") if schema else None
        if len(self._bodies) < MOST_MEDIA_TYPES:  # the names come from clients
            self._bodies[media_type] = validator
        return validator

    def from_call(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return the checked arguments of a call by name: a Celery call's kwargs, ``input`` of ``POST /executions``.

        Members are named as in the document or in snake_case, the body is the member ``body``. What names nothing, or
        what was named before, is a violation.
        """
        arguments: dict[str, Any] = {}
        unknown: list[Violation] = []
        for member, value in members.items():
            name = self._by_spelling.get(member)
            if name is None:
                known = ", ".join(sorted(self._names)) or "none"
                unknown.append(Violation(_place(member), f"is not an argument of this function; known are: {known}"))
            elif name in arguments:
                unknown.append(Violation(_place(member), f"is given twice: it is another name of {name}"))
            else:
                arguments[name] = value
        try:
            checked = self.check(arguments)
        except InvalidInput as invalid:
            raise InvalidInput([*unknown, *invalid.violations]) from None
        if unknown:
            raise InvalidInput(unknown)
        return checked

    def map_event(
        self, event: CloudEvent, mapping: Mapping[str, Any] | None = None, given: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the arguments that an event carries, unchecked.

        A parameter is filled from the trigger's ``input`` mapping if that has it (a value as it is, or a string
        ``$event#/data/name``: a JSON Pointer into the event's JSON form), else from the arguments ``given`` beside the
        event, else from the same-named member of ``data``; the body is ``data`` itself.
        """
        data = event.data
        members = data if isinstance(data, Mapping) else {}
        arguments = {
            name: value
            for member, value in members.items()
            if (name := self._by_spelling.get(member)) is not None and name != self.body_argument
        }
        arguments.update(given or {})
        for member, value in (mapping or {}).items():
            if (name := self._by_spelling.get(member)) is not None:
                meant = _evaluate(value, event)
                if meant is not MISSING:
                    arguments[name] = meant
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
        if self._direct is not None and not services:
            try:
                return {key: arguments[name] for key, name in self._direct}
            except KeyError:  # something was left out
                pass
        plan = self._plan
        keywords: dict[str, Any] = dict(plan.absent)
        if plan.empty_body and self.loader is None and plan.body_keyword is not None:
            keywords[plan.body_keyword] = {}
        for key, name in plan.keywords.items():
            if name in arguments:
                keywords[key] = arguments[name]
        if plan.everything:
            keywords |= {name: value for name, value in arguments.items() if name not in self._taken}
        if self.loader is not None:
            self._load(arguments, keywords)
        elif self._unpacks:
            self._unpack(arguments.get(self.body_argument or ""), keywords)
        if plan.context:
            keywords["context"] = context
        if plan.event:
            keywords["event"] = event
        keywords |= {name: value for name, value in extras.items() if self._wants(name)}
        keywords.update(services)
        return keywords

    def _wants(self, extra: str) -> bool:
        return extra in self._plan.extras or (self._plan.everything and extra in CONNEXION_DETAILS)

    def _load(self, arguments: Mapping[str, Any], keywords: dict[str, Any]) -> None:
        """Hand over the body in its type: as it was loaded when it was checked, anew where that was handed over."""
        body = arguments.get(self.body_argument or "")
        if self.loader is None or body is None:
            return
        loaded: Any = MISSING
        if isinstance(arguments, Checked):
            loaded, arguments.loaded = arguments.loaded, MISSING
        if loaded is MISSING:
            loaded, violations = self.loader.load(body, "/body")
            if violations:
                raise InvalidInput(violations)
        keywords[self._plan.body_keyword or self.body_argument or ""] = loaded

    def _unpack(self, body: Any, keywords: dict[str, Any]) -> None:
        """Hand over a form's members as connexion does: files by name and not in the body, all of 2.0's by name."""
        plan, described = self._plan, self.operation.body
        if not isinstance(body, Mapping):
            return
        keywords |= {name: body[name] for name in plan.unpacked if name in body}
        if described is not None and described.unpacked and plan.everything:
            keywords.pop(self.body_argument or "", None)
            keywords |= dict(body)
        elif plan.body_keyword is not None and not (described is not None and described.unpacked):
            keywords[plan.body_keyword] = {name: item for name, item in body.items() if name not in plan.unpacked}


def _is_involved(plan: Plan, loader: Loader | None) -> bool:
    """Whether a handler wants anything but arguments, each as it is."""
    wanted = plan.everything, plan.context, plan.event, plan.extras, plan.services, plan.unpacked, loader
    return any(wanted) or (plan.empty_body and plan.body_keyword is not None)


def _as_given(plan: Plan, names: Collection[str]) -> int:
    """Return how many arguments a call has that leaves none out, if each is a keyword of its own name; else -1."""
    same = all(keyword == name for keyword, name in plan.keywords.items())
    return len(names) if same and plan.keywords.keys() == set(names) else -1


def spellings_of(slots: Iterable[Slot], body_name: str | None) -> dict[str, str]:
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


@lru_cache(4096)
def _spellings(name: str) -> tuple[str, ...]:
    """Return every way a signature may spell a parameter: ours, the document's, connexion's two."""
    sanitized = re.sub(r"^[^a-zA-Z_]+", "", re.sub(r"[^0-9a-zA-Z_]", "", re.sub(r"\[(?!])", "_", name)))
    return argument_name(name), name, sanitized, argument_name(name) + "_"


def fresh(default: Any) -> Any:
    """Return a default that its taker may change."""
    return default if isinstance(default, _SCALARS) else deepcopy(default)


def _place(member: Any) -> str:
    return "/" + str(member).replace("~", "~0").replace("/", "~1")


def _text(value: Any) -> Any:
    """Return bytes as the text that they are; others as they are. Text that is no JSON comes as bytes over HTTP."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _evaluate(value: Any, event: CloudEvent) -> Any:
    """Return what an ``input`` mapping's value means: itself, or the part of the event that it points at."""
    if isinstance(value, str) and value.startswith("$event#"):
        return point(event.to_json(), value.removeprefix("$event#"))
    return value


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


@lru_cache(256)
def is_json(media_type: str) -> bool:
    """Return whether a media type is JSON (RFC 8259) or has the suffix ``+json`` (RFC 6839)."""
    bare = media_type.split(";")[0].strip().lower()
    return bare in ("application/json", "*/*", "application/*") or bare.endswith("+json")
