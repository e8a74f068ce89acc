"""From the name of a bundle to its document: digests, the folder where bundles are kept, what is served."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from funcatron import Funcatron, plugins
from funcatron.bundles import documents_of, is_bundle, opening
from funcatron.bundles.errors import BundleError
from funcatron.bundles.making import make
from funcatron.bundles.opening import opened
from funcatron.errors import Unavailable
from funcatron.settings import Settings, load_settings
from tests.funcatron.test_bundles_archive import packed_tar, packed_zip

pytestmark = pytest.mark.anyio

DOCUMENT = b"""
openapi: 3.0.3
info: {title: Bundled, version: "1"}
paths:
  /hello:
    get: {operationId: bundled_handlers.hello, responses: {"200": {description: fine}}}
"""
CONTENT = (("openapi.yaml", DOCUMENT), ("bundled_handlers.py", b"def hello():\n    return 'from a bundle'\n"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return load_settings({"data_dir": str(tmp_path / "data")}, environ={})


@pytest.fixture
def path() -> Iterator[None]:
    """Handlers of bundles are imported from where they are kept."""
    before = list(sys.path)
    yield
    sys.path[:] = before
    sys.modules.pop("bundled_handlers", None)


def bundle(folder: Path, name: str = "b.zip", *content: tuple[str, bytes]) -> tuple[str, str]:
    """Write a bundle, and return its path and digest."""
    pack = packed_zip if name.endswith(".zip") else packed_tar
    made = pack(*(content or CONTENT))
    (folder / name).write_bytes(made)
    return str(folder / name), hashlib.sha256(made).hexdigest()


@pytest.mark.parametrize(
    ("spec", "is_one"),
    [
        ("b.zip", True),
        ("./a/b.tar.gz", True),
        ("b.TGZ", True),
        ("swift://c/b.zip#sha256=0", True),
        ("swift://c/a#b.zip", False),
        ("openapi.yaml", False),
        ("https://example.com/b.zip", False),
        ("zip", False),
        ("package.module:name", False),
        (Path("b.zip"), False),
        ({"openapi": "3.0.3"}, False),
    ],
)
def test_what_names_a_bundle(spec: Any, is_one: bool) -> None:
    assert is_bundle(spec) is is_one


@pytest.mark.parametrize("name", ["b.zip", "b.tar.gz", "b.tgz"])
async def test_a_bundle_is_served(tmp_path: Path, settings: Settings, path: None, name: str) -> None:
    place, digest = bundle(tmp_path, name)
    made = Funcatron(place, settings=settings)
    assert (await made.invoke("bundled_handlers.hello")).value == "from a bundle"
    assert made.documents[0].folder == tmp_path / "cache" / "funcatron" / "bundles" / digest
    made.close()


def test_it_is_unpacked_once(tmp_path: Path, settings: Settings) -> None:
    place, digest = bundle(tmp_path)
    first = opened(place, settings)
    before = first.stat()
    assert opened(f"{place}#sha256={digest.upper()}", settings) == first
    assert opened(place, settings).stat().st_ino == before.st_ino
    assert [entry.name for entry in first.parent.parent.iterdir()] == [digest]


def test_a_digest_that_is_pinned_has_to_be_the_one(tmp_path: Path, settings: Settings) -> None:
    place, digest = bundle(tmp_path)
    with pytest.raises(BundleError, match=rf"has the digest sha256={digest}, not sha256={'0' * 64}"):
        opened(f"{place}#sha256={'0' * 64}", settings)
    assert list((tmp_path / "cache" / "funcatron" / "bundles").iterdir()) == []


def test_what_was_opened_by_its_digest_is_not_fetched_again(tmp_path: Path, settings: Settings) -> None:
    place, digest = bundle(tmp_path)
    first = opened(place, settings)
    Path(place).unlink()
    assert opened(f"{place}#sha256={digest}", settings) == first
    with pytest.raises(BundleError, match="cannot be read: No such file"):
        opened(place, settings)


@pytest.mark.parametrize("pin", ["", "sha256=", "sha256=12", "sha256=" + "x" * 64, "md5=" + "0" * 32, "0" * 64])
def test_a_pin_that_is_none_is_refused(tmp_path: Path, settings: Settings, pin: str) -> None:
    place, _ = bundle(tmp_path)
    with pytest.raises(BundleError, match="64 hexadecimal digits"):
        opened(f"{place}#{pin}", settings)


def test_a_folder_at_the_top_is_looked_into(tmp_path: Path, settings: Settings) -> None:
    place, _ = bundle(tmp_path, "b.zip", *((f"project-1.0/{name}", content) for name, content in CONTENT))
    assert opened(place, settings).parent.name == "project-1.0"


@pytest.mark.parametrize(
    ("names", "found"), [(("readme.md",), 0), (("openapi.yaml", "swagger.json"), 2), (("a/openapi.yaml", "b"), 0)]
)
def test_there_has_to_be_one_document(tmp_path: Path, settings: Settings, names: tuple[str, ...], found: int) -> None:
    place, _ = bundle(tmp_path, "b.zip", *((name, b"x") for name in names))
    with pytest.raises(BundleError, match=rf"b\.zip: there has to be one document.*there are {found}"):
        opened(place, settings)
    assert list((tmp_path / "cache" / "funcatron" / "bundles").iterdir()) == []


def test_what_is_refused_leaves_nothing(tmp_path: Path, settings: Settings) -> None:
    place, _ = bundle(tmp_path, "b.zip", ("openapi.yaml", b""), ("../out", b"evil"))
    with pytest.raises(BundleError, match="leads out of the bundle"):
        opened(place, settings)
    assert list((tmp_path / "cache" / "funcatron" / "bundles").iterdir()) == []
    assert not list(tmp_path.rglob("out"))


def test_a_large_one_is_not_read_to_its_end(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "MAX_ARCHIVE", 1 << 20)
    (tmp_path / "b.zip").write_bytes(bytes(1 + (1 << 20)))
    with pytest.raises(BundleError, match="larger than 1 MiB"):
        opened(str(tmp_path / "b.zip"), settings)


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, settings: Settings) -> None:
    place, _ = bundle(tmp_path)
    kept = opened(place, settings).parent.parent
    kept.chmod(0o777)
    with pytest.raises(BundleError, match="not this user's alone"):
        opened(place, settings)


def test_without_a_cache_it_is_kept_with_the_data(tmp_path: Path) -> None:
    place, digest = bundle(tmp_path)
    settings = load_settings({"data_dir": str(tmp_path / "data"), "cache": False}, environ={})
    assert opened(place, settings) == tmp_path / "data" / "bundles" / digest / "openapi.yaml"


def test_documents_beside_bundles_stay(tmp_path: Path, settings: Settings) -> None:
    place, _ = bundle(tmp_path)
    found = documents_of(["a.yaml", place], settings)
    assert found[0] == "a.yaml"
    assert found[1].name == "openapi.yaml"
    assert documents_of(("a.yaml",), settings) == ("a.yaml",)


class Elsewhere:
    """Where bundles are fetched from."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked: list[str] = []

    def fetch(self, url: str, sink: Any, settings: Settings) -> None:
        self.asked.append(url)
        if not self.content:
            raise Unavailable("out of reach")
        for start in range(0, len(self.content), 100):
            sink.write(self.content[start : start + 100])


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    made = Elsewhere(packed_zip(*CONTENT))
    module = ModuleType("bundles_test_plugin")
    module.fetch = made.fetch  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    ours = {"elsewhere": EntryPoint("elsewhere", f"{module.__name__}:fetch", "funcatron.bundles")}
    monkeypatch.setattr(plugins, "_found", lambda group: ours if group == "funcatron.bundles" else {})
    return made


