"""Random bodies: JSON, forms, texts; broken, cut, in pieces, of another length than they say, of odd types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import quote

from tests.conformance.planned.api import Api
from tests.conformance.planned.values import TEXTS, junk, value

__all__ = ["fill"]

CHARSETS = (*[b""] * 30, b"; charset=utf-8", b";charset=UTF-8", b"; charset=latin-1", b";charset=utf-16", b"; x=y",
            b";", b"; charset", b'; charset="utf-8"')  # fmt: skip
BROKEN = (
    b"",
    b"{",
    b"[1,]",
    b"nul",
    b'{"a":1}x',
    b"\xff\xfe",
    b'{"a": "\xff"}',
    b'"\xed\xa0\x80"',
    b"a=\xe4&b=\xf0\x9f",
    b'"\\ud800"',
    b'{"a":"\\ud83d\\ude00"}',
    b"NaN",
    b"-Infinity",
    b'{"a":1,"a":2}',
    b"1e400",
    b" null ",
    b"\xef\xbb\xbf{}",
    b"[" * 2000,
    b"1" * 5000,
    b"{'a': 1}",
    b'{"a":\x01}',
    b'"\x00"',
    b"\n{}\n",
    b"\x0b{}",
)
FILE = b'; filename="f.txt"\r\nContent-Type: text/plain'


def fill(
    random: Random,
    api: Api,
    contents: dict[str, dict[str, Any]],
    headers: list[tuple[bytes, bytes]],
    chunks: list[bytes],
) -> bool:
    """Add a body's headers and chunks; return whether the client leaves before its end."""
    media, definition = random.choice(list(contents.items()))
    media = media.replace("*/*", "application/json").replace("*", "json")
    content, content_type = _encoded(random, media, value(random, api, definition.get("schema", {})))
    if random.random() < 0.05:
        content = random.choice(BROKEN)
    if random.random() < 0.98:
        usual = [content_type] * 60 + [b"text/plain", b"x", b"", content_type.upper(), b"application/json"]
        headers.append((b"content-type", random.choice(usual) + random.choice(CHARSETS)))
    headers += _length(random, content)
    chunks[:] = [content]
    if len(content) > 2 and random.random() < 0.15:
        cut = random.randint(1, len(content) - 1)
        chunks[:] = [content[:cut], b"", content[cut:]]
    if random.random() < 0.01:
        chunks[:] = [b"", *chunks, b""]
    told = any(name in (b"content-length", b"transfer-encoding") for name, _ in headers)
    return random.random() < 0.03 and told  # else there is nothing that could be cut


def _length(random: Random, content: bytes) -> list[tuple[bytes, bytes]]:
    """What the client says of the length: the truth, mostly."""
    if random.random() < 0.94:
        return [(b"content-length", b"%d" % len(content))]
    chunked = [(b"transfer-encoding", b"chunked")]
    wrong = [(b"content-length", random.choice([b"0", b"1", b"99999", b"+5", b" 5", b"-1", b"x", b""]))]
    return random.choice([chunked, chunked, wrong, wrong + chunked, []])


def _encoded(random: Random, media: str, found: Any) -> tuple[bytes, bytes]:
    if media == "application/x-www-form-urlencoded":
        return _form(random, found), media.encode()
    if media == "multipart/form-data":
        return _multipart(random, found), b"multipart/form-data; boundary=b"
    if "json" not in media.lower():
        return random.choice(TEXTS).encode(), media.encode()
    spaced = random.choice([None, None, 1])
    return json.dumps(found, ensure_ascii=random.random() < 0.5, indent=spaced).encode(), media.encode()


def _pairs(random: Random, found: Any) -> Iterator[tuple[str, str]]:
    for name, below in (found if isinstance(found, dict) else {"a": junk(random)}).items():
        for one in below if isinstance(below, list) and random.random() < 0.6 else [below]:
            yield name, ",".join(map(_text, one)) if isinstance(one, list) else _text(one)


def _text(one: Any) -> str:
    if isinstance(one, dict):
        return json.dumps(one)
    return str(one).lower() if isinstance(one, bool) else str(one)


def _form(random: Random, found: Any) -> bytes:
    pairs = [f"{quote(name)}={quote(text)}" for name, text in _pairs(random, found)]
    if random.random() < 0.05:
        pairs.append(random.choice(["", "=", "a", "a=1&a=2", "%ff=%ff", "other=1", "a=+%2B"]))
    return "&".join(pairs).encode()


def _multipart(random: Random, found: Any) -> bytes:
    parts = b""
    for name, text in _pairs(random, found):
        file = FILE if name.startswith("file") or random.random() < 0.1 else b""
        disposition = b'Content-Disposition: form-data; name="' + name.encode() + b'"' + file
        parts += b"--b\r\n" + disposition + b"\r\n\r\n" + text.encode() + b"\r\n"
    return parts + (b"--b--\r\n" if random.random() < 0.97 else b"")
