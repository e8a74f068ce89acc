from __future__ import annotations

from typing import Any

import pytest

from funcatron.errors import InvalidInput
from funcatron.http.content import UnknownCharset, media_parameter, read_json


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        (b"18446744073709551617", 18446744073709551617),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('"ü"'.encode(), "ü"),
    ],
)
def test_reads_json(content: bytes, value: Any) -> None:
    assert read_json(content, "/body") == value


def test_reads_another_charset() -> None:
    assert read_json('"ü"'.encode("latin-1"), "/body", "iso-8859-1") == "ü"
    assert read_json('"ü"'.encode("utf-16"), "/body", "UTF-16") == "ü"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"a": }', "is not JSON: invalid character (byte 6)"),
        (b'{"a": 1', "is not JSON: Input data was truncated"),
        (b"NaN", "is not JSON: invalid character (byte 0)"),
        (b"[1] x", "is not JSON: trailing characters (byte 5)"),
        (b'"\xff"', "is not UTF-8: invalid start byte at byte 0"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"1e400", "is not JSON: Number out of range"),
        (b" ", "is not JSON: Input data was truncated"),
    ],
)
def test_says_what_is_wrong_and_where(content: bytes, complaint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_json(content, "/query/filter")
    (violation,) = caught.value.violations
    assert (violation.pointer, violation.message) == ("/query/filter", complaint)


def test_an_unknown_charset_is_told() -> None:
    with pytest.raises(UnknownCharset, match="the charset 'klingon' is unknown; send UTF-8"):
        read_json(b"1", "/body", "klingon")


def test_bytes_that_the_charset_does_not_have_are_400() -> None:
    with pytest.raises(InvalidInput):
        read_json(b"\xd8\x00", "/body", "utf-16-be")


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("application/json", None),
        ("application/json; charset=utf-8", "utf-8"),
        ('application/json;Charset="UTF-8"', "UTF-8"),
        ("application/json; x=1; charset=latin-1", "latin-1"),
        ("application/json; charset=", None),
    ],
)
def test_finds_a_parameter(content_type: str, charset: str | None) -> None:
    assert media_parameter(content_type, "charset") == charset
