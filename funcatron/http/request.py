"""From an HTTP request to a function's arguments: parameters of every location and style, and the body.

Everything that depends on the operation alone is compiled once, at start. What cannot be decoded is a violation;
whether the rest is valid is the Binder's to say, as on every door.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import UploadFile
from starlette.types import Receive, Scope

from funcatron.binding import Slot, is_json
from funcatron.errors import InvalidInput, Violation
from funcatron.http.body import BodyReader
from funcatron.http.content import read_json
from funcatron.http.paths import PathTemplate
from funcatron.http.shapes import shape_of
from funcatron.http.stream import RequestStream
from funcatron.http.styles import DECODERS, Pairs, Read, compile_reader, pairs_of
from funcatron.registry import Function
from funcatron.settings import Limits
from funcatron.spec.lowering import route_names
from funcatron.spec.operation import Parameter
from funcatron.types import MISSING, Location

__all__ = ["Decoded", "RequestDecoder", "header_map"]


@dataclass(slots=True)
class Decoded:
    """What a request says: arguments by name, the body's media type, and what could not be decoded.

    ``files`` are to be closed when the call is over. ``rest`` is the ASGI ``receive`` of who waits for the client to go
    away, where the body is read by the handler.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    media_type: str | None = None
    violations: list[Violation] = field(default_factory=list)
    files: list[UploadFile] = field(default_factory=list)
    rest: Receive | None = None

    def close(self) -> None:
        """Release the uploaded files."""
        for file in self.files:
            file.file.close()


@dataclass(frozen=True, slots=True)
class _Reader:
    """One parameter's way from the wire to its argument."""

    argument: str
    pointer: str
    read: Read


class RequestDecoder:
    """Decodes requests of one function."""

    def __init__(self, function: Function, limits: Limits) -> None:
        operation, binder = function.operation, function.binder
        self._limit = limits.body
        spans = any(p.location == "path" and p.schema.get("format") == "path" for p in operation.parameters)
        self._path = PathTemplate(operation.route or "/", route_names(operation.path), spans=spans)
        self._readers: dict[Location, list[_Reader]] = {"path": [], "query": [], "header": [], "cookie": []}
        for parameter in operation.parameters:
            argument = binder.arguments.get((parameter.location, parameter.name))
            if argument is not None:
                read = _compile(function, parameter)
                self._readers[parameter.location].append(_Reader(argument, _pointer(parameter), read))
        self._routed = {
            router_name: binder.arguments["path", name]
            for router_name, name in route_names(operation.path).items()
            if ("path", name) in binder.arguments
        }
        self._body_argument = binder.body_argument
        form = "value" if binder.loader is None else binder.loader.form
        body = operation.body
        self.body = None if body is None else BodyReader(operation.document, body, limits, form)

    @property
    def has_whole_segments(self) -> bool:
        """Whether each parameter of the path is all of one segment, and stands once."""
        return self._path.has_whole_segments

    def routed(self, slots: Iterable[Slot]) -> list[tuple[str, Slot]]:
        """Return the path's parameters, each with the router's name for it."""
        by_argument = {slot.name: slot for slot in slots}
        return [(name, by_argument[argument]) for name, argument in self._routed.items()]

    def values(self, location: Location, scope: Scope, headers: Mapping[str, str]) -> dict[str, Any]:
        """Return the arguments of one location; raises InvalidInput and UnicodeDecodeError."""
        pairs = self._pairs(location, scope, headers)
        return {reader.argument: reader.read(pairs) for reader in self._readers[location]}

    async def decode(
        self, scope: Scope, receive: Receive, headers: Mapping[str, str], *, at_once: bool = False
    ) -> Decoded:
        """Return what the request says; ``headers`` come from ``header_map``, ``at_once`` is BodyReader's.

        Raises Problem 413 or 415 for a body that is not accepted, ClientDisconnect.
        """
        decoded = Decoded()
        for location, readers in self._readers.items():
            if readers:
                self._parameters(location, readers, scope, headers, decoded)
        if self._routed:  # for handlers that ask connexion.request
            arguments = decoded.arguments
            scope["path_params"] = {name: arguments[key] for name, key in self._routed.items() if key in arguments}
        if self.body is not None and self._body_argument is not None:
            try:
                stream = RequestStream(receive, headers, self._limit)
                body = await self.body.read(stream, headers, at_once=at_once)
            except InvalidInput as invalid:
                decoded.violations += invalid.violations
            else:
                decoded.media_type, decoded.files, decoded.rest = body.media_type, body.files, body.rest
                if body.value is not MISSING:
                    decoded.arguments[self._body_argument] = body.value
        return decoded

    def _parameters(
        self, location: Location, readers: list[_Reader], scope: Scope, headers: Mapping[str, str], decoded: Decoded
    ) -> None:
        try:
            pairs = self._pairs(location, scope, headers)
        except UnicodeDecodeError as error:
            decoded.violations.append(Violation(f"/{location}", f"is not UTF-8: {error.reason}"))
            return
        for reader in readers:
            try:
                value = reader.read(pairs)
            except UnicodeDecodeError as error:
                decoded.violations.append(Violation(reader.pointer, f"is not UTF-8: {error.reason}"))
            except InvalidInput as invalid:
                decoded.violations += invalid.violations
            else:
                if value is not MISSING:
                    decoded.arguments[reader.argument] = value

    def _pairs(self, location: Location, scope: Scope, headers: Mapping[str, str]) -> Pairs:
        match location:
            case "query":
                query: bytes = scope["query_string"]
                return pairs_of(query.decode()) if query else {}
            case "path":
                return self._path.match(scope)
            case "header":
                return {name: [value] for name, value in headers.items()}
            case "cookie":
                return cookie_pairs(headers.get("cookie", ""))


