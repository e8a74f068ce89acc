"""Most requests: decoded and checked in one pass, by what was compiled for one function.

What cannot be decoded so is read again with care (``request``), what is not valid is said by ``Binder.check``, as on
every door. So what is accepted here is accepted with the very same arguments, and refused in the same words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from msgspec import DecodeError
from starlette.types import Message, Scope

from funcatron.binding import Checked, Slot, fresh
from funcatron.codec import decode_json
from funcatron.errors import Problem
from funcatron.http.body import BodyReader
from funcatron.http.request import RequestDecoder, header_map
from funcatron.http.texts import ENCODED, Text, is_text, last_texts, read_texts, stays_text, text_of
from funcatron.registry import Function
from funcatron.types import MISSING, Location

__all__ = ["NO_BODY", "Acceptance", "Media"]


class Media(NamedTuple):
    """What a body's Content-Type says: its media type without parameters, and what decides about its value."""

    media_type: str | None
    decide: Callable[[Any], bool]


class _Doubt(Exception):
    """It has to be read with care."""


_DOUBTS = (_Doubt, Problem, DecodeError, ValueError, RecursionError)
"""What reading raises where something is wrong."""
_MOST_MEDIA_TYPES = 64


def _anything(value: Any) -> bool:
    return True


NO_BODY: Final = Media(None, _anything)
"""What requests have whose function takes no body."""


class Acceptance:
    """Reads requests of one function; ``suits`` tells which function has one."""

    def __init__(self, function: Function, decoder: RequestDecoder, max_body: int) -> None:
        slots = function.binder.slots
        self._decoder = decoder
        self._binder = function.binder
        self._loader = function.binder.loader
        self._left_out = [slot for slot in slots if slot.parameter.location != "path"]
        self._path = [text_of(function, slot, name) for name, slot in decoder.routed(slots)]
        self._all_stay = all(stays_text(function, slot.parameter) for _, slot in decoder.routed(slots))
        self._texts, self._others = _sorted(function, slots)
        self._body = decoder.body
        self._body_name = function.binder.body_argument or "body"
        self._limit = max_body
        self._media: dict[bytes | None, Media | None] = {}
        self._all = len(slots) + (self._body is not None)
        self.reads_headers = not self._others.keys() <= {"query"}

    @staticmethod
    def suits(function: Function, decoder: RequestDecoder) -> bool:
        """Whether a function's requests can be read here: each path parameter must be a text, all of its segment."""
        path = [slot.parameter for slot in function.binder.slots if slot.parameter.location == "path"]
        simple = decoder.has_whole_segments and all(is_text(function, parameter) for parameter in path)
        return simple and not function.binder.field_defaults

    @property
    def wants_body(self) -> bool:
        """Whether ``read`` has to be given the request's message."""
        return self._body is not None

    def media(self, content_type: bytes | None) -> Media | None:
        """Return what a Content-Type says of a body, None where bodies of this one are read with care."""
        try:
            return self._media[content_type]
        except KeyError:
            pass
        found = NO_BODY if self._body is None else self._find_media(self._body, content_type)
        if len(self._media) < _MOST_MEDIA_TYPES:  # the names come from clients
            self._media[content_type] = found
        return found

    def _find_media(self, body: BodyReader, content_type: bytes | None) -> Media | None:
        media_type = body.json_media(None if content_type is None else content_type.decode("latin-1"))
        if media_type is None:
            return None
        validator = self._binder.body_validator(media_type)
        return Media(media_type, _anything if validator is None else validator.decide)

    def read(self, scope: Scope, texts: dict[str, str], media: Media, message: Message | None) -> dict[str, Any] | None:
        """Return the checked arguments of a request, None where it has to be read with care.

        ``texts`` are the path's parameters as the router has them; ``media`` and the first ``message`` are the body's.
        Raises InvalidInput for what could be decoded and is not valid.
        """
        arguments: dict[str, Any] = {} if self._loader is None else Checked()
        valid = True
        try:
            if self._path:
                if ENCODED in scope:
                    return None
                valid = read_texts(self._path, texts, arguments)
                if not self._all_stay:  # for handlers that ask connexion.request
                    scope["path_params"] = {name: arguments[key] for name, key, *_ in self._path}
            if self._texts and (query := scope["query_string"]):
                valid = read_texts(self._texts, last_texts(query), arguments) and valid
            if self._others:
                valid = self._read_others(scope, arguments) and valid
            if message is not None:
                valid = self._read_body(media, message, arguments) and valid
        except _DOUBTS:
            return None
        if valid and len(arguments) == self._all:
            return arguments
        return self._complete(arguments, media) if valid else self._refuse(arguments, media)

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

    def _read_body(self, media: Media, message: Message, arguments: dict[str, Any]) -> bool:
        content = message.get("body")
        if not content or message.get("more_body") or len(content) > self._limit:
            raise _Doubt("it is not all there")
        arguments[self._body_name] = value = decode_json(content)
        if not media.decide(value):
            return False
        if self._loader is not None and value is not None and isinstance(arguments, Checked):
            arguments.loaded, violations = self._loader.load(value, "/body")
            return not violations
        return True

    def _complete(self, arguments: dict[str, Any], media: Media) -> dict[str, Any]:
        """Fill in the defaults of what was left out."""
        for slot in self._left_out:
            if slot.name not in arguments:
                if slot.default is not MISSING:
                    arguments[slot.name] = fresh(slot.default)
                elif slot.parameter.required:
                    return self._refuse(arguments, media)
        return arguments

    def _refuse(self, arguments: dict[str, Any], media: Media) -> dict[str, Any]:
        return self._binder.check(arguments, media_type=media.media_type)


def _sorted(function: Function, slots: tuple[Slot, ...]) -> tuple[list[Text], dict[Location, list[Slot]]]:
    """Return the query's parameters if each is one text; all others by their locations."""
    query = [slot for slot in slots if slot.parameter.location == "query"]
    simple = all(is_text(function, slot.parameter) for slot in query)
    others: dict[Location, list[Slot]] = {"query": [] if simple else query, "header": [], "cookie": []}
    for slot in slots:
        if slot.parameter.location in ("header", "cookie"):
            others[slot.parameter.location].append(slot)
    texts = [text_of(function, slot, slot.parameter.name) for slot in query] if simple else []
    return texts, {location: found for location, found in others.items() if found}
