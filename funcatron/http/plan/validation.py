"""connexion's validation of requests, asked directly: what it says where a plan does not accept.

Everything here tells a problem only where connexion's own stack is certain to tell the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from connexion.exceptions import BadRequestProblem
from connexion.json_schema import format_error_with_path
from connexion.operations import AbstractOperation
from connexion.utils import is_null, is_nullable
from connexion.validators.parameter import ParameterValidator
from jsonschema import Draft4Validator
from starlette.types import Scope

from funcatron.http.plan.corrections import CorrectedParameterValidator
from funcatron.http.plan.schema import Dialect
from funcatron.http.plan.security import api_keys_in_query
from funcatron.http.plan.wording import FirstError, first_error

__all__ = ["CorrectedParameterValidation", "JsonValidation", "ParameterValidation"]


class ParameterValidation(ParameterValidator):  # type: ignore[misc]
    """connexion's validator of one operation's parameters; its validators of values are made once."""

    formats = Draft4Validator.FORMAT_CHECKER

    def __init__(self, operation: AbstractOperation, *, strict: bool) -> None:
        super().__init__(
            operation.parameters,
            uri_parser=operation.uri_parser_class(operation.parameters, operation.body_definition()),
            strict_validation=strict,
            security_query_params=api_keys_in_query(operation),
        )
        self._values: dict[int, Draft4Validator] = {}

    def problem(self, scope: Scope) -> BadRequestProblem | None:
        """Return what connexion says of a request whose scope is that behind its routing."""
        try:
            self.validate(scope)
        except BadRequestProblem as problem:
            return problem
        except Exception:  # noqa: BLE001 - connexion's stack fails too, and in its own way
            return None
        return None

    def validate_parameter(
        self, parameter_type: str, value: Any, param: Mapping[str, Any], param_name: str | None = None
    ) -> str | None:
        """Return what is wrong with a value, as connexion's function of this name does."""
        if value is None or (is_nullable(param) and is_null(value)):
            said: str | None = super().validate_parameter(parameter_type, value, param)
            return said
        validator = self._values.get(id(param))
        if validator is None:
            schema = param.get("schema", param)
            validator = self._values[id(param)] = Draft4Validator(schema, format_checker=self.formats)
        return next((str(error) for error in validator.iter_errors(value)), None)


class CorrectedParameterValidation(ParameterValidation, CorrectedParameterValidator):
    """The same of the corrected validator, whose validators of values are made every time."""

    formats = CorrectedParameterValidator.formats
    validate_parameter = CorrectedParameterValidator.validate_parameter


class JsonValidation:
    """connexion's validation of one operation's JSON bodies, in UTF-8."""

    def __init__(self, schema: Mapping[str, Any], dialect: Dialect, *, nullable: bool) -> None:
        self._schema = schema
        self._dialect = dialect
        self._nullable = nullable

    @cached_property
    def _first_error(self) -> FirstError:
        return first_error(self._schema, self._dialect)

    @cached_property
    def _python(self) -> Any:
        return self._dialect.validator(self._schema, format_checker=self._dialect.formats)

    def problem(self, value: Any) -> BadRequestProblem | None:
        """Return what connexion says of a body that msgspec decoded: it is JSON, so Rust sees it as Python does."""
        return self._said(value, self._first_error)

    def problem_of_text(self, content: bytes) -> BadRequestProblem | None:
        """Return what connexion says of a body as it came.

        Python decodes what is no JSON, too, such as infinity, which Rust takes for null: so Python alone judges it.
        """
        try:
            text = content.decode()
            value = json.loads(text) if text else None
        except json.JSONDecodeError as error:
            return BadRequestProblem(detail=str(error))
        except (ValueError, RecursionError):
            return None
        return self._said(value, lambda value: next(self._python.iter_errors(value), None))

    def _said(self, value: Any, first: FirstError) -> BadRequestProblem | None:
        if value is None:
            return None if self._nullable else BadRequestProblem("Request body must not be empty")
        try:
            error = first(value)
        except Exception:  # noqa: BLE001 - as above
            return None
        return error and BadRequestProblem(detail=f"{error.message}{format_error_with_path(error)}")
