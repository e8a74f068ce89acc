"""The parameters that an operation declares, as connexion reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connexion.operations import AbstractOperation, Swagger2Operation
from connexion.uri_parsing import OpenAPIURIParser, Swagger2URIParser
from connexion.utils import is_nullable

from funcatron.http.plan.refusal import Refused
from funcatron.http.plan.schema import STOCK, Dialects
from funcatron.http.plan.styles import Splitting, openapi_splitting, swagger_splitting

__all__ = ["Declared", "Parameter"]

_PARSED_BY_NAME = ("query", "path", "formData")
"""connexion finds the definitions of these by name alone."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; ``schema`` is its schema in OpenAPI 3, the parameter itself in 2.0."""

    name: str
    location: str
    required: bool
    nullable: bool
    definition: Mapping[str, Any]
    schema: Mapping[str, Any]


class Declared:
    """An operation's parameters, each once, and the names of the arguments that they become.

    ``sanitize`` is connexion's, with or without ``pythonic_params``; ``dialects`` are how values are judged.
    """

    def __init__(
        self, operation: AbstractOperation, sanitize: Callable[[str], str], dialects: Dialects = STOCK
    ) -> None:
        self.operation = operation
        self.dialects = dialects
        self._sanitize = sanitize
        self._parameters = _once(operation.parameters)
        self._refuse_foreign_parser()

    def of(self, location: str) -> list[Parameter]:
        """Return the parameters in ``query``, ``path``, ``header`` or ``cookie``."""
        return [parameter for parameter in self._parameters if parameter.location == location]

    def argument(self, name: str) -> str:
        """Return what a handler calls the parameter; connexion cleans a name twice."""
        argument = self._sanitize(name)
        if not argument or self._sanitize(argument) != argument:
            raise Refused(f"no argument can be made of the name {name}")
        return argument

    def _refuse_foreign_parser(self) -> None:
        """Connexion's parsers look for types where their own version of OpenAPI has them."""
        parser = self.operation.uri_parser_class
        foreign = (parser is OpenAPIURIParser) == isinstance(self.operation, Swagger2Operation)
        if foreign and any(parameter.location in _PARSED_BY_NAME for parameter in self._parameters):
            raise Refused(f"the URI parser {parser.__name__}, which is made for another version of OpenAPI")

    def splitting(self, parameter: Parameter) -> Splitting:
        """Return how an array is written; raises Refused."""
        parser = self.operation.uri_parser_class
        if parser is OpenAPIURIParser:
            return openapi_splitting(
                parameter.definition, parameter.schema, parameter.location, self.dialects.parameters
            )
        if parser is Swagger2URIParser:
            return swagger_splitting(parameter.definition, self.dialects.parameters)
        raise Refused(f"the URI parser {parser.__name__}")


def _once(definitions: Sequence[Mapping[str, Any]]) -> list[Parameter]:
    """Connexion repeats a path's own parameters, once for each of its middlewares."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for definition in definitions:
        key = (definition["in"], definition["name"])
        if found.setdefault(key, definition) != definition:
            raise Refused(f"the {key[0]} parameter {key[1]} is declared twice, differently")
    by_name: dict[str, Mapping[str, Any]] = {}
    for (location, name), definition in found.items():
        if location in _PARSED_BY_NAME and by_name.setdefault(name, definition) is not definition:
            raise Refused(f"two parameters are called {name}")
    return [_parameter(definition) for definition in found.values() if definition["in"] not in ("body", "formData")]


def _schema_of(definition: Mapping[str, Any]) -> dict[str, Any]:
    """In OpenAPI 2.0 a parameter is its own schema, but for ``required``, which speaks of objects in a schema."""
    return {key: value for key, value in definition.items() if key != "required"}


def _parameter(definition: Mapping[str, Any]) -> Parameter:
    schema = definition["schema"] if "schema" in definition else _schema_of(definition)
    if "content" in definition or not isinstance(schema.get("type"), str):
        raise Refused(f"the {definition['in']} parameter {definition['name']} has no schema with a type")
    nullable = bool(is_nullable(definition))
    if definition["in"] in _PARSED_BY_NAME and nullable != bool(is_nullable(definition.get("schema", definition))):
        raise Refused(f"the parameter {definition['name']} is nullable in one place and not in the other")
    return Parameter(
        definition["name"], definition["in"], bool(definition.get("required")), nullable, definition, schema
    )
