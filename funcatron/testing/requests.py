"""From a function's arguments to the HTTP request that says them: the reverse of ``funcatron.http``'s decoding.

Source: OpenAPI 3.0.3 section 4.7.12, the style table of 4.7.12.5; RFC 6570.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from funcatron.binding import find_media, is_json
from funcatron.codec import encode_json
from funcatron.registry import Function
from funcatron.spec.operation import Parameter

__all__ = ["Request", "build_request"]

_SEPARATORS = {"spaceDelimited": "%20", "pipeDelimited": "%7C", "tabDelimited": "%09"}


@dataclass(slots=True)
class Request:
    """An HTTP request, ready to be sent."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


def build_request(function: Function, arguments: Mapping[str, Any]) -> Request:
    """Return the request that carries ``arguments`` (by document or snake_case name, the body under ``body``).

    The values are not validated: an invalid argument makes an invalid request. Raises ValueError for what has no route.
    """
    operation = function.operation
    if operation.route is None:
        raise ValueError(f"{function.name} has no route: no client may call it")
    target, query, cookies = operation.route, [], []
    request = Request(operation.method.upper(), target)
    for parameter in operation.parameters:
        name = function.binder.arguments.get((parameter.location, parameter.name))
        given = arguments.get(name or parameter.name, arguments.get(parameter.name))
        if given is None:
            continue
        match parameter.location:
            case "path":
                target = target.replace("{" + parameter.name + "}", _path(parameter, given))
            case "query":
                query.append(_query(parameter, given))
            case "header":
                request.headers[parameter.name] = _simple(given, explode=parameter.explode, encode=str)
            case "cookie":
                cookies.append(_query(parameter, given).replace("&", "; "))
    if cookies:
        request.headers["Cookie"] = "; ".join(cookies)
    request.target = target + ("?" + "&".join(query) if query else "")
    _set_body(function, arguments, request)
    return request


def _set_body(function: Function, arguments: Mapping[str, Any], request: Request) -> None:
    body = function.operation.body
    if body is None:
        return
    given = arguments.get(function.binder.body_argument or "body", arguments.get("body"))
    if given is None:
        return
    media_type = find_media(body.content, None) or "application/json"
    if isinstance(given, bytes):
        request.content, media_type = given, "application/octet-stream" if "*" in media_type else media_type
    elif media_type.startswith("application/x-www-form-urlencoded"):
        request.content = urlencode({k: _text(v) for k, v in given.items()}).encode()
    elif is_json(media_type):
        request.content = encode_json(given)
    else:
        request.content = str(given).encode()
    request.headers["Content-Type"] = "application/json" if "*" in media_type else media_type


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _encode(value: Any) -> str:
    return quote(_text(value), safe="")


def _members(value: Mapping[str, Any], *, explode: bool, encode: Any) -> list[str]:
    if explode:
        return [f"{encode(key)}={encode(_text(item))}" for key, item in value.items()]
    return [part for key, item in value.items() for part in (encode(key), encode(_text(item)))]


def _simple(value: Any, *, explode: bool, encode: Any = _encode, separator: str = ",") -> str:
    if isinstance(value, Mapping):
        return separator.join(_members(value, explode=explode, encode=encode))
    if isinstance(value, list):
        return separator.join(encode(_text(item)) for item in value)
    return str(encode(_text(value)))


def _path(parameter: Parameter, value: Any) -> str:
    if parameter.media_type is not None:
        return quote(encode_json(value).decode(), safe="")
    match parameter.style:
        case "label":
            return "." + _simple(value, explode=parameter.explode, separator="." if parameter.explode else ",")
        case "matrix":
            name = quote(parameter.name, safe="")
            if parameter.explode and isinstance(value, list):
                return "".join(f";{name}={_encode(item)}" for item in value)
            if parameter.explode and isinstance(value, Mapping):
                return "".join(f";{part}" for part in _members(value, explode=True, encode=_encode))
            return f";{name}={_simple(value, explode=False)}"
    return _simple(value, explode=parameter.explode)


def _query(parameter: Parameter, value: Any) -> str:
    name = quote(parameter.name, safe="[]")
    if parameter.media_type is not None:
        return f"{name}={quote(encode_json(value).decode(), safe='')}"
    if parameter.style == "deepObject" and isinstance(value, Mapping):
        return "&".join(f"{name}[{quote(key, safe='')}]={_encode(item)}" for key, item in value.items())
    if parameter.explode and isinstance(value, list):
        return "&".join(f"{name}={_encode(item)}" for item in value)
    if parameter.explode and isinstance(value, Mapping):
        return "&".join(_members(value, explode=True, encode=_encode))
    return f"{name}={_simple(value, explode=False, separator=_SEPARATORS.get(parameter.style, ','))}"
