"""Parameters of the query: from the query string to the handler's arguments."""

from __future__ import annotations

import copy
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl

from connexion.uri_parsing import (
    AbstractURIParser,
    AlwaysMultiURIParser,
    FirstValueURIParser,
    OpenAPIURIParser,
    Swagger2URIParser,
)
from connexion.utils import deep_merge, is_null
from starlette.types import Scope

from funcatron.http.plan.declared import Declared, Parameter
from funcatron.http.plan.refusal import Refused
from funcatron.http.plan.scalars import Cast, cast_of, check
from funcatron.http.plan.schema import Accepts, acceptor
from funcatron.http.plan.styles import Splitting

__all__ = ["Query", "query_parameters"]

_PARSERS = (OpenAPIURIParser, Swagger2URIParser, FirstValueURIParser, AlwaysMultiURIParser)
"""connexion's own: what they make of a query is known to depend on nothing else."""


class Reader(Protocol):
    """One parameter. Its ``argument`` is the handler's name for it, None if the handler does not want it."""

    @property
    def name(self) -> str:
        """Its name in the document."""

    def read(self, found: Any, arguments: dict[str, Any]) -> bool:
        """Fill in the argument from what the query says; False if it is not valid.

        Raises ValueError or TypeError if it is not of its type.
        """


@dataclass(frozen=True, slots=True)
class Scalar:
    """A parameter with one value: the last that the query has."""

    name: str
    argument: str | None
    accepts: Accepts | None
    cast: Cast | None
    nullable: bool

    def read(self, found: Any, arguments: dict[str, Any]) -> bool:
        """See Reader."""
        value = found[-1]
        if self.nullable and is_null(value):
            value = None
        else:
            if self.cast is not None:
                value = self.cast(value)
            if self.accepts is not None and not self.accepts(value):
                return False
        if self.argument is not None:
            arguments[self.argument] = value
        return True


@dataclass(frozen=True, slots=True)
class Array:
    """A parameter with many values."""

    name: str
    argument: str | None
    accepts: Accepts
    split: Splitting

    def read(self, found: Any, arguments: dict[str, Any]) -> bool:
        """See Reader."""
        values = self.split.values(found)
        if not self.accepts(values):
            return False
        if self.argument is not None:
            arguments[self.argument] = values
        return True


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parameter that connexion's parser has read."""

    name: str
    argument: str | None
    accepts: Accepts

    def read(self, found: Any, arguments: dict[str, Any]) -> bool:
        """See Reader. An object is laid over its default."""
        if found is not None and not self.accepts(found):
            return False
        if self.argument is not None:
            default = arguments.get(self.argument)
            over = isinstance(found, dict) and isinstance(default, dict)
            arguments[self.argument] = deep_merge(default, found) if over else found
        return True


class Query:
    """Reads query strings. ``strict``: names that are not ``known`` are connexion's to refuse."""

    __slots__ = ("_defaults", "_known", "_mutable", "_parser", "_readers", "_required", "_strict")

    def __init__(
        self,
        readers: Iterable[Reader],
        *,
        required: Iterable[str],
        defaults: Mapping[str, Any],
        strict: bool,
        known: Iterable[str],
        parser: AbstractURIParser | None = None,
    ) -> None:
        self._readers = {reader.name: reader for reader in readers}
        self._required = frozenset(required)
        self._defaults = dict(defaults)
        self._mutable = any(isinstance(value, dict | list) for value in defaults.values())
        self._strict = strict
        self._known = frozenset(known)
        self._parser = parser

    def __bool__(self) -> bool:
        return bool(self._readers or self._required or self._defaults or self._strict)

    def read(self, scope: Scope, texts: dict[str, Any], arguments: dict[str, Any]) -> bool:
        """Fill in the arguments; False if connexion has to judge. May raise what connexion's casts raise."""
        if self._defaults:
            arguments |= copy.deepcopy(self._defaults) if self._mutable else self._defaults
        query_string: bytes = scope["query_string"]
        if not query_string:
            return not self._required
        found: Mapping[str, Any] = parse(query_string)
        if self._parser is not None:
            found = self._parser.resolve_query(found)
        if self._strict and not found.keys() <= self._known:
            return False
        if self._required and not found.keys() >= self._required:
            return False
        readers = self._readers
        for name, values in found.items():
            if name in readers and not readers[name].read(values, arguments):
                return False
        return True


def parse(query_string: bytes) -> dict[str, list[str]]:
    """Return the query's values by name, as starlette does."""
    found: dict[str, list[str]] = {}
    text = query_string.decode("latin-1")
    if "%" in text or "+" in text:
        for name, value in parse_qsl(text, keep_blank_values=True):
            found.setdefault(name, []).append(value)
        return found
    for part in text.split("&") if "&" in text else (text,):
        if part:
            name, _, value = part.partition("=")
            if name in found:
                found[name].append(value)
            else:
                found[name] = [value]
    return found


def query_parameters(
    declared: Declared, *, wanted: Container[str], defaults: Mapping[str, Any], strict: bool, others: Iterable[str]
) -> Query:
    """Compile an operation's query; raises Refused.

    ``wanted`` are the handler's arguments; ``others`` are the names of API keys.
    """
    parameters = declared.of("query")
    operation = declared.operation
    if operation.uri_parser_class not in _PARSERS:
        raise Refused(f"the URI parser {operation.uri_parser_class.__name__}")
    simple = operation.uri_parser_class in (OpenAPIURIParser, Swagger2URIParser)
    native = simple and not any(parameter.schema["type"] == "object" for parameter in parameters)
    make = _reader if native else _parsed
    return Query(
        [make(declared, parameter, wanted) for parameter in parameters],
        required=[parameter.name for parameter in parameters if parameter.required and not parameter.nullable],
        defaults=defaults,
        strict=strict,
        known=[*(parameter.name for parameter in parameters), *others],
        parser=None if native else operation.uri_parser_class(operation.parameters, operation.body_definition()),
    )


def _reader(declared: Declared, parameter: Parameter, wanted: Container[str]) -> Reader:
    argument = _wanted(declared, parameter, wanted)
    if parameter.schema["type"] == "array":
        split = declared.splitting(parameter)
        return Array(parameter.name, argument, split.accepts, split)
    cast = cast_of(parameter.schema)
    return Scalar(
        parameter.name, argument, check(parameter.schema, declared.dialects.parameters), cast, parameter.nullable
    )


def _parsed(declared: Declared, parameter: Parameter, wanted: Container[str]) -> Reader:
    schema = parameter.schema
    if schema["type"] == "array":
        cast_of(schema.get("items") or {})
    elif schema["type"] != "object":
        cast_of(schema)
    return Parsed(parameter.name, _wanted(declared, parameter, wanted), acceptor(schema, declared.dialects.parameters))


def _wanted(declared: Declared, parameter: Parameter, wanted: Container[str]) -> str | None:
    argument = declared.argument(parameter.name)
    return argument if argument in wanted else None
