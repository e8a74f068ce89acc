"""The registry: every function by its name, made from documents and handlers; all mistakes at once."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from funcatron import plugins
from funcatron.agreement import differences
from funcatron.annotations import Typed, typed_return
from funcatron.binding import Binder
from funcatron.clouds import Clouds
from funcatron.errors import FuncatronError, InvalidInput, Mistake, SpecError, UnknownFunction
from funcatron.event import CloudEvent
from funcatron.garbage import collected_later
from funcatron.importing import import_handler, make_importable, security_mistakes
from funcatron.invocation import Invocation
from funcatron.named_types import NamedTypes, named_types
from funcatron.ports import Trigger, View
from funcatron.replies import Replies, WholeReplies
from funcatron.signatures import bind
from funcatron.spec.cache import DocumentCache
from funcatron.spec.document import Document, examine
from funcatron.spec.operation import Extension, Operation
from funcatron.spec.overlay import read_overlays
from funcatron.types import MISSING, Handler, is_a, is_async

__all__ = ["Function", "Registry", "build_registry", "load_documents"]

Handlers = Mapping[str, Handler] | Callable[[str], Handler | None]
"""Handlers from elsewhere: by operationId, or a callable that is given the operationId."""


class Function(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One function: what the document says of it, and what was found for it."""

    name: str
    operation: Operation
    handler: Handler
    binder: Binder
    replies: Replies
    is_async: bool
    is_generator: bool = False
    openstack: Callable[[Invocation], Any] | None = None

    @property
    def extension(self) -> Extension:
        """The operation's ``x-funcatron``."""
        return self.operation.extension

    @property
    def handler_name(self) -> str:
        """Where the handler is, for people: ``package.module.function``."""
        unwrapped = inspect.unwrap(self.handler) if callable(self.handler) else self.handler
        module = getattr(unwrapped, "__module__", "")
        return f"{module}.{getattr(unwrapped, '__qualname__', type(unwrapped).__qualname__)}"


class Registry:
    """The functions of one application, in the order of their documents."""

    def __init__(self, documents: Iterable[Document], functions: Iterable[Function]) -> None:
        self.documents = tuple(documents)
        self.functions: Mapping[str, Function] = {function.name: function for function in functions}
        self.internal: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[Function]:
        """Iterate over the user's functions; internal ones are in ``functions`` only."""
        return (function for function in self.functions.values() if function.name not in self.internal)

    def __len__(self) -> int:
        return len(self.functions) - len(self.internal)

    def with_internal(self, other: Registry) -> Registry:
        """Return a registry that has the functions of ``other`` too, as internal ones: callable, but not shown."""
        joined = Registry(self.documents, [*self.functions.values(), *other.functions.values()])
        joined.internal = frozenset(other.functions)
        return joined

    def get(self, name: str) -> Function:
        """Return the function of this name; raises UnknownFunction."""
        try:
            return self.functions[name]
        except KeyError:
            raise UnknownFunction(f"no function is called {name!r}") from None


@collected_later()
def load_documents(
    specs: Sequence[str | Path | Mapping[str, Any]],
    handlers: Handlers | None = None,
    cache_folder: Path | None = None,
    overlays: Sequence[str | Path | Mapping[str, Any]] = (),
) -> tuple[Document, ...]:
    """Load every document, changed by ``overlays``; raises SpecError with the mistakes of all of them.

    Those that were found valid are kept in ``cache_folder``, if there is one, for the next start.
    Where there are any, the handlers of what is sound are looked at too, so that a person sees everything at once.
    """
    if not specs:
        raise FuncatronError("give at least one OpenAPI document: a path, a URL or a dict")
    documents: list[Document] = []
    mistakes: list[Mistake] = []
    cache = DocumentCache.at(cache_folder)
    changes = read_overlays(overlays)
    for spec in specs:
        try:
            document, found = examine(spec, cache, changes)
        except SpecError as error:
            mistakes += error.mistakes
        else:
            mistakes += found
            documents += [document] if document is not None else []
    if mistakes:
        raise SpecError([*mistakes, *_mistakes_of_handlers(documents, handlers)])
    return tuple(documents)


