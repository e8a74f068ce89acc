"""Archives that mean harm, or are broken: nothing is written outside, nothing without bound."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from funcatron.bundles import archive
from funcatron.bundles.archive import unpack
from funcatron.bundles.errors import BundleError

Pack = Callable[..., bytes]


def packed_zip(*members: tuple[str, bytes], **attributes: int) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members:
            member = zipfile.ZipInfo("placeholder")
            member.filename = member.orig_filename = name
            member.compress_type = zipfile.ZIP_DEFLATED
            for key, value in attributes.items():
                setattr(member, key, value)
            made.writestr(member, content)
    return file.getvalue()


def packed_tar(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE, linkname: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as made:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname, member.mode = len(content), kind, linkname, 0o4777
            made.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture(params=[packed_zip, packed_tar], ids=["zip", "tar"])
def pack(request: pytest.FixtureRequest) -> Pack:
    found: Pack = request.param
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "inside" / "bundle"
    made.mkdir(parents=True)
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_and_folders_come_out(pack: Pack, folder: Path) -> None:
    content = {"openapi.yaml": b"1", "a/b/c.py": b"2" * 100_000, "a/empty.py": b"", "ünïcödé/日本.txt": b"3"}
    unpack(io.BytesIO(pack(*content.items())), folder)
    assert files(folder) == content
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()} == {0o600}


@pytest.mark.parametrize(
    "name",
    [
        "../out",
        "a/../../out",
        "/out",
        "//out",
        "a//out",
        "..",
        ".",
        "",
        "..\\out",
        "a\\b",
        "C:out",
        "C:/out",
        "a/./../../out",
        "line\nbreak",
        "bell\x07",
        "hidden\u200bspace",
        "right\u202eto-left.py",
        "x" * 256,
        "/".join("x" * 33),
    ],
)
def test_names_that_are_not_safe_are_refused(pack: Pack, folder: Path, name: str) -> None:
    with pytest.raises(BundleError):
        unpack(io.BytesIO(pack(("good", b""), (name, b"evil"))), folder)
    assert [path for path in folder.parent.parent.rglob("*") if path.is_file()] in ([], [folder / "good"])


@pytest.mark.parametrize(
    "names", [("a", "a"), ("a.py", "A.py"), ("a", "a/b"), ("a/b", "a"), ("caf\u00e9", "cafe\u0301"), ("A/b", "a")]
)
def test_no_two_members_mean_the_same_file(pack: Pack, folder: Path, names: tuple[str, str]) -> None:
    with pytest.raises(BundleError):
        unpack(io.BytesIO(pack(*((name, b"") for name in names))), folder)


def test_a_name_with_a_nul_is_not_cut_there(folder: Path) -> None:
    good = packed_zip(("aXb.py", b""))
    with pytest.raises(BundleError):
        unpack(io.BytesIO(good.replace(b"aXb.py", b"a\x00b.py")), folder)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE]
)
def test_links_and_devices_are_refused(folder: Path, kind: bytes) -> None:
    evil = packed_tar(("link", b""), kind=kind, linkname="/etc/passwd")
    if kind == tarfile.CONTTYPE:
        unpack(io.BytesIO(evil), folder)  # a contiguous file is a file
        assert files(folder) == {"link": b""}
        return
    with pytest.raises(BundleError, match="neither a file nor a folder"):
        unpack(io.BytesIO(evil), folder)
    assert files(folder) == {}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_in_zip_archives_are_refused(folder: Path, kind: int) -> None:
    with pytest.raises(BundleError, match="neither a file nor a folder"):
        unpack(io.BytesIO(packed_zip(("link", b"/etc/passwd"), external_attr=(kind | 0o777) << 16)), folder)


def test_an_encrypted_member_is_refused(folder: Path) -> None:
    made = bytearray(packed_zip(("secret", b"x")))
    made[made.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(BundleError, match="encrypted"):
        unpack(io.BytesIO(bytes(made)), folder)


def test_a_bomb_is_stopped_by_what_it_writes(pack: Pack, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_CONTENT", 1 << 20)
    monkeypatch.setattr(archive, "_HEADERS", 1 << 16)
    bomb = pack(("zeros", bytes(8 << 20)))
    assert len(bomb) < 1 << 16
    with pytest.raises(BundleError, match="more than 1 MiB"):
        unpack(io.BytesIO(bomb), folder)
    assert sum(len(content) for content in files(folder).values()) <= 1 << 20


def test_many_small_files_are_stopped(pack: Pack, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 5)
    with pytest.raises(BundleError, match="more than 5"):
        unpack(io.BytesIO(pack(*((f"f{number}", b"") for number in range(6)))), folder)


def test_a_header_that_is_a_bomb_is_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_CONTENT", 1 << 20)
    monkeypatch.setattr(archive, "_HEADERS", 1 << 16)
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 64 << 20
    with pytest.raises(BundleError, match="more than 1 MiB"):
        unpack(io.BytesIO(gzip.compress(header.tobuf() + bytes(64 << 20))), folder)


def test_a_size_that_is_a_lie_is_an_error(folder: Path) -> None:
    made = bytearray(packed_zip(("f", b"x" * 1000)))
    central = made.index(b"PK\x01\x02")
    made[central + 24 : central + 28] = (10).to_bytes(4, "little")
    with pytest.raises(BundleError):
        unpack(io.BytesIO(bytes(made)), folder)


@pytest.mark.parametrize("content", [b"", b"P", b"text", b"PK", b"PK\x03\x04", b"\x1f\x8b", b"\x1f\x8b" + bytes(50)])
def test_what_is_no_archive_is_refused(folder: Path, content: bytes) -> None:
    with pytest.raises(BundleError):
        unpack(io.BytesIO(content), folder)


def test_whatever_is_cut_off_or_turned_is_refused_or_whole(pack: Pack, folder: Path) -> None:
    content = {"a.py": b"some text of some length" * 20, "b.py": b"other"}
    good = pack(*content.items())
    for length in range(0, len(good) - 1, 7):
        with pytest.raises(BundleError):
            unpack(io.BytesIO(good[:length]), fresh(folder, f"cut{length}"))
    for place in range(2, len(good), 5):
        turned = bytearray(good)
        turned[place] ^= 0x55
        target = fresh(folder, f"turned{place}")
        try:
            unpack(io.BytesIO(bytes(turned)), target)
        except BundleError:
            continue
        assert set(files(target).values()) <= set(content.values())


def fresh(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def test_zip_archives_of_other_kinds_of_compression(folder: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as made:
        made.writestr("stored.py", b"1")
        made.mkdir("folder")
    unpack(io.BytesIO(file.getvalue()), folder)
    assert files(folder) == {"stored.py": b"1"}
    assert (folder / "folder").is_dir()
