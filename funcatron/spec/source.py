"""Where documents come from: files, URLs and dicts, read into trees, with the lines kept findable."""

from __future__ import annotations

import math
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from funcatron.errors import Mistake, SpecError
from funcatron.garbage import collected_later
from funcatron.spec import json_text, yaml_text
from funcatron.spec.pointer import Parts, join
from funcatron.spec.syntax import MAX_DEPTH, Flaw, Flaws

__all__ = ["Source", "named", "read", "read_uri", "unread"]

MAX_BYTES = 64 * 1024 * 1024
TIMEOUT = 10.0
"""Bounds of one fetch from a URL, in bytes and seconds, redirects and all."""


class Source:
    """One text (or dict) that a document is made of.

    ``uri`` identifies it and is what references in it are relative to; ``name`` is how messages call it: the path or
    URL as the user wrote it. ``tree`` is what was read. ``text`` and ``path`` are None for what is not a file.
    """

    def __init__(self, uri: str, name: str, tree: Any, text: str | None = None) -> None:
        self.uri = uri
        self.name = name
        self.tree = tree
        self.path = Path(url2pathname(urlsplit(uri).path)) if text is not None and uri.startswith("file:") else None
        self.text = text
        self._locate: Callable[[Parts], int | None] | None = None

    def mistake(self, parts: Parts, message: str) -> Mistake:
        """Return a Mistake at this place; its line is looked up only now."""
        return Mistake(self.name, self.line(parts), join(parts), message)

    def line(self, parts: Parts) -> int | None:
        """Return the line (from 1) of a node or its nearest ancestor, None where there is no text."""
        if self.text is None:
            return None
        if self._locate is None:
            self._locate = (json_text if _is_json(self.uri, self.text) else yaml_text).locator(self.text)
        return self._locate(parts)

    def refer(self, uri: str) -> tuple[str, str]:
        """Return the absolute URI and the name of what a relative or absolute reference in this source names."""
        target = urljoin(self.uri, uri)
        if target.startswith("file:"):
            target = _file_uri(url2pathname(urlsplit(target).path))
        if urlsplit(uri).scheme or not self.uri.startswith("file:"):
            return target, target
        folder = os.path.dirname(self.name) if self.text is not None else ""  # noqa: PTH120 - keeps "./" and "../"
        return target, os.path.normpath(os.path.join(folder, unquote(urlsplit(uri).path)))  # noqa: PTH118


def read(source: str | Path | Mapping[str, Any]) -> Source:
    """Read the document that a user named. Raises SpecError with every mistake of its text."""
    if isinstance(source, Mapping):
        name = "<dict>"
        try:
            return Source(Path.cwd().as_uri() + "/", name, _plain(source, ()))
        except Flaws as flaws:
            raise SpecError(Mistake(name, None, join(flaw.parts), flaw.message) for flaw in flaws.flaws) from None
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        return read_uri(urldefrag(source)[0], source)
    return read_uri(*_file(source))


def named(source: str | Path | Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the URI and the name of a document that is a file, None for others."""
    if isinstance(source, Mapping) or str(source).startswith(("http://", "https://")):
        return None
    return _file(source)


def _file(source: str | Path) -> tuple[str, str]:
    if isinstance(source, str) and source.startswith("file:"):
        return _file_uri(url2pathname(urlsplit(source).path)), source
    return _file_uri(str(source)), str(source)


def read_uri(uri: str, name: str) -> Source:
    """Read a file: or http(s): URI; ``name`` is for messages. Raises SpecError with every mistake of its text."""
    source = unread(uri, name)
    text = source.text or ""
    try:
        with collected_later():
            source.tree = json_text.parse(text) if _is_json(uri, text) else yaml_text.parse(text)
    except Flaws as flaws:
        raise SpecError(Mistake(name, flaw.line, join(flaw.parts), flaw.message) for flaw in flaws.flaws) from None
    return source


def unread(uri: str, name: str) -> Source:
    """Return the source of a file: or http(s): URI with its text, and no tree. Raises SpecError where it has none."""
    try:
        content = _fetch(uri)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SpecError([Mistake(name, line, "", "not UTF-8")]) from None
    except (OSError, HTTPException, ValueError) as error:
        cause = getattr(error, "reason", None)  # urllib puts what the system said into an error of its own
        cause = cause if isinstance(cause, OSError) else error
        told = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
        raise SpecError([Mistake(name, None, "", f"cannot be read: {told}")]) from None
    return Source(uri, name, None, text)


def _file_uri(path: str) -> str:
    """Return the one URI by which a file is known, however it was spelled."""
    return Path(os.path.abspath(path)).as_uri()  # noqa: PTH100 - takes ".." out without following links


def _is_json(uri: str, text: str) -> bool:
    """JSON is told by its name, else by its first character: YAML seldom begins with a brace."""
    name = urlsplit(uri).path.lower()
    if name.endswith((".yaml", ".yml")):
        return False
    return name.endswith(".json") or text.lstrip()[:1] == "{"


def _fetch(uri: str) -> bytes:
    if uri.startswith("file:"):
        with Path(url2pathname(urlsplit(uri).path)).open("rb") as file:
            return _bounded(iter(lambda: file.read(1 << 20), b""))
    request = urllib.request.Request(uri, headers={"Accept": "application/yaml, application/json, */*;q=0.5"})  # noqa: S310 - only http(s) comes here, and redirects cannot leave it
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            return _bounded(iter(lambda: response.read1(1 << 16), b""))
    except urllib.error.HTTPError as error:
        error.close()
        raise


def _bounded(chunks: Iterator[bytes]) -> bytes:
    content = bytearray()
    deadline = time.monotonic() + TIMEOUT
    for chunk in chunks:
        content += chunk
        if len(content) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
        if time.monotonic() > deadline:
            raise ValueError(f"not here after {TIMEOUT:g} seconds")
    return bytes(content)


def _plain(value: Any, parts: Parts) -> Any:
    """Copy what Python has into what JSON has; the caller's dict is never changed."""
    if len(parts) > MAX_DEPTH:
        raise Flaws([Flaw(None, parts, f"nested deeper than {MAX_DEPTH} levels")])
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, (*parts, _key(key))) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, (*parts, str(index))) for index, item in enumerate(value)]
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if hasattr(value, "isoformat"):  # a date that PyYAML made
        return value.isoformat()
    raise Flaws([Flaw(None, parts, f"{type(value).__name__} is not JSON")])


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    return "null" if key is None else str(key)
