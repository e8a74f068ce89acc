from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import IO, Any, BinaryIO

import pytest

from funcatron.codec import StoredUpload
from funcatron.uploads import Arriving, reader_for

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def read(annotation: Any, value: Any) -> Any:
    reader = reader_for(annotation)
    assert reader is not None
    loaded, errors = reader[0](value)
    assert errors == []
    return loaded


@pytest.mark.parametrize("value", [b"abc", bytearray(b"abc"), "abc", StoredUpload(b"abc", None, None)])
async def test_whatever_has_bytes_is_read_in_every_form(value: Any) -> None:
    for _ in range(2):  # an attempt that is made again begins at the beginning
        assert read(BinaryIO, value).read() == b"abc"
        assert b"".join(read(Iterator[bytes], value)) == b"abc"
        assert b"".join([piece async for piece in read(AsyncIterator[bytes], value)]) == b"abc"


@pytest.mark.parametrize(
    ("annotation", "form"),
    [
        (BinaryIO, "file"),
        (IO[bytes], "file"),
        (BinaryIO | None, "file"),
        (Iterator[bytes], "pieces"),
        (Iterable[bytes], "pieces"),
        (AsyncIterator[bytes], "async pieces"),
        (AsyncIterable[bytes] | None, "async pieces"),
    ],
)
def test_annotations_that_ask_for_bytes(annotation: Any, form: str) -> None:
    reader = reader_for(annotation)
    assert reader is not None
    assert reader[1] == form


@pytest.mark.parametrize("annotation", [bytes, str, Any, IO[str], Iterator[str], list[bytes], dict, int | str])
def test_annotations_that_do_not(annotation: Any) -> None:
    assert reader_for(annotation) is None


@pytest.mark.parametrize("value", [{}, [], 1, None])
def test_what_has_no_bytes(value: Any) -> None:
    reader = reader_for(BinaryIO)
    assert reader is not None
    assert reader[0](value) == (None, [("", "must be bytes, a file or text")])


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def test_a_body_that_arrives_is_read_on_the_loop_or_in_a_thread() -> None:
    arriving = Arriving(pieces(b"a", b"b"))
    assert read(AsyncIterator[bytes], arriving) is arriving
    assert [piece async for piece in arriving] == [b"a", b"b"]
    arriving = Arriving(pieces(b"a", b"b"))
    assert await asyncio.to_thread(lambda: list(read(Iterator[bytes], arriving))) == [b"a", b"b"]


async def test_what_ends_it_is_raised_where_it_is_read() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise OSError("gone")

    arriving = Arriving(broken())
    with pytest.raises(OSError, match="gone"):
        await asyncio.to_thread(lambda: list(arriving.blocking()))


def test_a_large_text_is_a_file_too() -> None:
    assert isinstance(read(BinaryIO, "ü" * 10), io.BytesIO)
    assert read(BinaryIO, "ü").read() == "ü".encode()
