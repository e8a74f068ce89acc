"""From an operation of connexion to its plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connexion.decorators.parameter import get_arguments, pythonic, sanitized
from connexion.jsonifier import Jsonifier
from connexion.operations import AbstractOperation
from connexion.utils import is_nullable

from funcatron.http.plan.body import Content, Json, by_media_type
from funcatron.http.plan.declared import Declared
from funcatron.http.plan.handler import Handler, Names
from funcatron.http.plan.headers import header_parameters
from funcatron.http.plan.path import path_parameters
from funcatron.http.plan.plan import Plan
from funcatron.http.plan.query import query_parameters
from funcatron.http.plan.refusal import Refused
from funcatron.http.plan.response import Responses
from funcatron.http.plan.returned import Returned
from funcatron.http.plan.schema import REQUESTS, acceptor
from funcatron.http.plan.security import api_keys_in_query, verification

__all__ = ["Options", "compile_plan"]

_JSON_TYPES = ("application/json",)


@dataclass(frozen=True, slots=True)
class Options:
    """What an API was added to connexion with, as far as it changes how operations are served."""

    jsonifier: Jsonifier = field(default_factory=Jsonifier)
    pythonic_params: bool = False
    strict_validation: bool = False
    validate_responses: bool = False
    validators: bool = False
    security_map: Mapping[str, Any] | None = None

    @property
    def sanitize(self) -> Callable[[str], str]:
        """Connexion's way from a parameter's name to an argument's."""
        return pythonic if self.pythonic_params else sanitized  # type: ignore[no-any-return]


def compile_plan(operation: AbstractOperation, base_path: str, names: list[str], options: Options) -> Plan:
    """Return the plan of an operation whose path has these router names; raises Refused."""
    if options.validators:
        raise Refused("validators of the application's own")
    if operation.method.upper() == "TRACE":
        raise Refused("the method TRACE")
    handler = Handler(operation.function)
    declared = Declared(operation, options.sanitize)
    contents, argument = _body(operation, declared, handler.names)
    defaults = _defaults(operation, handler.names, options.sanitize, argument)
    _distinct(declared, names, handler.names, argument)
    return Plan(
        operation=operation,
        base_path=base_path,
        path=path_parameters(declared, names, operation.get_path_parameter_types()),
        query=query_parameters(
            declared,
            wanted=handler.names,
            defaults=defaults,
            strict=options.strict_validation,
            others=api_keys_in_query(operation),
        ),
        headers=header_parameters(declared) or None,
        contents=contents,
        body_argument=argument,
        verify=verification(operation, options.security_map),
        handler=handler,
        responses=Responses(operation, options.jsonifier, validate=options.validate_responses),
        returned=Returned(operation, options.jsonifier, validate=options.validate_responses),
    )


def _body(
    operation: AbstractOperation, declared: Declared, names: Names
) -> tuple[dict[bytes, Content] | None, str | None]:
    """Return how bodies are read, None where there is none, and the argument for them, None if it is not wanted."""
    if not operation.request_body:
        return None, None
    contents = {essence: _content(operation, essence) for essence in operation.consumes}
    argument = declared.argument(operation.body_name("application/json"))
    return by_media_type(contents), argument if names and argument in names else None


def _content(operation: AbstractOperation, essence: str) -> Content:
    if essence not in _JSON_TYPES and not (essence.startswith("application/") and essence.endswith("+json")):
        raise Refused(f"a body of type {essence}")
    schema = operation.body_schema(essence)
    return Json(acceptor(schema, REQUESTS), bool(is_nullable(operation.body_definition(essence))))


def _defaults(
    operation: AbstractOperation, names: Names, sanitize: Callable[[str], str], body: str | None
) -> dict[str, Any]:
    """Return the arguments that connexion fills in where a query says nothing."""
    try:
        found: dict[str, Any] = get_arguments(
            operation,
            path_params={},
            query_params={},
            body=None,
            files={},
            arguments=[*names.named],
            has_kwargs=names.every,
            sanitize=sanitize,
            content_type="application/json",
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refused(f"a default that connexion fails on: {error}") from error
    return {sanitize(name): value for name, value in found.items() if name != body}


def _distinct(declared: Declared, names: list[str], wanted: Names, body: str | None) -> None:
    arguments = [declared.argument(name) for name in names]
    arguments += [declared.argument(parameter.name) for parameter in declared.of("query")]
    arguments += [body] if body is not None else []
    if len(set(arguments)) < len(arguments):
        raise Refused("two parameters become one argument")
