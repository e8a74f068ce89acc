"""Request bodies: which media type it is, and the value that it carries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from starlette.datastructures import UploadFile

from funcatron.binding import find_media
from funcatron.errors import Problem
from funcatron.http.content import UnknownCharset, media_parameter, read_json
from funcatron.http.forms import MultipartForm, UrlencodedForm
from funcatron.http.shapes import shape_of
from funcatron.http.stream import RequestStream
from funcatron.http.upload import ReadBody, arriving, stored
from funcatron.loading import BodyForm
from funcatron.settings import Limits
from funcatron.spec.document import Document
from funcatron.spec.operation import Body, Media
from funcatron.types import MISSING

__all__ = ["BodyReader"]

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


_Read: TypeAlias = Callable[[RequestStream, str], Awaitable[tuple[Any, list[UploadFile]]]]


class BodyReader:
    """Reads the body of one operation by its Content-Type. ``form`` is what its handler wants of bytes (see Loader)."""

    def __init__(self, document: Document, body: Body, limits: Limits, form: BodyForm = "value") -> None:
        self._document = document
        self._content = body.content
        self._limits = limits
        self._form = form
        self._readers: dict[tuple[str, str], _Read] = {}
        bare = [_bare(key) for key in body.content]
        self._assumed = bare[0] if len(bare) == 1 and _kind(bare[0]) == "json" else None

    def json_media(self, content_type: str | None) -> str | None:
        """Return the media type of a body if it is JSON in UTF-8, and accepted; else None."""
        content_type = content_type or self._assumed
        if content_type is None or find_media(self._content, content_type) is None:
            return None
        bare, charset = _bare(content_type), media_parameter(content_type, "charset")
        return bare if _kind(bare) == "json" and (charset or "utf-8").lower() == "utf-8" else None

    async def read(self, stream: RequestStream, headers: Mapping[str, str], *, at_once: bool = False) -> ReadBody:
        """Return the body. Raises InvalidInput for what cannot be decoded, Problem 413 and 415.

        ``at_once``: who wants it as it arrives is called before it is there, once.
        """
        content_type = headers.get("content-type") or self._assumed
        if headers.get("content-encoding", "identity").lower() != "identity":
            detail = f"the Content-Encoding {headers['content-encoding']!r} is not understood"
            raise Problem(415, detail=detail, headers={"Accept-Encoding": "identity"})
        key = None if content_type is None else find_media(self._content, content_type)
        if content_type is None or key is None:
            return await self._refuse(stream, content_type)
        kind = _kind(_bare(content_type))
        if kind == "bytes" and self._form != "value":
            stream.pass_on(self._limits.upload)
            return await (arriving if at_once and self._form != "file" else stored)(stream, content_type)
        reader = self._readers.get((key, kind))
        if reader is None:
            reader = self._readers[key, kind] = self._reader(self._content[key], kind)
        try:
            value, files = await reader(stream, content_type)
        except UnknownCharset as error:
            raise self._unsupported(str(error)) from None
        return ReadBody(value, _bare(content_type), files)

    async def _refuse(self, stream: RequestStream, content_type: str | None) -> ReadBody:
        """No body needs no Content-Type; the validation says whether it may be missing."""
        if not await stream.read():
            return ReadBody()
        wrong = "the body has no Content-Type" if content_type is None else f"{_bare(content_type)!r} is not accepted"
        raise self._unsupported(f"{wrong}; accepted are: {', '.join(self._content)}")

    def _unsupported(self, detail: str) -> Problem:
        return Problem(415, detail=detail, headers={"Accept": ", ".join(self._content)})

    def _reader(self, media: Media, kind: str) -> _Read:
        if kind == "json":
            return _json
        if kind == "bytes":
            return _bytes
        shape = shape_of(self._document, media.schema)
        if kind == "urlencoded":
            return _urlencoded(UrlencodedForm(shape, media.encoding))
        return self._multipart(MultipartForm(shape, media.encoding))

    def _multipart(self, form: MultipartForm) -> _Read:
        async def read(stream: RequestStream, content_type: str) -> tuple[Any, list[UploadFile]]:
            stream.pass_on(self._limits.upload)
            return await form.read(content_type, stream, self._limits.body)

        return read


def _urlencoded(form: UrlencodedForm) -> _Read:
    async def read(stream: RequestStream, _content_type: str) -> tuple[Any, list[UploadFile]]:
        content = await stream.read()
        return (form.read(content) if content else MISSING), []

    return read


async def _json(stream: RequestStream, content_type: str) -> tuple[Any, list[UploadFile]]:
    content = await stream.read()
    if not content:
        return MISSING, []
    return read_json(content, "/body", media_parameter(content_type, "charset")), []


async def _bytes(stream: RequestStream, _content_type: str) -> tuple[Any, list[UploadFile]]:
    """Everything that is neither JSON nor a form, text too: as connexion passes it."""
    return await stream.read() or MISSING, []


def _kind(bare: str) -> str:
    if bare == "application/json" or bare.endswith("+json"):
        return "json"
    if bare == URLENCODED:
        return "urlencoded"
    return "multipart" if bare == MULTIPART else "bytes"


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()
