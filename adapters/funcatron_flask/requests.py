"""Requests made of arguments: what a view is called with where there is no request, or none any more.

Source: PEP 3333 (environ), CloudEvents 1.0 HTTP binding, binary mode (the ``ce-`` headers of an event).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from werkzeug.datastructures import FileStorage, Headers, MultiDict
from werkzeug.test import EnvironBuilder

from funcatron.binding import is_json
from funcatron.codec import Upload, encode_json
from funcatron.event import CloudEvent
from funcatron.spec.operation import Operation, Parameter
from funcatron.types import MISSING, Location
from funcatron_flask.routes import Route, text_of

__all__ = ["RequestMaker"]

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
_OWN = frozenset({"content-length", "content-type", "transfer-encoding", "connection", "expect", "prefer", "host"})
"""Headers that belong to the message that a call came with, and not to the call."""


class RequestMaker:
    """Makes requests for one operation; ``names`` are its arguments by location and name, ``body`` its body's."""

    def __init__(
        self, operation: Operation, route: Route, names: Mapping[tuple[Location, str], str], body: str | None
    ) -> None:
        self._operation = operation
        self._route = route
        self._names = names
        self._body = body

    def environ(
        self, arguments: Mapping[str, Any], headers: Mapping[str, str], event: CloudEvent | None = None
    ) -> dict[str, Any]:
        """Return the environ of a request with these arguments; ``headers`` are in lower case."""
        host = headers.get("host")
        sent = Headers([(name, value) for name, value in headers.items() if name not in _OWN])
        if event is not None:
            sent.extend(_headers_of(event))
        for parameter, value in self._given("header", arguments):
            sent.set(parameter.name, _joined(value))
        if cookies := [f"{p.name}={_joined(value)}" for p, value in self._given("cookie", arguments)]:
            sent.set("Cookie", "; ".join([*filter(None, [headers.get("cookie")]), *cookies]))
        builder = EnvironBuilder(
            path=self._path(arguments),
            query_string=urlencode(self._query(arguments)),
            method=self._operation.method.upper(),
            base_url=None if host is None else f"http://{host}/",
            headers=sent,
            **self._content(arguments, headers),
        )
        try:
            return builder.get_environ()
        finally:
            builder.close()

    def _given(self, location: Location, arguments: Mapping[str, Any]) -> Iterator[tuple[Parameter, Any]]:
        for parameter in self._operation.parameters:
            name = self._names.get((location, parameter.name))
            if parameter.location == location and name is not None and arguments.get(name) is not None:
                yield parameter, arguments[name]

    def _path(self, arguments: Mapping[str, Any]) -> str:
        """Fill in the path: the document's parameters stand where the rule's variable parts do, by their order."""
        path = self._operation.route or "/"
        converters = dict(zip(_parameters(path), self._route.converters.values(), strict=True))
        for parameter, value in self._given("path", arguments):
            text = quote(text_of(value, converters.get(parameter.name)), safe="/" if _spans(parameter) else "")
            path = path.replace("{" + parameter.name + "}", text)
        return path

    def _query(self, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [pair for parameter, value in self._given("query", arguments) for pair in _pairs(parameter, value)]

    def _content(self, arguments: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
        """Return the body and its type, as EnvironBuilder takes them."""
        value = MISSING if self._body is None else arguments.get(self._body, MISSING)
        if value is MISSING:
            return {}
        content_type = headers.get("content-type") or self._usual_type(value)
        bare = content_type.partition(";")[0].strip().lower()
        if isinstance(value, Mapping) and (bare == MULTIPART or _has_files(value)):
            return {"data": MultiDict(_fields(value)), "content_type": MULTIPART}
        if isinstance(value, Mapping) and bare == FORM:
            return {"data": urlencode(_texts(value)), "content_type": FORM}
        return {"input_stream": io.BytesIO(_bytes(value, bare)), "content_type": content_type}

    def _usual_type(self, value: Any) -> str:
        declared = (
            [] if self._operation.body is None else [key for key in self._operation.body.content if "*" not in key]
        )
        if isinstance(value, Mapping) and _has_files(value):
            return MULTIPART
        if isinstance(value, (bytes, bytearray)):
            return next(
                (key for key in declared if key not in (FORM, MULTIPART) and not is_json(key)),
                "application/octet-stream",
            )
        return next(filter(is_json, declared), declared[0] if declared else "application/json")


def _parameters(template: str) -> list[str]:
    return [part.partition("}")[0] for part in template.split("{")[1:]]


def _spans(parameter: Parameter) -> bool:
    return parameter.schema.get("format") == "path"


def _pairs(parameter: Parameter, value: Any) -> Iterable[tuple[str, str]]:
    """Yield a query parameter as its style has it (OpenAPI 3.0.3, section 4.7.12.3)."""
    if isinstance(value, Mapping):
        deep = parameter.style == "deepObject"
        for member, item in value.items():
            name = f"{parameter.name}[{member}]" if deep else str(member)
            yield from ((name, _text(one)) for one in (item if isinstance(item, list) else [item]))
    elif isinstance(value, list) and parameter.explode:
        yield from ((parameter.name, _text(item)) for item in value)
    else:
        between = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}.get(parameter.style, ",")
        yield parameter.name, _joined(value, between)


def _joined(value: Any, between: str = ",") -> str:
    return between.join(map(_text, value)) if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return encode_json(value).decode().strip('"')


def _bytes(value: Any, bare: str) -> bytes:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, str) and not is_json(bare):
        return value.encode()
    return encode_json(value)


def _has_files(value: Mapping[str, Any]) -> bool:
    return any(
        isinstance(one, Upload) for item in value.values() for one in (item if isinstance(item, list) else [item])
    )


def _fields(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        for one in item if isinstance(item, list) else [item]:
            yield name, _file(one) if isinstance(one, Upload) else _text(one)


def _file(upload: Upload) -> FileStorage:
    upload.file.seek(0)
    return FileStorage(io.BytesIO(upload.file.read()), upload.filename, content_type=upload.content_type)


def _texts(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, _text(one)) for name, item in value.items() for one in (item if isinstance(item, list) else [item])]


def _headers_of(event: CloudEvent) -> Iterator[tuple[str, str]]:
    for name, value in event.to_json().items():
        if name not in ("data", "data_base64", "datacontenttype") and isinstance(value, (str, int, float)):
            yield f"ce-{name}", quote(str(value), safe=" !#$&'()*+,/:;=?@[]~")
