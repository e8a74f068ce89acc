"""Most requests: decoded and checked in one pass, by what was compiled for one function.

What cannot be decoded so is read again with care (``request``), what is not valid is said by ``Binder.check``, as on
every door. So what is accepted here is accepted with the very same arguments, and refused in the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import DecodeError
from starlette.types import Message, Scope

from funcatron.binding import Binder, Checked, Slot, fresh
from funcatron.codec import decode_json
from funcatron.errors import Problem
from funcatron.http.body import BodyReader
from funcatron.http.request import RequestDecoder, header_map
from funcatron.http.shapes import Shape, shape_of
from funcatron.http.styles import decode_plus, pairs_of
from funcatron.registry import Function
from funcatron.spec.operation import Parameter
from funcatron.types import MISSING, Location

__all__ = ["Acceptance"]

Test: TypeAlias = Callable[[Any], bool]


class _Doubt(Exception):
    """It has to be read with care."""


_DOUBTS = (_Doubt, Problem, DecodeError, ValueError, RecursionError)
"""What reading raises where something is wrong."""
_DIGITS = 15
_MOST_MEDIA_TYPES = 64


_Text: TypeAlias = tuple[str, Slot, Callable[[str], Any] | None, Test, Test]
"""A parameter that is one text: its name on the wire; what makes a value of the text (None: it is one); a test that may
be wrong when it says False, and one that is not."""


class Acceptance:
    """Reads requests of one function; ``suits`` tells which function has one."""

    def __init__(self, function: Function, decoder: RequestDecoder, max_body: int) -> None:
        slots = function.binder.slots
        self._decoder = decoder
        self._binder = function.binder
        self._loaded = function.binder.loader is not None
        self._left_out = [slot for slot in slots if slot.parameter.location != "path"]
        self._path = [_text(function, slot, name) for name, slot in decoder.routed(slots)]
        self._texts, self._others = _sorted(function, slots)
        self._body = None if decoder.body is None else _JSONBody(function.binder, decoder.body, max_body)

    @staticmethod
    def suits(function: Function, decoder: RequestDecoder) -> bool:
        """Whether a function's requests can be read here: each path parameter must be a text, all of its segment."""
        path = [slot.parameter for slot in function.binder.slots if slot.parameter.location == "path"]
        simple = decoder.has_whole_segments and all(_is_text(function, parameter) for parameter in path)
        return simple and not function.binder.field_defaults

    @property
    def wants_body(self) -> bool:
        """Whether ``read`` has to be given the request's message."""
        return self._body is not None

    def takes(self, content_type: bytes | None) -> bool:
        """Whether a body of this Content-Type can be read here: JSON can."""
        return self._body is not None and self._body.test(content_type) is not None

    def read(
        self, scope: Scope, texts: Mapping[str, str], content_type: bytes | None, message: Message | None
    ) -> dict[str, Any] | None:
        """Return the checked arguments of a request, None where it has to be read with care.

        ``texts`` are the path's parameters as the router has them; ``message`` is the first of the body. Raises
        InvalidInput for what could be decoded and is not valid.
        """
        arguments: dict[str, Any] = Checked() if self._loaded else {}
        try:
            valid = self._read_path(scope, texts, arguments) if self._path else True
            if self._texts and (query := scope["query_string"]):
                valid = self._read_query(query, arguments) and valid
            if self._others:
                valid = self._read_others(scope, arguments) and valid
            if self._body is not None:
                valid = self._body.read(content_type, message or {}, arguments) and valid
        except _DOUBTS:
            return None
        for slot in self._left_out:
            if slot.name not in arguments:
                if slot.default is MISSING:
                    valid = valid and not slot.parameter.required
                elif valid:
                    arguments[slot.name] = fresh(slot.default)
        if valid:
            return arguments
        media_type = None if self._body is None else self._body.media_type(content_type)
        return self._binder.check(arguments, media_type=media_type)

    def _read_path(self, scope: Scope, texts: Mapping[str, str], arguments: dict[str, Any]) -> bool:
        if b"%" in (scope.get("raw_path") or b""):
            raise _Doubt("what is encoded may be data")
        valid, params = True, {}
        for name, slot, cast, accept, decide in self._path:
            text = texts[name]
            value = text if cast is None else cast(text)
            if not (accept(value) or decide(value)):
                valid = False
            params[name] = arguments[slot.name] = value
        scope["path_params"] = params  # for handlers that ask connexion.request
        return valid

    def _read_query(self, query: bytes, arguments: dict[str, Any]) -> bool:
        valid, given = True, _last_texts(query)
        for name, slot, cast, accept, decide in self._texts:
            text = given.get(name)
            if text is not None:
                value = text if cast is None else cast(text)
                if not (accept(value) or decide(value)):
                    valid = False
                arguments[slot.name] = value
        return valid

    def _read_others(self, scope: Scope, arguments: dict[str, Any]) -> bool:
        valid, headers = True, header_map(scope)
        for location, slots in self._others.items():
            values = self._decoder.values(location, scope, headers)
            for slot in slots:
                value = values.get(slot.name, MISSING)
                if value is not MISSING:
                    arguments[slot.name] = value
                    valid = valid and slot.validator.is_valid(value)
        return valid