def _mistakes_of_handlers(documents: Iterable[Document], handlers: Handlers | None) -> Sequence[Mistake]:
    try:
        build_registry(documents, handlers=handlers)
    except SpecError as error:
        return error.mistakes
    except LookupError:  # what was cut out with a mistake is referred to by what is left
        pass
    return ()


@collected_later()
def build_registry(
    documents: Iterable[Document],
    *,
    handlers: Handlers | None = None,
    services: Collection[str] = (),
    validate_responses: bool = True,
    clouds: Clouds | None = None,
) -> Registry:
    """Find and bind a handler for every operation; ``clouds`` open what ``context.openstack`` is.

    Raises SpecError with every mistake of every document: functions that do not import, arguments nobody can fill,
    two functions of one name, triggers of an unknown kind.
    """
    documents = tuple(documents)
    mistakes: list[Mistake] = []
    functions: dict[str, Function] = {}
    for document in documents:
        make_importable(document)
        mistakes += security_mistakes(document)
        for operation in document.operations:
            if operation.name in functions:
                other = functions[operation.name].operation.document.source
                mistakes.append(
                    document.mistake(operation.pointer, f"{other} has a function called {operation.name!r} already")
                )
                continue
            function, complaints = _function(operation, handlers, services, validate_responses)
            mistakes += [document.mistake(pointer, message) for pointer, message in complaints]
            if function is not None:
                cloud = None if clouds is None else clouds(operation.extension)
                functions[function.name] = msgspec.structs.replace(function, openstack=cloud)
    mistakes += _check_together([operation for document in documents for operation in document.operations])
    if mistakes:
        raise SpecError(mistakes)
    return Registry(documents, functions.values())


def _function(
    operation: Operation, handlers: Handlers | None, services: Collection[str], validate_responses: bool
) -> tuple[Function | None, list[tuple[str, str]]]:
    complaints = [*_check_triggers(operation), *_check_secrets(operation)]
    place = f"{operation.pointer}/operationId"
    try:
        handler = _find(operation, handlers)
    except FuncatronError as error:
        _, mistakes = bind(operation, _anything, services)  # what is wrong with the names, whoever handles them
        return None, [*complaints, (place, str(error)), *((place, message) for message in mistakes)]
    # A mock answers in the document's own words, which no type has to make of anything, or even be there yet.
    named, wrongly_named = (NamedTypes(), []) if getattr(handler, "stands_in", False) else named_types(operation)
    binder, mistakes = bind(operation, handler, services, named.body)
    complaints += [*wrongly_named, *((place, message) for message in mistakes)]
    returned, unusable = typed_return(handler) if "marshmallow" in sys.modules else (None, None)
    complaints += [(place, unusable)] if unusable else []
    if binder is not None and not complaints:
        complaints = [
            *_check_types(operation, binder, returned, named),
            *_check_examples(operation, binder),
            *_check_members(operation, binder),
        ]
    if binder is None or complaints:
        return None, complaints
    if isinstance(handler, View):
        replies: Replies = WholeReplies(operation, validate=False)
    else:
        replies = Replies(operation, validate=validate_responses, typed=returned, named=named.replies)
    return Function(
        name=operation.name,
        operation=operation,
        handler=handler,
        binder=binder,
        replies=replies,
        is_async=is_async(handler),
        is_generator=is_a(handler, inspect.isgeneratorfunction),
    ), []


def _find(operation: Operation, handlers: Handlers | None) -> Handler:
    found = None
    if callable(handlers):
        found = handlers(operation.name)
    elif handlers is not None:
        found = handlers.get(operation.name)
    if found is None:
        if operation.target is None:
            raise FuncatronError(f"{operation.name} has no operationId that names a handler, and none was given")
        found = import_handler(operation.target, operation.document.folder)
    if not callable(found):
        raise FuncatronError(f"{operation.target or operation.name} is a {type(found).__name__}, not a function")
    return found


