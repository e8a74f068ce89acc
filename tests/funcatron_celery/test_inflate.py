"""What is unpacked is bounded."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from funcatron_celery.inflate import _DECODERS, inflated

CODECS: dict[str, Callable[[bytes], bytes]] = {
    "application/x-gzip": zlib.compress,
    "application/x-bz2": bz2.compress,
    "application/x-lzma": lzma.compress,
}
LARGEST = 200_000


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("body", [b"", b"text", b"text" * 50_000])
def test_what_fits_is_unpacked(name: str, body: bytes) -> None:
    assert inflated(_DECODERS[name](), CODECS[name](body), LARGEST) == body


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda pack: pack(b"a" * (LARGEST + 1)), "more than 200000 bytes"),
        (lambda pack: pack(b" " * 10_000_000), "more than 200000 bytes"),
        (lambda pack: pack(b"text" * 1000)[:-5], "too early"),
        (lambda pack: b"", "too early"),
    ],
)
def test_what_does_not_is_refused(name: str, damage: Callable[[Any], bytes], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        inflated(_DECODERS[name](), damage(CODECS[name]), LARGEST)
