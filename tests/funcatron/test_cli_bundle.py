"""``funcatron bundle``, and what is done with what it makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from funcatron.cli import main
from tests.funcatron.test_bundles_opening import CONTENT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "project"
    folder.mkdir()
    for name, content in CONTENT:
        (folder / name).write_bytes(content.replace(b"bundled_handlers", b"cli_bundled"))
    (folder / "bundled_handlers.py").rename(folder / "cli_bundled.py")
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    out, err = capsys.readouterr()
    return exit_.value.code or 0, out, err  # type: ignore[return-value]


def test_a_folder_becomes_a_bundle_that_is_called(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "bundle", "project")
    assert code == 0
    name = out.strip()
    assert name.startswith("project.zip#sha256=")
    code, out, _ = run(capsys, "invoke", name, "cli_bundled.hello")
    assert (code, out) == (0, "from a bundle\n")
    assert run(capsys, "check", name)[0] == 0
    told = json.loads(run(capsys, "bundle", "project", "-o", "other.zip", "--json")[1])
    assert f"{told['file']}#sha256={told['sha256']}" == name.replace("project.zip", "other.zip")


def test_what_cannot_be_bundled_or_opened_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "openapi.yaml").unlink()
    code, out, err = run(capsys, "bundle", "project")
    assert (code, out) == (1, "")
    assert err.startswith("Error: there has to be one document at its top")
    (project.parent / "bad.zip").write_bytes(b"PK not really")
    code, _, err = run(capsys, "check", "bad.zip")
    assert (code, err.count("\n")) == (1, 1)
    assert "bad.zip: the archive is damaged" in err
