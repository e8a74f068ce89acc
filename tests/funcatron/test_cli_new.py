from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from funcatron.cli import main

FILES = [".gitignore", "README.md", "funcatron.toml", "handlers.py", "openapi.yaml", "tests/test_handlers.py"]


def new(name: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["new", name])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert new("hello") == 0
    return tmp_path / "hello"


def test_the_files_are_there_and_named(hello: Path) -> None:
    assert sorted(str(path.relative_to(hello)) for path in hello.rglob("*") if path.is_file()) == FILES
    assert (hello / "README.md").read_text().startswith("# hello\n")
    for name in FILES:
        assert "$name" not in (hello / name).read_text(), name


@pytest.mark.parametrize(
    "command",
    [
        ["funcatron.cli", "check", "openapi.yaml"],
        ["pytest", "-q", "-W", "error"],
        ["ruff", "check", "--isolated", "--select", "E,F,I,UP,B", "--line-length", "120", "."],
        ["ruff", "format", "--isolated", "--check", "--line-length", "120", "."],
        ["mypy", "--strict", "handlers.py"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_the_project_is_in_order(hello: Path, command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=hello, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_there_is_not_overwritten(hello: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (hello / "handlers.py").write_text("mine")
    assert new("hello") == 2
    assert "hello is there already" in capsys.readouterr().err
    assert (hello / "handlers.py").read_text() == "mine"


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert new(str(tmp_path / "empty")) == 0
    assert (tmp_path / "empty" / "openapi.yaml").exists()