def _compile(function: Function, parameter: Parameter) -> Read:
    name = parameter.name.lower() if parameter.location == "header" else parameter.name
    decode = DECODERS[parameter.location]
    if parameter.media_type is not None:
        return _content_reader(name, _pointer(parameter), parameter.media_type, decode)
    shape = shape_of(function.operation.document, parameter.schema)
    others = {p.name for p in function.operation.parameters if p.location == parameter.location} - {parameter.name}
    read = compile_reader(name, parameter.style, shape, explode=parameter.explode, decode=decode, others=others)
    if parameter.allow_empty and shape.kinds and "string" not in shape.kinds:
        return _flag(name, read)
    return read


def _content_reader(name: str, pointer: str, media_type: str, decode: Any) -> Read:
    """``content`` instead of ``schema``: the text is a whole document of that media type."""

    def read(pairs: Pairs) -> Any:
        texts = pairs.get(name)
        if not texts:
            return MISSING
        text = decode(texts[-1])
        return read_json(text.encode(), pointer) if is_json(media_type) else text

    return read


def _flag(name: str, read: Read) -> Read:
    """``allowEmptyValue``: an empty text that cannot be a value counts as not given."""
    return lambda pairs: MISSING if pairs.get(name) == [""] else read(pairs)


def _pointer(parameter: Parameter) -> str:
    return f"/{parameter.location}/" + parameter.name.replace("~", "~0").replace("/", "~1")


def header_map(scope: Scope) -> dict[str, str]:
    """Return the request's headers by name in lower case; several of one name are joined (RFC 9110 section 5.3).

    A value that is not UTF-8 is read as ISO 8859-1.
    """
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        try:
            value = raw_value.decode()
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1")
        if name in headers:
            value = headers[name] + ("; " if name == "cookie" else ", ") + value
        headers[name] = value
    return headers


def cookie_pairs(header: str) -> dict[str, list[str]]:
    """Return the cookies of a Cookie header (RFC 6265 section 5.4), values without their quotes."""
    pairs: dict[str, list[str]] = {}
    for part in header.split(";"):
        name, separator, value = part.partition("=")
        if separator and name.strip():
            pairs.setdefault(name.strip(), []).append(value.strip().removeprefix('"').removesuffix('"'))
    return pairs
