"""Typed bodies: JSON that was validated becomes what the handler's annotation says.

A marshmallow Schema (``body: Annotated[Order, OrderSchema]``, or the Schema class itself), a dataclass, a TypedDict or
a msgspec Struct. ``dict``, ``Any`` and no annotation leave the JSON as it is. Bodies that are not JSON may be loaded as
files or in pieces (``uploads``).
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from funcatron.errors import FuncatronError, Violation
from funcatron.types import Handler
from funcatron.uploads import reader_for

__all__ = ["Loader", "loader_for"]

BodyForm: TypeAlias = Literal["value", "file", "arriving"]
_UNTYPED = frozenset({"dict", "list", "Any", "object"})


class Loader:
    """Loads a body into its type. ``form`` is what it loads: the ``value``, a ``file`` with the bytes, or also these as
    they are ``arriving`` (see funcatron.uploads).
    """

    def __init__(self, load: Callable[[Any], tuple[Any, list[tuple[str, str]]]], form: BodyForm = "value") -> None:
        self._load = load
        self.form: BodyForm = form

    def load(self, value: Any, at: str) -> tuple[Any, list[Violation]]:
        """Return the loaded value, or what keeps it from being loaded, pointers below ``at``.

        Raises FuncatronError where the type itself fails (its ``__post_init__``, a ``post_load``).
        """
        try:
            loaded, errors = self._load(value)
        except Exception as error:
            raise FuncatronError("the body could not be loaded into its type; the log has the reason") from error
        return loaded, [Violation(at + pointer, message) for pointer, message in errors]


def loader_for(handler: Handler, name: str) -> tuple[Loader | None, str | None]:
    """Return the Loader that the annotation of argument ``name`` asks for, or a complaint in words."""
    try:
        annotation = _annotation(handler, name)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        return None, f"the annotation of the handler's argument {name!r} cannot be read: {error}"
    schema = _marshmallow(annotation)
    if schema is not None:
        return Loader(_by_marshmallow(schema)), None
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    reader = reader_for(annotation)
    if reader is not None:
        read, arriving = reader
        return Loader(read, "arriving" if arriving else "file"), None
    if not _typed(annotation):
        return None, None
    try:
        msgspec.convert(None, annotation)
    except msgspec.ValidationError:
        pass
    except TypeError as error:
        return None, f"no body can be loaded into the annotation of the handler's argument {name!r}: {error}"
    return Loader(_by_msgspec(annotation)), None


def _annotation(handler: Handler, name: str) -> Any:
    """Return the annotation of one argument; others may name what is imported for type checkers alone."""
    function: Any = inspect.unwrap(handler)
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    if not inspect.isroutine(function):
        function = getattr(function, "__call__" if not isinstance(function, type) else "__init__")
    written = getattr(function, "__annotations__", {}).get(name, Any)
    if not isinstance(written, str) or written in _UNTYPED:
        return Any if isinstance(written, str) else written
    only = types.SimpleNamespace(__annotations__={name: written})
    return typing.get_type_hints(only, getattr(function, "__globals__", {}), include_extras=True)[name]


def _typed(annotation: Any) -> bool:
    """Whether an annotation (or an item of ``list[...]`` or ``X | None``) is a type to load into."""
    if typing.get_origin(annotation) is not None:
        return any(_typed(argument) for argument in typing.get_args(annotation))
    if not isinstance(annotation, type):
        return False
    return (
        dataclasses.is_dataclass(annotation)
        or typing.is_typeddict(annotation)
        or issubclass(annotation, msgspec.Struct)
    )


def _marshmallow(annotation: Any) -> Any:
    """Return the Schema instance in an annotation; marshmallow is not imported unless the handler did."""
    marshmallow = sys.modules.get("marshmallow")
    if marshmallow is None:
        return None
    candidates = [annotation]
    if typing.get_origin(annotation) is typing.Annotated:
        candidates = list(typing.get_args(annotation)[1:])
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, marshmallow.Schema):
            return candidate()
        if isinstance(candidate, marshmallow.Schema):
            return candidate
    return None


def _by_marshmallow(schema: Any) -> Callable[[Any], tuple[Any, list[tuple[str, str]]]]:
    validation_error: type[Exception] = sys.modules["marshmallow"].ValidationError

    def load(value: Any) -> tuple[Any, list[tuple[str, str]]]:
        try:
            return schema.load(value), []
        except validation_error as error:
            return None, list(_flatten(getattr(error, "messages", str(error))))

    return load


def _flatten(messages: Any, at: str = "") -> typing.Iterator[tuple[str, str]]:
    """Turn marshmallow's nested messages into pointers and sentences."""
    if isinstance(messages, Mapping):
        for key, item in messages.items():
            place = at if key == "_schema" else f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}"
            yield from _flatten(item, place)
    elif isinstance(messages, (list, tuple)):
        for item in messages:
            yield from _flatten(item, at)
    else:
        yield at, str(messages)


def _by_msgspec(annotation: Any) -> Callable[[Any], tuple[Any, list[tuple[str, str]]]]:
    def load(value: Any) -> tuple[Any, list[tuple[str, str]]]:
        try:
            return msgspec.convert(value, annotation), []
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$")
            pointer = re.sub(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", lambda m: "/" + (m[1] or m[2]), path.rstrip("`"))
            return None, [(pointer, message)]

    return load
