"""Compressed bodies are unpacked up to a limit.

kombu unpacks a message's body before anybody can look at it, and a few kilobytes can inflate to gigabytes. So its
decoders are replaced, in our processes, by ones that stop.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from kombu import compression

__all__ = ["inflated", "limit_inflation"]

MEMORY = 64 * 1024 * 1024
"""Bytes that an xz decoder may take for its dictionary."""
CHUNK = 64 * 1024


class _Decoder(Protocol):
    """The incremental decoders of bz2 and lzma."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Zlib:
    """zlib's decoder, shaped as those of bz2 and lzma are."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj()

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "application/x-gzip": _Zlib,  # kombu's name for zlib's format
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lambda: lzma.LZMADecompressor(memlimit=MEMORY),
}


def limit_inflation(largest: int) -> None:
    """Have kombu, in this process, refuse bodies that unpack to more than ``largest`` bytes, or cannot be limited."""
    for name in compression.encoders():
        encode, _ = compression.get_encoder(name)
        make = _DECODERS.get(name)
        compression.register(encode, _refusing(name) if make is None else _bounded(make, largest), name)


def inflated(decoder: _Decoder, data: bytes, largest: int) -> bytes:
    """Return what ``data`` unpacks to; raises ValueError if that is more than ``largest`` bytes, or ends too early."""
    found = bytearray(decoder.decompress(data, CHUNK))
    while not decoder.eof and not decoder.needs_input and len(found) <= largest:
        found += decoder.decompress(b"", CHUNK)
    if len(found) > largest:
        raise ValueError(f"the body unpacks to more than {largest} bytes, the most that is taken")
    if not decoder.eof:
        raise ValueError("the compressed body ends too early")
    return bytes(found)


def _bounded(make: Callable[[], _Decoder], largest: int) -> Callable[[Any], bytes]:
    def decode(data: Any) -> bytes:
        return inflated(make(), data.encode() if isinstance(data, str) else bytes(data), largest)

    return decode


def _refusing(name: str) -> Callable[[Any], NoReturn]:
    def refuse(data: Any) -> NoReturn:
        raise ValueError(f"bodies compressed as {name} are not taken: what they unpack to cannot be limited")

    return refuse