def test_a_plugin_fetches_by_its_scheme(settings: Settings, elsewhere: Elsewhere) -> None:
    digest = hashlib.sha256(elsewhere.content).hexdigest()
    first = opened("elsewhere://c/a%20b.zip", settings)
    assert elsewhere.asked == ["elsewhere://c/a%20b.zip"]
    assert opened(f"elsewhere://c/a%20b.zip#sha256={digest}", settings) == first  # and nothing is fetched
    assert len(elsewhere.asked) == 1
    elsewhere.content = b""
    with pytest.raises(Unavailable):
        opened("elsewhere://c/other.zip", settings)


def test_a_scheme_that_nobody_knows(settings: Settings, elsewhere: Elsewhere) -> None:
    with pytest.raises(BundleError, match="from files and from elsewhere://"):
        opened("ftp://c/b.zip", settings)


def test_what_is_made_is_opened_and_the_same_each_time(tmp_path: Path, settings: Settings) -> None:
    folder = tmp_path / "project"
    (folder / "package" / "__pycache__").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name, content in (*CONTENT, ("package/__init__.py", b""), ("package/__pycache__/x.pyc", b"x"), (".env", b"x")):
        (folder / name).write_bytes(content)
    digests = {make(folder, target) for target in (tmp_path / "one.zip", folder / "two.zip")}
    (folder / "openapi.yaml").touch()
    digests.add(make(folder, folder / "two.zip"))
    assert len(digests) == 1
    found = opened(f"{tmp_path / 'one.zip'}#sha256={digests.pop()}", settings)
    names = {str(file.relative_to(found.parent)) for file in found.parent.rglob("*") if file.is_file()}
    assert names == {"openapi.yaml", "bundled_handlers.py", "package/__init__.py"}


def test_what_could_not_be_opened_is_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    with pytest.raises(BundleError, match="one document"):
        make(folder, tmp_path / "b.zip")
    (folder / "openapi.yaml").write_bytes(DOCUMENT)
    (folder / "back\\slash").write_bytes(b"")
    with pytest.raises(BundleError, match="leads out"):
        make(folder, tmp_path / "b.zip")
    (folder / "back\\slash").unlink()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(BundleError, match="is a link"):
        make(folder, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()