def _check_triggers(operation: Operation) -> list[tuple[str, str]]:
    """Return what is wrong with an operation's triggers: unknown kinds, settings that cannot work."""
    complaints = []
    for binding in operation.extension.triggers:
        known = plugins.names("funcatron.triggers")
        if binding.kind not in known:
            complaints.append((binding.pointer, f"unknown trigger {binding.kind!r}; known are: {', '.join(known)}"))
            continue
        try:
            kind: type[Trigger] = plugins.load("funcatron.triggers", binding.kind)
        except FuncatronError as error:
            complaints.append((binding.pointer, str(error)))
            continue
        complaints += [(binding.pointer, message) for message in kind.check(binding.settings)]
    return complaints


def _check_together(operations: Sequence[Operation]) -> Iterator[Mistake]:
    """Yield what is wrong with triggers only in sight of all functions: two that want one place."""
    for kind in dict.fromkeys(binding.kind for operation in operations for binding in operation.extension.triggers):
        try:
            check_all = getattr(plugins.load("funcatron.triggers", kind), "check_all", None)
        except FuncatronError:  # said of each trigger of this kind already
            continue
        if check_all is not None:
            yield from check_all(operations)


def _check_secrets(operation: Operation) -> list[tuple[str, str]]:
    """Return which parameters of an async operation would have to rest in its records, and may not."""
    if operation.route is None or operation.mode == "sync":
        return []
    said = "carries a credential, which is not kept for later: declare a security scheme, or let the mode be sync"
    return [(p.pointer, f"the {p.location} parameter {p.name!r} {said}") for p in operation.secrets]


def _check_examples(operation: Operation, binder: Binder) -> list[tuple[str, str]]:
    """Return which triggers can never call the function: those whose event is known at load, and does not fit."""
    complaints = []
    for binding in operation.extension.triggers:
        example = getattr(plugins.load("funcatron.triggers", binding.kind), "example", None)
        if example is None:
            continue
        try:
            binder.from_event(example(binding.settings), binding.settings.get("input"))
        except InvalidInput as invalid:
            complaints += [
                (binding.pointer, f"this {binding.kind} can never call {operation.name}: {v.pointer} {v.message}")
                for v in invalid.violations
            ]
    return complaints


def _check_members(operation: Operation, binder: Binder) -> list[tuple[str, str]]:
    """Return which triggers can never call the function: those whose data never have what a parameter must have."""
    complaints = []
    for binding in operation.extension.triggers:
        members = getattr(plugins.load("funcatron.triggers", binding.kind), "members", None)
        if members is None:
            continue
        known = sorted(members(binding.settings))
        event = CloudEvent(id="1", source="/", type=binding.kind, data=dict.fromkeys(known))
        filled = binder.map_event(event, dict.fromkeys(binding.settings.get("input", {})))
        said = f"this {binding.kind} can never call {operation.name}"
        complaints += [
            (binding.pointer, f"{said}: {slot.pointer} is required; its data have {', '.join(known)}")
            for slot in binder.slots
            if slot.parameter.required and slot.default is MISSING and slot.name not in filled
        ]
    return complaints


def _check_types(
    operation: Operation, binder: Binder, returned: Typed | None, named: NamedTypes
) -> list[tuple[str, str]]:
    """Return where the types of body and answers contradict each other or the document."""
    complaints = [
        (
            f"{operation.pointer}/operationId",
            f"the handler returns {returned.name}, and the document names {typed.name}",
        )
        for (status, _), typed in named.replies.items()
        if status.startswith("2") and returned is not None and returned.schema and not returned.is_same(typed)
    ]
    body = None if binder.loader is None else binder.loader.typed
    if body is None and returned is None and not named.replies:
        return complaints
    try:
        found = differences(operation, body, returned, named.replies)
    except FuncatronError as error:
        return [*complaints, (f"{operation.pointer}/operationId", str(error))]
    return complaints + [(one.pointer, one.message) for one in found if one.certain]


def _anything(**arguments: Any) -> None:
    """Stand in for a handler that was not found."""