class _JSONBody:
    """The body of one function's requests, where it is JSON."""

    __slots__ = ("_limit", "_loader", "_name", "_reader", "_tests", "_validator")

    def __init__(self, binder: Binder, reader: BodyReader, limit: int) -> None:
        self._name = binder.body_argument or "body"
        self._loader = binder.loader
        self._validator = binder.body_validator
        self._reader = reader
        self._limit = limit
        self._tests: dict[bytes | None, tuple[str, Test] | None] = {}

    def test(self, content_type: bytes | None) -> tuple[str, Test] | None:
        """Return the media type of a Content-Type and what decides about its bodies, None where that cannot be read
        here.
        """
        try:
            return self._tests[content_type]
        except KeyError:
            pass
        media_type = self._reader.json_media(None if content_type is None else content_type.decode("latin-1"))
        found: tuple[str, Test] | None = None
        if media_type is not None:
            validator = self._validator(media_type)
            found = media_type, _anything if validator is None else validator.decide
        if len(self._tests) < _MOST_MEDIA_TYPES:  # the names come from clients
            self._tests[content_type] = found
        return found

    def media_type(self, content_type: bytes | None) -> str | None:
        """Return the media type of a Content-Type without its parameters."""
        found = self.test(content_type)
        return None if found is None else found[0]

    def read(self, content_type: bytes | None, message: Message, arguments: dict[str, Any]) -> bool:
        """Add the body to the arguments; tell whether it is valid."""
        content, found = message.get("body"), self.test(content_type)
        if found is None or not content or message.get("more_body") or len(content) > self._limit:
            raise _Doubt("it is not all there, or no JSON")
        arguments[self._name] = value = decode_json(content)
        if not found[1](value):
            return False
        if self._loader is not None and value is not None and isinstance(arguments, Checked):
            arguments.loaded, violations = self._loader.load(value, "/body")
            return not violations
        return True


def _sorted(function: Function, slots: tuple[Slot, ...]) -> tuple[list[_Text], dict[Location, list[Slot]]]:
    """Return the query's parameters if each is one text; all others by their locations."""
    query = [slot for slot in slots if slot.parameter.location == "query"]
    simple = all(_is_text(function, slot.parameter) for slot in query)
    others: dict[Location, list[Slot]] = {"query": [] if simple else query, "header": [], "cookie": []}
    for slot in slots:
        if slot.parameter.location in ("header", "cookie"):
            others[slot.parameter.location].append(slot)
    texts = [_text(function, slot, slot.parameter.name) for slot in query] if simple else []
    return texts, {location: found for location, found in others.items() if found}


def _is_text(function: Function, parameter: Parameter) -> bool:
    shape = shape_of(function.operation.document, parameter.schema)
    plain = parameter.media_type is None and parameter.style in ("form", "simple") and not parameter.allow_empty
    return plain and not (shape.is_array or shape.is_object)


def _text(function: Function, slot: Slot, name: str) -> _Text:
    shape = shape_of(function.operation.document, slot.parameter.schema)
    cast: Callable[[str], Any] | None = None if shape.kinds <= {"string"} else shape.cast
    if shape.kinds == {"integer"}:
        cast = _integer(shape)
    return name, slot, cast, slot.validator.accept, slot.validator.decide


def _integer(shape: Shape) -> Callable[[str], Any]:
    return lambda text: int(text) if text.isdecimal() and text.isascii() and len(text) <= _DIGITS else shape.cast(text)


def _last_texts(query: bytes) -> dict[str, str]:
    """Return the last text of each name; raises UnicodeDecodeError."""
    if b"%" in query or b"+" in query:
        return {name: decode_plus(texts[-1]) for name, texts in pairs_of(query.decode()).items()}
    texts = {}
    for part in query.decode().split("&"):
        name, _, texts[name] = part.partition("=")
    return texts


def _anything(value: Any) -> bool:
    return True
