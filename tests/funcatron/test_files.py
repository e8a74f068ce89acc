from __future__ import annotations

import os
from email.utils import formatdate
from pathlib import Path

import pytest

from funcatron.files import PIECE, FileStream, media_type_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 4096)
    return path


def open_files(file: Path) -> list[str]:
    """The descriptors of this process that are of a file."""
    return [one.name for one in Path("/proc/self/fd").iterdir() if one.exists() and one.resolve() == file]


async def test_a_file_is_read_in_pieces(file: Path) -> None:
    stream = FileStream(file)
    assert (stream.length, stream.size, stream.lasting) == (2**20, 2**20, False)
    pieces = [piece async for piece in stream]
    assert b"".join(pieces) == file.read_bytes()
    assert {len(piece) for piece in pieces} == {PIECE}
    assert not open_files(file)


async def test_parts_of_it_and_what_stands_between_them(file: Path) -> None:
    stream = FileStream(file)
    stream.select([b"<", range(5), b"", range(3, 3), range(255, 258), b">"])
    assert stream.length == 10
    assert await stream.acollect() == b"<\x00\x01\x02\x03\x04\xff\x00\x01>"


async def test_validators_are_those_of_the_open_file(file: Path) -> None:
    first = FileStream(file)
    await first.aclose()
    os.utime(file, (0, 86_400))
    second = FileStream(file)
    await second.aclose()
    assert first.etag != second.etag
    assert second.modified == formatdate(86_400, usegmt=True) == "Fri, 02 Jan 1970 00:00:00 GMT"


async def test_a_file_that_shrinks_breaks_off(file: Path) -> None:
    stream = FileStream(file)
    assert len(await anext(stream)) == PIECE
    os.truncate(file, PIECE)
    with pytest.raises(EOFError, match="has become shorter"):
        await stream.acollect()


async def test_one_that_is_replaced_is_sent_as_it_was(file: Path) -> None:
    stream = FileStream(file)
    before = file.read_bytes()
    file.unlink()
    file.write_bytes(b"other")
    assert await stream.acollect() == before


def test_an_answer_that_nobody_takes_keeps_no_file_open(file: Path) -> None:
    stream = FileStream(file)
    assert open_files(file)
    del stream
    assert not open_files(file)


@pytest.mark.parametrize("name", ["absent", ""])
def test_what_is_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises((FileNotFoundError, IsADirectoryError)):
        FileStream(tmp_path / name)


def test_what_is_no_regular_file() -> None:
    with pytest.raises(IsADirectoryError, match="is not a file"):
        FileStream("/dev/null")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.png", "image/png"),
        ("a.html", "text/html"),
        ("a", "application/octet-stream"),
        ("a.html.gz", "application/octet-stream"),
    ],
)
def test_media_types_by_name(name: str, media_type: str) -> None:
    assert media_type_of(Path(name)) == media_type
