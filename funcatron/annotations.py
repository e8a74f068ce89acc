"""Types that bodies and answers have in Python: what an annotation, or a name in the document, asks for.

A marshmallow Schema is found as ``Annotated[Order, OrderSchema]``, as the class itself, in ``list[...]`` (many of them)
and in ``... | None``; marshmallow is not imported unless whoever wrote the handler did. Dataclasses, TypedDicts and
msgspec Structs are types by themselves; files and iterators of bytes are ways to read (``uploads``). ``dict``, ``Any``
and no annotation ask for nothing.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import functools
import inspect
import re
import sys
import types
import typing
from typing import Any

import msgspec

from funcatron.errors import FuncatronError
from funcatron.types import Handler
from funcatron.uploads import Reader, reader_for

__all__ = ["Typed", "annotations_of", "typed_argument", "typed_by", "typed_return"]

_PLAIN = frozenset({"Any", "None", "bool", "bytes", "dict", "float", "int", "list", "object", "str", "tuple"})
"""Names that ask for no type: annotations that are made of them alone need not be evaluated, which is slow."""
_UNREADABLE = (NameError, TypeError, AttributeError, SyntaxError)
_LISTS = frozenset({list, collections.abc.Sequence})
_WORD = re.compile(r"\w+")
_UNIONS = frozenset({typing.Union, types.UnionType})


class Typed(msgspec.Struct, frozen=True):
    """A type to load into or to dump from.

    ``schema`` is a marshmallow Schema, ``many`` whether it is for each item of a list; without one msgspec knows how to
    make a value of the type ``plain``; ``reader`` (see ``uploads``) reads what is no JSON. ``name`` is for people.
    """

    name: str
    schema: Any = None
    many: bool = False
    plain: Any = None
    reader: Reader | None = None

    def is_same(self, other: Typed) -> bool:
        """Whether both are the same Schema (by its class), or the same plain type."""
        return (type(self.schema), self.many, self.plain) == (type(other.schema), other.many, other.plain)


def typed_argument(handler: Handler, name: str) -> tuple[Typed | None, str | None]:
    """Return the type that the annotation of argument ``name`` asks for, None for none, or a complaint in words."""
    try:
        annotation = _annotation(handler, name)
    except _UNREADABLE as error:
        return None, f"the annotation of the handler's argument {name!r} cannot be read: {error}"
    try:
        typed = typed_by(annotation)
    except FuncatronError as error:
        return None, f"the annotation of the handler's argument {name!r} cannot be used: {error}"
    if typed is None and (reader := reader_for(_bare(annotation))) is not None:
        return Typed(str(annotation), reader=reader), None
    if typed is not None and typed.schema is None:
        try:
            msgspec.convert(None, typed.plain)
        except msgspec.ValidationError:
            pass
        except TypeError as error:
            return None, f"no body can be loaded into the annotation of the handler's argument {name!r}: {error}"
    return typed, None


def typed_return(handler: Handler) -> tuple[Typed | None, str | None]:
    """Return the type that a handler says it returns, alone or in a tuple before status and headers, or a complaint.

    None where it says nothing, or nothing that can be read: that is no mistake, for nobody needs it to answer.
    """
    try:
        annotation = _annotation(handler, "return")
    except _UNREADABLE:
        return None, None
    if typing.get_origin(annotation) is tuple:
        annotation = next(iter(typing.get_args(annotation)), None)
    try:
        return typed_by(annotation), None
    except FuncatronError as error:
        return None, f"the annotation of what the handler returns cannot be used: {error}"


def typed_by(found: Any, *, many: bool = False) -> Typed | None:
    """Return what an annotation, or an object that the document names, asks for; ``many``: for each item of a list.

    Raises FuncatronError where a marshmallow Schema cannot be made.
    """
    schema = _schema_in(found, many)
    if schema is not None:
        return schema
    found = _bare(found)
    if not _is_typed(found):
        return None
    return Typed(_name(found), plain=list[found] if many else found)


def annotations_of(handler: Handler) -> dict[str, Any]:
    """Return those annotations of a handler that can be read, ``return`` among them."""
    found = {}
    for name in getattr(_function(handler), "__annotations__", {}):
        with contextlib.suppress(*_UNREADABLE):
            found[name] = _annotation(handler, name, plain=frozenset())
    return found


def _function(handler: Handler) -> Any:
    function: Any = inspect.unwrap(handler)
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    if not inspect.isroutine(function):
        function = getattr(function, "__call__" if not isinstance(function, type) else "__init__")
    return function


def _annotation(handler: Handler, name: str, *, plain: frozenset[str] = _PLAIN) -> Any:
    """Return the annotation of one argument; others may name what is imported for type checkers alone.

    What is written in ``plain`` names is Any.
    """
    function = _function(handler)
    written = getattr(function, "__annotations__", {}).get(name, Any)
    if not isinstance(written, str):
        return written
    if plain.issuperset(_WORD.findall(written)):
        return Any
    only = types.SimpleNamespace(__annotations__={name: written})
    return typing.get_type_hints(only, getattr(function, "__globals__", {}), include_extras=True)[name]


def _name(annotation: Any) -> str:
    """Return the name of a type, or of the first one that a list or a union of it has."""
    typed = [argument for argument in typing.get_args(annotation) if _is_typed(argument)]
    return _name(typed[0]) if typed else str(getattr(annotation, "__name__", annotation))


def _bare(annotation: Any) -> Any:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation


def _is_typed(annotation: Any) -> bool:
    """Whether an annotation (or an item of ``list[...]`` or ``X | None``) is a type to load into."""
    if typing.get_origin(annotation) is not None:
        return any(_is_typed(argument) for argument in typing.get_args(annotation))
    if not isinstance(annotation, type):
        return False
    return (
        dataclasses.is_dataclass(annotation)
        or typing.is_typeddict(annotation)
        or issubclass(annotation, msgspec.Struct)
    )


def _schema_in(annotation: Any, many: bool) -> Typed | None:
    """Return the marshmallow Schema in an annotation, if there is one."""
    marshmallow = sys.modules.get("marshmallow")
    if marshmallow is None:
        return None
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in _UNIONS:
        parts = [argument for argument in arguments if argument is not types.NoneType]
        return _schema_in(parts[0], many) if len(parts) == 1 else None
    if origin in _LISTS:
        return _schema_in(arguments[0], True)
    candidates: tuple[Any, ...] = (annotation,)
    if origin is typing.Annotated:
        value, *candidates_ = arguments
        candidates, many = tuple(candidates_), many or typing.get_origin(value) in _LISTS
    for candidate in candidates:
        is_class = isinstance(candidate, type) and issubclass(candidate, marshmallow.Schema)
        made = _made(candidate) if is_class else candidate
        if isinstance(made, marshmallow.Schema):
            return Typed(type(made).__name__, schema=made, many=many or made.many)
    return None


def _made(schema: type[Any]) -> Any:
    try:
        return schema()
    except Exception as error:
        raise FuncatronError(f"{schema.__name__}() fails: {type(error).__name__}: {error}") from error
