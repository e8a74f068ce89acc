"""Routes: what an application's URL map says, in OpenAPI's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.routing import BaseConverter, FloatConverter, IntegerConverter, Rule, UUIDConverter
from werkzeug.routing.converters import AnyConverter, NumberConverter, PathConverter, UnicodeConverter

__all__ = ["Route", "routes_of", "shape", "text_of"]

METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "TRACE")
"""Methods that become functions. HEAD goes with GET; OPTIONS is the application's own."""
_VARIABLE = re.compile(r"<(?:[a-zA-Z_]\w*(?:\((?:[^()\"']|\"[^\"]*\"|'[^']*')*\))?:)?([a-zA-Z_]\w*)>")
_PARAMETER = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One method of one rule: ``template`` is its path as OpenAPI has it, such as ``/users/{id}``."""

    method: str
    template: str
    rule: Rule

    @property
    def endpoint(self) -> str:
        """The view's name in the application: ``blog.index``."""
        return str(self.rule.endpoint)

    def __str__(self) -> str:
        return f"{self.method} {self.template}"

    def schema(self, name: str) -> dict[str, Any]:
        """Return the schema of a variable part, as its converter has it."""
        return _schema(self.converters[name])

    @property
    def converters(self) -> dict[str, BaseConverter]:
        """The variable parts and their converters, in the order of the path."""
        return {name: self.rule._converters[name] for name in _VARIABLE.findall(self.rule.rule)}  # noqa: SLF001 - Werkzeug has no other way


def routes_of(app: Flask) -> Iterator[Route]:
    """Yield every route that a view answers, in the order in which the application added them; files are left out."""
    for rule in app.url_map.iter_rules():
        if rule.build_only or rule.websocket or rule.redirect_to is not None or _is_static(rule):
            continue
        template = _VARIABLE.sub(r"{\1}", rule.rule)
        for method in METHODS:
            if method in (rule.methods or METHODS):
                yield Route(method, template, rule)


def shape(template: str) -> str:
    """Return what OpenAPI tells paths apart by: a template without the names of its parameters."""
    return _PARAMETER.sub("{}", template)


def text_of(value: Any, converter: BaseConverter | None) -> str:
    """Return the value of a variable part as a URL has it, not quoted yet."""
    if isinstance(converter, NumberConverter):
        return converter.to_url(value)
    return str(value)


def _is_static(rule: Rule) -> bool:
    endpoint = str(rule.endpoint)
    return endpoint == "static" or endpoint.endswith(".static")


def _schema(converter: BaseConverter) -> dict[str, Any]:
    match converter:
        case IntegerConverter() | FloatConverter():
            return _number(converter)
        case UUIDConverter():
            return {"type": "string", "format": "uuid"}
        case PathConverter():
            return {"type": "string", "format": "path"}
        case AnyConverter():
            return {"type": "string", "enum": sorted(converter.items)}
        case UnicodeConverter():
            return {"type": "string", "minLength": 1}
    return {"type": "string"}


def _number(converter: NumberConverter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer" if isinstance(converter, IntegerConverter) else "number"}
    low = converter.min if converter.min is not None or converter.signed else 0
    if low is not None:
        schema["minimum"] = low
    if converter.max is not None:
        schema["maximum"] = converter.max
    return schema
