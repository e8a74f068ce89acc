"""From an operation of connexion to its plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connexion.decorators.parameter import get_arguments, pythonic, sanitized
from connexion.jsonifier import Jsonifier
from connexion.operations import AbstractOperation, Swagger2Operation

from funcatron.calls import Calls
from funcatron.http.plan.contents import Contents
from funcatron.http.plan.context import routing_of
from funcatron.http.plan.corrections import VALIDATORS
from funcatron.http.plan.declared import Declared
from funcatron.http.plan.handler import Handler, Names
from funcatron.http.plan.headers import header_parameters
from funcatron.http.plan.media import Bodiless
from funcatron.http.plan.path import PathParameters, path_parameters
from funcatron.http.plan.plan import Plan, Stage
from funcatron.http.plan.query import query_parameters
from funcatron.http.plan.refusal import Refused
from funcatron.http.plan.response import Responses
from funcatron.http.plan.returned import Returned
from funcatron.http.plan.schema import CORRECTED, STOCK, Dialects
from funcatron.http.plan.security import api_keys_in_query, verification
from funcatron.http.plan.validation import CorrectedParameterValidation, ParameterValidation

__all__ = ["Options", "compile_plan", "plan_operation"]


@dataclass(frozen=True, slots=True)
class Options:
    """What an API was added to connexion with, as far as it changes how operations are served."""

    jsonifier: Jsonifier = field(default_factory=Jsonifier)
    pythonic_params: bool = False
    strict_validation: bool = False
    validate_responses: bool = False
    validators: bool = False
    security_map: Mapping[str, Any] | None = None
    calls: Calls | None = None
    dialects: Dialects = STOCK

    @property
    def sanitize(self) -> Callable[[str], str]:
        """Connexion's way from a parameter's name to an argument's."""
        return pythonic if self.pythonic_params else sanitized  # type: ignore[no-any-return]


def plan_operation(
    operation: AbstractOperation,
    base_path: str,
    places: list[str],
    settings: Mapping[str, Any],
    *,
    calls: Calls | None = None,
) -> Plan:
    """Return the plan of an operation of an API that was added to connexion with these settings; raises Refused.

    ``calls`` has the threads for handlers that are not async, None for starlette's.
    """
    validators = settings.get("validator_map")
    options = Options(
        jsonifier=settings.get("jsonifier") or Jsonifier(),
        pythonic_params=bool(settings.get("pythonic_params")),
        strict_validation=bool(settings.get("strict_validation")),
        validate_responses=bool(settings.get("validate_responses")),
        validators=bool(validators) and validators is not VALIDATORS,
        dialects=CORRECTED if validators is VALIDATORS else STOCK,
        security_map=settings.get("security_map"),
        calls=calls,
    )
    return compile_plan(operation, base_path, places, options)


def compile_plan(operation: AbstractOperation, base_path: str, places: list[str], options: Options) -> Plan:
    """Return the plan of an operation whose path has these router names in ``places``; raises Refused."""
    if options.validators:
        raise Refused("validators of the application's own")
    if operation.method.upper() == "TRACE":
        raise Refused("the method TRACE")
    handler = Handler(operation.function, options.calls)
    declared = Declared(operation, options.sanitize, options.dialects)
    names = handler.names
    argument = declared.argument(operation.body_name("application/json")) if operation.request_body else None
    argument = argument if names and argument in names else None
    _distinct(declared, places, argument)
    path = path_parameters(declared, places, operation.get_path_parameter_types())
    return Plan(
        operation=operation,
        routing=routing_of(operation, base_path),
        path=path,
        stages=_stages(path, declared, names, options, argument),
        parameters=_validation(options)(operation, strict=options.strict_validation),
        contents=_contents(operation, names, options, argument) if operation.request_body else None,
        verify=verification(operation, options.security_map),
        handler=handler,
        responses=Responses(operation, options.jsonifier, validate=options.validate_responses),
        returned=Returned(operation, options.jsonifier, validate=options.validate_responses),
    )


def _stages(
    path: PathParameters, declared: Declared, names: Names, options: Options, argument: str | None
) -> tuple[Stage, ...]:
    """Return what is read before the body: nothing for parameters that the operation does not have."""
    operation = declared.operation
    query = query_parameters(
        declared,
        wanted=names,
        defaults=_defaults(operation, names, options.sanitize, argument),
        strict=options.strict_validation,
        others=api_keys_in_query(operation),
    )
    headers = header_parameters(declared)
    stages: list[Stage] = [stage for stage in (path, query, headers) if stage]
    if not operation.request_body:
        stages.append(Bodiless(json=not operation.consumes or "application/json" in operation.consumes))
    return tuple(stages)


def _contents(operation: AbstractOperation, names: Names, options: Options, argument: str | None) -> Contents:
    strict = options.strict_validation
    requests = options.dialects.requests
    return Contents(operation, names, options.sanitize, argument=argument, strict=strict, dialect=requests)


def _validation(options: Options) -> type[ParameterValidation]:
    return CorrectedParameterValidation if options.dialects.corrected else ParameterValidation


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
    if isinstance(operation, Swagger2Operation):  # a form's fields are arguments there
        queried = {sanitize(parameter["name"]) for parameter in operation.parameters if parameter["in"] == "query"}
        found = {name: value for name, value in found.items() if name in queried}
    return {sanitize(name): value for name, value in found.items() if name != body}


def _distinct(declared: Declared, places: list[str], body: str | None) -> None:
    arguments = [declared.argument(name) for name in places]
    arguments += [declared.argument(parameter.name) for parameter in declared.of("query")]
    arguments += [body] if body is not None else []
    if len(set(arguments)) < len(arguments):
        raise Refused("two parameters become one argument")
