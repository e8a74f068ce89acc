"""funcatron.spec.cache and kept: what was valid is not read again; whatever is wrong with an entry makes it absent."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from funcatron.errors import SpecError
from funcatron.settings import Settings
from funcatron.spec import document as documents
from funcatron.spec import kept as keeping
from funcatron.spec.cache import MOST_ENTRIES, DocumentCache
from funcatron.spec.document import Document, examine, load

MAIN = """
openapi: 3.0.3
info: {title: T, version: "1"}
paths:
  /pets/{id}:
    get:
      operationId: pets.get
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses:
        "200": {description: ok, content: {application/json: {schema: {$ref: "parts/pet.yaml#/Pet"}}}}
"""
PART = "Pet: {type: object, properties: {parent: {$ref: '#/Pet'}, age: {type: number, maximum: 1.5e3}}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "pet.yaml").write_text(PART)
    (tmp_path / "openapi.yaml").write_text(MAIN)
    return tmp_path


@pytest.fixture
def cache(tmp_path: Path) -> DocumentCache:
    return DocumentCache(tmp_path / "cache")


def _entries(cache: DocumentCache) -> list[Path]:
    return sorted(cache.folder.iterdir()) if cache.folder.exists() else []


def _is_read(monkeypatch: pytest.MonkeyPatch, path: Path, cache: DocumentCache | None) -> bool:
    """Load a document, and tell whether its text was parsed for it."""
    parsed = []
    read = documents.read
    with monkeypatch.context() as patch:
        patch.setattr(documents, "read", lambda source: parsed.append(source) or read(source))
        load(path, cache)
    return bool(parsed)


def _said(document: Document) -> Any:
    return [document.content, document.operations, document.files, document.folder, document.source, document.base_path]


def test_a_document_from_the_cache_is_the_same(
    folder: Path, cache: DocumentCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "openapi.yaml"
    fresh = load(path, cache)
    assert not _is_read(monkeypatch, path, cache)
    again = load(path, cache)
    assert repr(_said(again)) == repr(_said(fresh))
    assert list(again.content["paths"]) == list(fresh.content["paths"])
    for pointer in ("/paths/~1pets~1{id}/get", "/components/schemas/Pet/properties/age", "/info"):
        assert again.mistake(pointer, "m") == fresh.mistake(pointer, "m")
    assert again.mistake("/components/schemas/Pet", "m").file.endswith("pet.yaml")


def test_a_change_of_any_file_is_seen(folder: Path, cache: DocumentCache, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "openapi.yaml"
    load(path, cache)
    (folder / "parts" / "pet.yaml").write_text(PART.replace("number", "integer"))
    assert load(path, cache).content["components"]["schemas"]["Pet"]["properties"]["age"]["type"] == "integer"
    path.write_text(MAIN.replace("title: T", "title: U"))
    assert load(path, cache).title == "U"
    assert not _is_read(monkeypatch, path, cache)
    (folder / "parts" / "pet.yaml").unlink()
    with pytest.raises(SpecError, match=r"pet\.yaml"):
        load(path, cache)


def test_mistakes_are_found_every_time(folder: Path, cache: DocumentCache) -> None:
    path = folder / "openapi.yaml"
    path.write_text(MAIN.replace("required: true, ", ""))
    for _ in range(2):
        assert examine(path, cache)[1]
    assert _entries(cache) == []


def test_another_version_of_the_code_reads_again(
    folder: Path, cache: DocumentCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(folder / "openapi.yaml", cache)
    monkeypatch.setattr(keeping, "_reader", lambda: "a later one")
    assert _is_read(monkeypatch, folder / "openapi.yaml", cache)


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "appended", "folder", "other"])
def test_a_damaged_entry_is_absent_and_written_again(
    folder: Path, cache: DocumentCache, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "openapi.yaml"
    load(path, cache)
    (entry,) = _entries(cache)
    content = entry.read_bytes()
    if damage == "folder":
        entry.unlink()
        entry.mkdir()
    elif damage == "other":
        cache.put(entry.name, {"not": "an entry"})
    else:
        flipped = bytes([*content[:-1], content[-1] ^ 1])
        entry.write_bytes({"empty": b"", "cut": content[:-9], "flipped": flipped, "appended": content + b"x"}[damage])
    assert _is_read(monkeypatch, path, cache)
    if damage != "folder":
        assert not _is_read(monkeypatch, path, cache)


def test_what_others_could_have_written_is_not_trusted(
    folder: Path, cache: DocumentCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "openapi.yaml"
    load(path, cache)
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    cache.folder.chmod(0o777)
    assert _is_read(monkeypatch, path, cache)
    cache.folder.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    assert _is_read(monkeypatch, path, cache)


def test_no_cache_is_needed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for cache in (None, DocumentCache(tmp_path / "file" / "below")):
        assert _is_read(monkeypatch, folder / "openapi.yaml", cache)
        assert _is_read(monkeypatch, folder / "openapi.yaml", cache)


def test_dicts_are_not_kept(cache: DocumentCache) -> None:
    load({"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {}}, cache)
    assert _entries(cache) == []


@pytest.mark.parametrize("odd", [2**70, "\ud800"])
def test_what_cannot_be_kept_is_read(tmp_path: Path, cache: DocumentCache, odd: Any) -> None:
    path = tmp_path / "odd.json"
    content = {"openapi": "3.0.3", "info": {"title": "T", "version": "1", "x-odd": odd}, "paths": {}}
    path.write_text(json.dumps(content))
    for _ in range(2):
        assert load(path, cache).content["info"]["x-odd"] == odd
    assert _entries(cache) == []


def test_the_oldest_entries_are_deleted(cache: DocumentCache) -> None:
    for number in range(MOST_ENTRIES + 3):
        cache.put(f"{number:064}", number)
        os.utime(cache.folder / f"{number:064}", (number, number))
    cache.put("f" * 64, "newest")
    assert len(_entries(cache)) == MOST_ENTRIES
    assert cache.get("f" * 64, str) == "newest"
    assert cache.get(f"{0:064}", int) is None


def test_any_number_may_write_one_entry(cache: DocumentCache) -> None:
    values = [str(number) * 100_000 for number in range(8)]
    seen: list[Any] = []

    def write(value: str) -> None:
        for _ in range(20):
            cache.put("k", value)
            seen.append(cache.get("k", str))

    writers = [threading.Thread(target=write, args=(value,)) for value in values]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert set(seen) <= set(values)
    assert [entry.name for entry in _entries(cache)] == ["k"]


def test_the_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Settings().cache_folder == tmp_path / "funcatron"
    assert Settings(cache=False).cache_folder is None
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # such a one is to be ignored
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert Settings().cache_folder == tmp_path / "me" / ".cache" / "funcatron"
