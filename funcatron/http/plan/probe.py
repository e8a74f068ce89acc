"""What of connexion and starlette the plan relies on beyond their documentation, and whether it is still there.

connexion is pinned to a minor version and starlette is not connexion's to pin; so this is asked at start, and where
something is missing connexion's own stack serves.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

__all__ = ["missing"]

_NAMES = {
    "connexion.context": ("_context", "_operation", "_receive", "_scope", "context"),
    "connexion.decorators.parameter": (
        "CONTEXT_NAME",
        "_get_body_argument",
        "_get_file_arguments",
        "get_arguments",
        "pythonic",
        "sanitized",
        "unwrap_decorators",
    ),
    "connexion.decorators.response": ("AsyncResponseDecorator",),
    "connexion.exceptions": ("BadRequestProblem",),
    "connexion.frameworks.starlette": ("Starlette", "starlettify_path"),
    "connexion.json_schema": ("Draft4RequestValidator", "Draft4ResponseValidator", "format_error_with_path"),
    "connexion.middleware.abstract": ("ROUTING_CONTEXT",),
    "connexion.middleware.exceptions.ExceptionMiddleware": ("http_exception", "problem_handler"),
    "connexion.middleware.exceptions.ExceptionMiddleware.http_exception": ("__wrapped__",),
    "connexion.middleware.main": ("API",),
    "connexion.middleware.main._Options": ("replace",),
    "connexion.middleware.response_validation": ("ResponseValidationOperation",),
    "connexion.middleware.security": ("SecurityOperation",),
    "connexion.operations": ("OpenAPIOperation", "Swagger2Operation"),
    "connexion.options": ("SwaggerUIConfig",),
    "connexion.uri_parsing": ("AlwaysMultiURIParser", "FirstValueURIParser", "OpenAPIURIParser", "Swagger2URIParser"),
    "connexion.utils": ("boolean", "deep_merge", "inspect_function_arguments", "is_null", "is_nullable"),
    "connexion.validators.parameter": ("ParameterValidator",),
    "starlette.concurrency": ("run_in_threadpool",),
    "starlette.requests": ("cookie_parser",),
}
_OPERATION = (
    "body_definition",
    "body_name",
    "body_schema",
    "consumes",
    "from_spec",
    "function",
    "get_path_parameter_types",
    "method",
    "operation_id",
    "parameters",
    "produces",
    "request_body",
    "response_schema",
    "responses",
    "security",
    "security_schemes",
    "uri_parser_class",
)
_PARAMETERS = {
    "connexion.decorators.parameter.get_arguments": (
        "operation",
        "path_params",
        "query_params",
        "body",
        "files",
        "arguments",
        "has_kwargs",
        "sanitize",
        "content_type",
    ),
    "connexion.decorators.parameter._get_body_argument": (
        "body",
        "operation",
        "arguments",
        "has_kwargs",
        "sanitize",
        "content_type",
    ),
    "connexion.decorators.parameter._get_file_arguments": ("files", "arguments", "body_schema", "has_kwargs"),
    "connexion.middleware.security.SecurityOperation": (
        "next_app",
        "security_handler_factory",
        "security",
        "security_schemes",
    ),
    "connexion.middleware.exceptions.ExceptionMiddleware.http_exception": ("_request", "exc"),
    "connexion.middleware.exceptions.ExceptionMiddleware.problem_handler": ("_request", "exc"),
    "connexion.middleware.main.API": ("specification", "base_path"),
    "connexion.middleware.response_validation.ResponseValidationOperation": ("next_app", "operation"),
    "connexion.validators.parameter.ParameterValidator": (
        "parameters",
        "uri_parser",
        "strict_validation",
        "security_query_params",
    ),
    "connexion.validators.parameter.ParameterValidator.validate_parameter": ("parameter_type", "value", "param"),
    "connexion.decorators.response.AsyncResponseDecorator": ("framework", "jsonifier"),
}
_STACK = (
    "ServerErrorMiddleware",
    "ExceptionMiddleware",
    "SwaggerUIMiddleware",
    "RoutingMiddleware",
    "SecurityMiddleware",
    "RequestValidationMiddleware",
    "ResponseValidationMiddleware",
    "LifespanMiddleware",
    "ContextMiddleware",
)


def missing() -> list[str]:
    """Return what is not there, or not as it was: nothing, where the plan may be used."""
    return [
        *_missing_names(),
        *_missing_operations(),
        *_missing_parameters(),
        *_missing_order(),
        *_missing_handlers(),
    ]


def _missing_names() -> Iterator[str]:
    for module, names in _NAMES.items():
        for name in names:
            if _found(f"{module}.{name}") is None:
                yield f"{module}.{name}"


def _missing_operations() -> Iterator[str]:
    for kind in ("OpenAPIOperation", "Swagger2Operation"):
        operation = _found(f"connexion.operations.{kind}")
        for name in _OPERATION:
            if not hasattr(operation, name):
                yield f"connexion.operations.{kind}.{name}"


def _missing_parameters() -> Iterator[str]:
    for name, parameters in _PARAMETERS.items():
        found = _found(name)
        known = inspect.signature(found).parameters if callable(found) else {}
        for parameter in parameters:
            if parameter not in known:
                yield f"{name}({parameter}=)"


def _missing_order() -> Iterator[str]:
    middleware = _found("connexion.middleware.main.ConnexionMiddleware")
    order = tuple(one.__name__ for one in getattr(middleware, "default_middlewares", ()))
    if order != _STACK:
        yield "the order of connexion's middlewares"


def _missing_handlers() -> Iterator[str]:
    made = _found("connexion.middleware.exceptions.ExceptionMiddleware")
    middleware = made(None) if made is not None else None
    for name in ("_exception_handlers", "_status_handlers"):
        if not isinstance(getattr(middleware, name, None), dict):
            yield f"starlette.middleware.exceptions.ExceptionMiddleware.{name}"


def _found(name: str) -> Any:
    """Return what has this dotted name: a module's, or a class' of it."""
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        try:
            found: Any = import_module(".".join(parts[:count]))
        except ImportError:
            continue
        for attribute in parts[count:]:
            found = getattr(found, attribute, None)
        return found
    return None
