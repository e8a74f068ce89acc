"""What is said of a value, in a document or by a type in Python, in the same words: a Form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from funcatron.spec.pointer import Parts

__all__ = ["ANYTHING", "Form", "Lazy", "Member", "Others", "kinds_of_values"]

Others: TypeAlias = Literal["unsaid", "taken", "dropped", "refused"]
"""What becomes of the members of an object that are not described."""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a value; nothing where it could be anything, or could not be understood for certain.

    ``kinds`` are JSON Schema's types; ``limits`` its bounds by keyword (``minimum``, ``exclusiveMinimum``,
    ``maxLength`` ...), ``key`` tells the same form when it is met again. Members and items are made when they are asked
    for, since types may hold themselves. A form that is not ``firm`` may be another one: code of the user's changes
    values before it.
    ``converts`` are kinds that are made into one of ``kinds``.
    """

    key: Any = None
    kinds: frozenset[str] | None = None
    options: tuple[Any, ...] | None = None
    limits: Mapping[str, float] = {}
    pattern: str | None = None
    format: str | None = None
    members: Mapping[str, Member] | None = None
    others: Others = "unsaid"
    items: Lazy | None = None
    converts: frozenset[str] = frozenset()
    firm: bool = True


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A member of an object. ``read_only``: only in answers; ``write_only``: only in bodies. ``place`` is where a
    document has it.
    """

    form: Lazy
    place: Parts = ()
    required: bool = False
    read_only: bool = False
    write_only: bool = False


Lazy: TypeAlias = Callable[[], Form]

ANYTHING = Form()

_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def kinds_of_values(values: Iterable[Any] | None) -> frozenset[str] | None:
    """Return the kinds of some scalars, None where one of them is none."""
    kinds = {_NAMES.get(type(value)) for value in values or ()}
    return frozenset(kind for kind in kinds if kind) if kinds and None not in kinds else None
