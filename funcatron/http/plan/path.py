"""Parameters of the path: from the router's texts to the handler's arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connexion.utils import is_null
from starlette.types import Scope

from funcatron.http.plan.declared import Declared
from funcatron.http.plan.refusal import Refused
from funcatron.http.plan.scalars import Cast, cast_of, check
from funcatron.http.plan.schema import Accepts
from funcatron.http.plan.styles import Splitting

__all__ = ["PathParameters", "PathReader", "path_parameters"]

CONVERTERS: Mapping[str, type[int] | type[float]] = {"integer": int, "number": float}
"""What connexion registers with starlette's router: path parameters reach its scope converted."""


@dataclass(frozen=True, slots=True)
class PathReader:
    """One parameter. ``name`` is the router's, ``argument`` the handler's."""

    name: str
    argument: str
    convert: type[int] | type[float] | None
    cast: Cast | None
    split: Splitting | None
    accepts: Accepts | None
    nullable: bool


class PathParameters:
    """Reads what the router found into arguments."""

    __slots__ = ("_readers",)

    def __init__(self, readers: Sequence[PathReader]) -> None:
        self._readers = tuple(readers)

    def __bool__(self) -> bool:
        return bool(self._readers)

    def convert(self, texts: dict[str, Any]) -> None:
        """Convert them as the router does; those that are converted already stay. Raises ValueError."""
        for reader in self._readers:
            if reader.convert is not None:
                texts[reader.name] = reader.convert(texts[reader.name])

    def read(self, scope: Scope, texts: dict[str, Any], arguments: dict[str, Any]) -> bool:
        """Fill in the arguments, and convert ``texts`` as the router does; False if connexion has to judge."""
        for reader in self._readers:
            text = value = texts[reader.name]
            if reader.convert is not None:
                value = texts[reader.name] = reader.convert(text)
            if reader.nullable and is_null(text):
                value = None
            else:
                if reader.split is not None:
                    value = reader.split.values([value])
                elif reader.cast is not None:
                    value = reader.cast(value)
                if reader.accepts is not None and not reader.accepts(value):
                    return False
            arguments[reader.argument] = value
        return True


def path_parameters(declared: Declared, names: Sequence[str], types: Mapping[str, str]) -> PathParameters:
    """Compile the parameters of a path whose template has these router names; raises Refused.

    ``types`` are the names' types as connexion's operation tells them to the router.
    """
    by_router_name = {parameter.name.replace("-", "_"): parameter.name for parameter in declared.of("path")}
    for wanted in by_router_name:
        if wanted not in names:
            raise Refused(f"the path has no place for its parameter {by_router_name[wanted]}")
    converters = {name.replace("-", "_"): CONVERTERS.get(kind) for name, kind in types.items()}
    return PathParameters([_reader(declared, name, converters.get(name)) for name in names])


def _reader(declared: Declared, name: str, convert: type[int] | type[float] | None) -> PathReader:
    """A name with a dash is found by connexion's validator only: the value stays as the router has it."""
    argument = declared.argument(name)
    parameter = next((p for p in declared.of("path") if p.name.replace("-", "_") == name), None)
    if parameter is None:
        return PathReader(name, argument, convert, None, None, None, nullable=False)
    schema = parameter.schema
    if schema.get("type") == "object":
        raise Refused(f"the path parameter {parameter.name} is an object, which connexion never accepts")
    if parameter.name != name:
        if schema.get("type") == "boolean" or schema.get("type") == "array" or parameter.nullable:
            raise Refused(f"the path parameter {parameter.name} is of a type that connexion never accepts")
        return PathReader(
            name, argument, convert, None, None, check(schema, declared.dialects.parameters), nullable=False
        )
    if schema.get("type") == "array":
        split = declared.splitting(parameter)
        return PathReader(name, argument, convert, None, split, split.accepts, nullable=False)
    return PathReader(
        name, argument, convert, cast_of(schema), None, check(schema, declared.dialects.parameters), parameter.nullable
    )
