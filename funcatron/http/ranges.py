"""Requests for files: whether the client has it already, which parts were asked for, and the answer that has them.

Source: RFC 9110, sections 13 (conditional requests, in the order of 13.2.2), 14 (Range Requests) and 15.3.7 (206,
multipart/byteranges).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

import msgspec

from funcatron.errors import Problem
from funcatron.files import FileStream
from funcatron.headers import Headers
from funcatron.invocation import Result

__all__ = ["ranged", "requested"]

MOST_RANGES = 100
"""A request for more is answered whole: each costs more than it asks for (section 14.2)."""

_SPEC = re.compile(r"[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*", re.ASCII)
_DIGITS = 18
_TAG = re.compile(r'(?:W/)?("[^"]*")')


def ranged(result: Result, method: str, headers: Mapping[str, str]) -> Result:
    """Return the answer to a request for (parts of) a file: as it is, 206, or 304; ``headers`` are in lower case.
    Raises Problem 416.

    A Range header that is malformed, of another unit, or under an If-Range that no longer holds says nothing, and so it
    does with any method but GET, and beside any answer but 200.
    """
    file = result.body
    if not isinstance(file, FileStream) or result.status != 200:
        return result
    wanted = headers.get("range")
    given = _said(result.headers)
    if method in ("GET", "HEAD") and _is_known(headers, given):
        return msgspec.structs.replace(result, status=304, body=b"")
    if method == "GET" and wanted is not None and _holds(headers.get("if-range"), given):
        found = requested(wanted, file.size)
        if found is not None:
            if not found:
                raise _unsatisfiable(file)
            return _partial(result, file, found)
    return result if "accept-ranges" in given else _with(result, {"Accept-Ranges": "bytes"})


def requested(header: str, size: int) -> list[range] | None:
    """Return the ranges of a file of ``size`` bytes that a Range header asks for, in order, those that touch joined.

    Empty where none is satisfiable, None where the header says nothing.
    """
    unit, separator, specs = header.partition("=")
    listed = [spec for spec in specs.split(",") if spec.strip(" \t")]
    if not separator or unit.strip().lower() != "bytes" or not 0 < len(listed) <= MOST_RANGES:
        return None
    found: list[range] = []
    for spec in listed:
        match = _SPEC.fullmatch(spec)
        if match is None:
            return None
        first, last, suffix = match.groups()
        if last and _number(last) < _number(first):
            return None
        start = max(0, size - _number(suffix)) if suffix else _number(first)
        found.append(range(start, min(size, _number(last) + 1 if last else size)))
    return _joined([part for part in found if part])


def _number(digits: str) -> int:
    """Read a number of any length; beyond 18 digits all are larger than any file."""
    return int(digits) if len(digits.lstrip("0")) <= _DIGITS else 10**_DIGITS


def _joined(ranges: list[range]) -> list[range]:
    joined: list[range] = []
    for part in sorted(ranges, key=lambda part: part.start):
        if joined and part.start <= joined[-1].stop:
            joined[-1] = range(joined[-1].start, max(joined[-1].stop, part.stop))
        else:
            joined.append(part)
    return joined


def _said(headers: Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if isinstance(value, str)}


def _is_known(headers: Mapping[str, str], given: Mapping[str, str]) -> bool:
    """Whether the client has this file: a tag of If-None-Match is its own (compared weakly), or without that header it
    was not modified since.
    """
    tags = headers.get("if-none-match")
    if tags is not None:
        etag = _TAG.fullmatch(given.get("etag", ""))
        return etag is not None and (tags.strip() == "*" or etag[1] in _TAG.findall(tags))
    since, modified = _date(headers.get("if-modified-since")), _date(given.get("last-modified"))
    return since is not None and modified is not None and modified <= since


def _date(text: str | None) -> datetime | None:
    """Read an HTTP-date (section 5.6.7); None for what is none."""
    try:
        found = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _holds(condition: str | None, given: Mapping[str, str]) -> bool:
    """Whether the client's part is of this very file; a weak validator never is."""
    if condition is None:
        return True
    condition = condition.strip()
    etag, modified = given.get("etag", ""), given.get("last-modified", "")
    return bool(condition) and not condition.startswith("W/") and condition in (etag, modified)


def _partial(result: Result, file: FileStream, ranges: list[range]) -> Result:
    if len(ranges) == 1:
        file.select(ranges)
        return _with(result, {"Content-Range": _content_range(ranges[0], file.size)}, status=206)
    boundary = secrets.token_hex(16)
    parts: list[bytes | range] = []
    for part in ranges:
        parts += [_head(boundary, result.content_type, _content_range(part, file.size)), part, b"\r\n"]
    file.select([*parts, f"--{boundary}--\r\n".encode()])
    return msgspec.structs.replace(
        _with(result, {}, status=206), content_type=f"multipart/byteranges; boundary={boundary}"
    )


def _content_range(part: range, size: int) -> str:
    return f"bytes {part.start}-{part.stop - 1}/{size}"


def _head(boundary: str, content_type: str | None, content_range: str) -> bytes:
    typed = f"Content-Type: {content_type}\r\n" if content_type else ""
    return f"--{boundary}\r\n{typed}Content-Range: {content_range}\r\n\r\n".encode()


def _unsatisfiable(file: FileStream) -> Problem:
    detail = f"none of the ranges is within the {file.size} bytes of the file"
    headers = {"Content-Range": f"bytes */{file.size}", "Accept-Ranges": "bytes"}
    return Problem(416, "Range Not Satisfiable", detail, headers=headers)


def _with(result: Result, headers: Mapping[str, str], *, status: int = 200) -> Result:
    more = {"Accept-Ranges": "bytes", **headers}
    kept = {name: value for name, value in result.headers.items() if name.lower() != "accept-ranges"}
    return msgspec.structs.replace(result, status=status, headers={**kept, **more})
