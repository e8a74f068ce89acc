"""Form bodies: urlencoded and multipart, their fields cast by the schema's properties.

Source: OpenAPI 3.0.3 sections 4.7.14.4, 4.7.14.5 and 4.7.15 (Encoding Object); WHATWG URL section 5 and RFC 7578.
A field keeps its text where it does not fit its property, so that validation words the error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from funcatron.binding import is_json
from funcatron.errors import InvalidInput, Problem, Violation
from funcatron.http.content import read_json
from funcatron.http.shapes import Shape
from funcatron.http.stream import RequestStream
from funcatron.http.styles import Decode, Pairs, Read, compile_reader, decode_plus, pairs_of
from funcatron.types import MISSING

__all__ = ["MultipartForm", "UrlencodedForm"]

MAX_FIELDS = 1000


class UrlencodedForm:
    """Reads ``application/x-www-form-urlencoded`` into an object of the schema's Shape."""

    def __init__(self, shape: Shape, encoding: Mapping[str, Mapping[str, Any]]) -> None:
        self._fields = _Fields(shape, encoding, decode_plus)

    def read(self, content: bytes) -> dict[str, Any]:
        """Return the fields; raises InvalidInput for what is no form."""
        if content.count(b"&") >= MAX_FIELDS:
            raise InvalidInput([Violation("/body", f"has more than {MAX_FIELDS} fields")])
        try:
            return self._fields.read(pairs_of(content.decode()), {})
        except UnicodeDecodeError as error:
            raise InvalidInput([Violation("/body", f"is not UTF-8: {error.reason}")]) from None


class MultipartForm:
    """Reads ``multipart/form-data`` into an object; parts with a file name become starlette UploadFiles."""

    def __init__(self, shape: Shape, encoding: Mapping[str, Mapping[str, Any]]) -> None:
        self._fields = _Fields(shape, encoding, str)

    async def read(
        self, content_type: str, stream: RequestStream, max_text: int
    ) -> tuple[dict[str, Any], list[UploadFile]]:
        """Return the fields, files among them, and the files alone, which the caller closes.

        Files spool to disk above 1 MiB; the text fields together may have ``max_text`` bytes. Raises InvalidInput for
        what is no form, Problem 413.
        """
        headers = Headers({"content-type": content_type})
        parser = _Parser(headers, stream.chunks(), max_files=MAX_FIELDS, max_fields=MAX_FIELDS, max_part_size=max_text)
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise InvalidInput([Violation("/body", f"is not a multipart form: {error.message}")]) from None
        texts: dict[str, list[str]] = {}
        files: dict[str, list[UploadFile]] = {}
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files.setdefault(name, []).append(value)
            else:
                texts.setdefault(name, []).append(value)
        return self._fields.read(texts, files), [file for named in files.values() for file in named]


class _Parser(MultiPartParser):
    """starlette's parser, which holds each text field to ``max_part_size``: here it is for all of them together, since
    they are kept in memory.
    """

    _texts = 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None:
            self._texts += end - start
            if self._texts > self.max_part_size:
                detail = f"the fields that are no files are larger than the limit of {self.max_part_size} bytes"
                raise Problem(413, detail=detail, limit=self.max_part_size)
        super().on_part_data(data, start, end)


class _Fields:
    """The readers of a form's properties, compiled once."""

    def __init__(self, shape: Shape, encoding: Mapping[str, Mapping[str, Any]], decode: Decode) -> None:
        self._shape = shape
        self._decode = decode
        self._readers: dict[str, Read] = {
            name: _property_reader(name, part, encoding.get(name, {}), decode)
            for name, part in shape.properties.items()
        }

    def read(self, texts: Pairs, files: Mapping[str, list[UploadFile]]) -> dict[str, Any]:
        """Return every field as the schema means it; unknown ones as text, a list where there are several."""
        fields: dict[str, Any] = {}
        deep: set[str] = set()
        for name, read in self._readers.items():
            value = read(texts)
            if value is not MISSING:
                fields[name] = value
                deep.update(key for key in texts if key.startswith(name + "["))
        for name, given in texts.items():
            if name not in self._readers and name not in deep:
                values = [self._shape.member(name).cast(self._decode(text)) for text in given]
                fields[name] = values if len(values) > 1 else values[0]
        for name, uploads in files.items():
            listed = self._shape.member(name).is_array or len(uploads) > 1
            fields[name] = list(uploads) if listed else uploads[0]
        return fields


def _property_reader(name: str, shape: Shape, encoding: Mapping[str, Any], decode: Decode) -> Read:
    content_type = str(encoding.get("contentType", ""))
    explicit = "style" in encoding or "explode" in encoding
    if (is_json(content_type.split(",")[0]) and content_type) or (shape.is_object and not explicit):
        return _json_reader(name, lambda text: _json_or_text(decode(text)))
    if shape.is_array and shape.items is not None and shape.items.is_object and not explicit:
        return _json_items_reader(name, lambda text: _json_or_text(decode(text)))
    style = str(encoding.get("style", "form"))
    return compile_reader(name, style, shape, explode=bool(encoding.get("explode", style == "form")), decode=decode)


def _json_reader(name: str, parse: Callable[[str], Any]) -> Read:
    return lambda pairs: parse(texts[-1]) if (texts := pairs.get(name)) else MISSING


def _json_items_reader(name: str, parse: Callable[[str], Any]) -> Read:
    def read(pairs: Pairs) -> Any:
        values = [parse(text) for text in pairs.get(name, ())]
        if len(values) == 1 and isinstance(values[0], list):
            return values[0]
        return values or MISSING

    return read


def _json_or_text(text: str) -> Any:
    try:
        return read_json(text.encode("utf-8", "surrogatepass"), "")
    except InvalidInput:
        return text
