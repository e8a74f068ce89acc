"""What is right where connexion is plainly wrong, as validators and resolvers that connexion can be given.

The validators are connexion's own with these differences: values of headers and cookies have their types; bodies may
come in chunks, without a Content-Length; a property that is ``readOnly`` is not demanded (OpenAPI 3.0.3, Schema
Object); a body that is no text in its charset is refused, not failed on; the formats ``date-time`` (RFC 3339) and
``uuid`` are checked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import wraps
from types import SimpleNamespace
from typing import Any

from connexion.datastructures import MediaTypeDict
from connexion.exceptions import BadRequestProblem, TypeValidationError
from connexion.json_schema import Draft4RequestValidator
from connexion.operations import AbstractOperation
from connexion.resolver import Resolution, Resolver
from connexion.spec import Specification
from connexion.utils import coerce_type, is_null, is_nullable
from connexion.validators import VALIDATOR_MAP
from connexion.validators.form_data import FormDataValidator, MultiPartFormDataValidator
from connexion.validators.json import JSONRequestBodyValidator
from connexion.validators.parameter import ParameterValidator
from jsonschema import Draft4Validator, ValidationError
from jsonschema.validators import extend
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope

from funcatron.http.plan.formats import FORMATS
from funcatron.http.plan.lowered import is_read_only

__all__ = [
    "VALIDATORS",
    "CorrectedParameterValidator",
    "CorrectedRequestValidator",
    "CorrectedResolver",
    "show_as_written",
]


def _required(validator: Any, names: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    demanded = [name for name in names if not is_read_only(schema, name)]
    yield from Draft4Validator.VALIDATORS["required"](validator, demanded, instance, schema)


CorrectedRequestValidator = extend(Draft4RequestValidator, {"required": _required})
"""connexion's validator of request bodies, but for what is ``readOnly``."""


class CorrectedParameterValidator(ParameterValidator):  # type: ignore[misc]
    """connexion's validator of parameters, with types for headers and cookies, and more formats."""

    formats = FORMATS

    def validate_parameter(
        self, parameter_type: str, value: Any, param: Mapping[str, Any], param_name: str | None = None
    ) -> str | None:
        """Return what is wrong with a value, as connexion's function of this name does."""
        if value is None or (is_nullable(param) and is_null(value)):
            said: str | None = super().validate_parameter(parameter_type, value, param)
            return said
        if parameter_type in ("header", "cookie"):
            with suppress(TypeValidationError):
                value = coerce_type(param, value, "header", param["name"])
        errors = Draft4Validator(param.get("schema", param), format_checker=self.formats).iter_errors(value)
        return next((str(error) for error in errors), None)


class _Chunked:
    """Bodies without a Content-Length are there where they come in chunks (RFC 9112 section 6)."""

    async def wrap_receive(self, receive: Receive, *, scope: Scope) -> tuple[Receive, Scope]:
        """See connexion's AbstractRequestBodyValidator."""
        wrap: Any = super().wrap_receive  # type: ignore[misc]
        headers = Headers(scope=scope)
        if "content-length" in headers or "transfer-encoding" not in headers:
            found: tuple[Receive, Scope] = await wrap(receive, scope=scope)
            return found
        counted = {**scope, "headers": list(scope["headers"])}
        MutableHeaders(scope=counted)["content-length"] = "1"  # connexion asks only whether it is 0
        again, _ = await wrap(receive, scope=counted)
        return again, scope


class _CorrectedJson(_Chunked, JSONRequestBodyValidator):  # type: ignore[misc]
    @property
    def _validator(self) -> Any:
        return CorrectedRequestValidator(self._schema, format_checker=FORMATS)

    async def _parse(self, stream: Any, scope: Scope) -> Any:
        try:
            return await super()._parse(stream, scope=scope)
        except UnicodeDecodeError as error:
            raise BadRequestProblem(detail=f"The body is not {self._encoding}: {error.reason}") from error


class _CorrectedForm(_Chunked, FormDataValidator):  # type: ignore[misc]
    @property
    def _validator(self) -> Any:
        return CorrectedRequestValidator(self._schema, format_checker=FORMATS)


class _CorrectedMultipart(_Chunked, MultiPartFormDataValidator):  # type: ignore[misc]
    @property
    def _validator(self) -> Any:
        return CorrectedRequestValidator(self._schema, format_checker=FORMATS)


VALIDATORS: dict[str, Any] = {
    **VALIDATOR_MAP,
    "parameter": CorrectedParameterValidator,
    "body": MediaTypeDict({
        "*/*json": _CorrectedJson,
        "application/x-www-form-urlencoded": _CorrectedForm,
        "multipart/form-data": _CorrectedMultipart,
    }),
}  # fmt: skip
"""connexion's ``validator_map``, corrected."""


class CorrectedResolver(Resolver):  # type: ignore[misc]
    """Another resolver whose async generators are handlers, too: what they yield is streamed, with a status of 200."""

    def __init__(self, resolver: Resolver) -> None:
        super().__init__()
        self._resolver = resolver

    def resolve(self, operation: AbstractOperation) -> Resolution:
        """Return the handler of an operation."""
        found = self._resolver.resolve(operation)
        if inspect.isasyncgenfunction(found.function):
            return Resolution(_streaming(found.function, operation), found.operation_id)
        return found


def _streaming(function: Callable[..., Any], operation: AbstractOperation) -> Callable[..., Any]:
    @wraps(function)
    async def stream(*args: Any, **arguments: Any) -> StreamingResponse:
        media_type = next(iter(operation.produces), "application/octet-stream")  # not known before the handler is
        return StreamingResponse(function(*args, **arguments), media_type=media_type)

    return stream


def show_as_written(specification: Specification) -> None:
    """Have a document that contains itself shown with its references, since JSON has no other way to write it."""
    if not _contains_itself(specification.spec, frozenset(), set()):
        return
    with_base_path = specification.with_base_path

    def as_written(base_path: str) -> Any:
        """See connexion's Specification; the ``spec`` of what this returns is what ``/openapi.json`` shows."""
        return SimpleNamespace(spec=with_base_path(base_path).raw)

    specification.with_base_path = as_written


def _contains_itself(node: Any, above: frozenset[int], seen: set[int]) -> bool:
    """Whether a node leads to one of those ``above`` it, or to itself; ``seen`` are those that do not."""
    if id(node) in above:
        return True
    if not isinstance(node, Mapping | list) or id(node) in seen:
        return False
    below = node.values() if isinstance(node, Mapping) else node
    found = any(_contains_itself(one, above | {id(node)}, seen) for one in below)
    seen.add(id(node))
    return found
