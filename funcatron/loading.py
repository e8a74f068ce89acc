"""Typed bodies: JSON that was validated becomes what the handler's annotation, or the document, says (``annotations``).

A marshmallow Schema loads and dumps; dataclasses, TypedDicts and msgspec Structs are made by msgspec, and written by
``codec`` as they are. Bodies that are not JSON may be loaded as files or in pieces (``uploads``).
"""

from __future__ import annotations

import dataclasses
import re
import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from funcatron.annotations import Typed
from funcatron.errors import FuncatronError, InvalidInput, Violation
from funcatron.uploads import Form

__all__ = ["Loader", "refused_by_schema"]


BodyForm: TypeAlias = Literal["value"] | Form


class Loader:
    """Loads a body into its type. ``form`` is what of it is loaded: its ``value``, or its bytes (see ``uploads``)."""

    def __init__(self, typed: Typed) -> None:
        self.typed = typed
        self.form: BodyForm = "value"
        self._load: Callable[[Any], tuple[Any, list[tuple[str, str]]]]
        if typed.reader is not None:
            self._load, self.form = typed.reader
        else:
            self._load = _by_msgspec(typed.plain) if typed.schema is None else _by_marshmallow(typed)

    def load(self, value: Any, at: str) -> tuple[Any, list[Violation]]:
        """Return the loaded value, or what keeps it from being loaded, pointers below ``at``.

        Raises FuncatronError where the type itself fails (its ``__post_init__``, a ``post_load``).
        """
        try:
            loaded, errors = self._load(value)
            if errors and self.form == "value" and _has_whole_float(value):
                loaded, errors = self._load(_whole(value))
        except Exception as error:
            raise FuncatronError("the body could not be loaded into its type; the log has the reason") from error
        return loaded, [Violation(at + pointer, message) for pointer, message in errors]


def refused_by_schema(error: Exception, arguments: Iterable[Any]) -> InvalidInput | None:
    """Return the refusal that a marshmallow ValidationError of a handler's means, None for any other exception.

    A handler may load its body by hand, or raise one in its own words. What was raised about other data than one of its
    ``arguments`` (the answer of another service, say) is no fault of the caller's.
    """
    marshmallow = sys.modules.get("marshmallow")
    if marshmallow is None or not isinstance(error, marshmallow.ValidationError):
        return None
    if error.data is not None and not any(error.data is argument or error.data == argument for argument in arguments):
        return None
    found = _flatten(error.normalized_messages())
    return InvalidInput([Violation("/body" + pointer, message) for pointer, message in found])


def _by_marshmallow(typed: Typed) -> Callable[[Any], tuple[Any, list[tuple[str, str]]]]:
    validation_error: type[Exception] = sys.modules["marshmallow"].ValidationError
    load_by, many = typed.schema.load, typed.many

    def load(value: Any) -> tuple[Any, list[tuple[str, str]]]:
        try:
            return load_by(_copied(value), many=many), []  # a pre_load may change it, and it may go on record
        except validation_error as error:
            return None, list(_flatten(getattr(error, "messages", str(error))))

    return load


def _copied(value: Any) -> Any:
    """Return a copy of JSON; files and the like are themselves."""
    if type(value) is dict:
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if type(value) is list else value


def _has_whole_float(value: Any) -> bool:
    if type(value) is dict:
        value = value.values()
    elif type(value) is not list:
        return type(value) is float and value.is_integer()
    return any(_has_whole_float(item) for item in value)


def _whole(value: Any) -> Any:
    """Return JSON with integers for whole numbers: 5.0 is one in JSON Schema, and none for many types in Python."""
    if type(value) is dict:
        return {key: _whole(item) for key, item in value.items()}
    if type(value) is list:
        return [_whole(item) for item in value]
    return int(value) if type(value) is float and value.is_integer() else value


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


def _complete(value: Any) -> Any:
    """Give dataclasses their defaults as attributes of their own: msgspec leaves them to the class, where neither
    orjson nor ``vars`` sees them.
    """
    if dataclasses.is_dataclass(value):
        own = getattr(value, "__dict__", None)
        for field in dataclasses.fields(value):
            if own is not None and field.name not in own and field.default is not dataclasses.MISSING:
                object.__setattr__(value, field.name, field.default)  # frozen ones too
            _complete(getattr(value, field.name, None))
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _complete(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            _complete(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            _complete(item)
    return value


def _by_msgspec(annotation: Any) -> Callable[[Any], tuple[Any, list[tuple[str, str]]]]:
    def load(value: Any) -> tuple[Any, list[tuple[str, str]]]:
        try:
            return _complete(msgspec.convert(value, annotation)), []
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$")
            pointer = re.sub(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", lambda m: "/" + (m[1] or m[2]), path.rstrip("`"))
            return None, [(pointer, message)]

    return load
