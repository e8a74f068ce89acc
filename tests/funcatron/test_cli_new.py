from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from funcatron.cli import main
from funcatron.cli.new import TEMPLATES

EVERYWHERE = [".gitignore", "README.md", "funcatron.toml", "pytest.ini"]
OPENAPI = ["handlers.py", "openapi.yaml", "tests/test_handlers.py"]
FILES = {
    "api": OPENAPI,
    "swift": OPENAPI,
    "celery": [*OPENAPI, "producer.py"],
    "flask": ["app.py", "functions.py", "functions.yaml", "tests/test_app.py"],
}
TEST_AND_CHECK = """
import sys, pytest
failed = pytest.main(["-q", "-W", "error", "-p", "no:cacheprovider", "-p", "funcatron.testing.plugin"])
from funcatron.cli.main import cli
sys.exit(failed or cli.main(["check", sys.argv[1]], standalone_mode=False))
"""
"""One process for both: what takes long is to start."""


def new(*args: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["new", *args])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert new("hello") == 0
    return tmp_path / "hello"


def run(folder: Path, *command: str) -> None:
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # of all that is installed here
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_project_is_in_order_and_its_tests_pass(template: str, tmp_path: Path) -> None:
    folder = tmp_path / "my-project"
    assert new(str(folder), "--template", template) == 0
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == sorted([*EVERYWHERE, *FILES[template]])
    assert (folder / "README.md").read_text().startswith("# my-project\n")
    for name in found:
        assert "$name" not in (folder / name).read_text(), name
    run(folder, "-c", TEST_AND_CHECK, TEMPLATES[template])
    run(folder, "-m", "ruff", "check", "--isolated", "--select", "A,E,F,I,UP,B", "--line-length", "120", ".")
    run(folder, "-m", "ruff", "format", "--isolated", "--check", "--line-length", "120", ".")


def test_every_skeleton_is_a_template() -> None:
    assert {folder.name for folder in (files("funcatron.cli") / "skeletons").iterdir()} == set(TEMPLATES)


def test_handlers_are_typed(hello: Path) -> None:
    run(hello, "-m", "mypy", "--strict", "handlers.py")


def test_what_is_there_is_not_overwritten(hello: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (hello / "handlers.py").write_text("mine")
    assert new("hello") == 2
    assert "hello is there already" in capsys.readouterr().err
    assert (hello / "handlers.py").read_text() == "mine"


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert new(str(tmp_path / "empty")) == 0
    assert (tmp_path / "empty" / "openapi.yaml").exists()
