from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from funcatron.cli import main
from funcatron.cli.main import COMMANDS, message_of
from funcatron.errors import Mistake, SpecError

HEAVY = {"celery", "kombu", "connexion", "starlette", "rich", "httpx", "jsonschema_rs", "yaml", "asyncio"}

AND_SHOW_MODULES = """
import sys
from funcatron.cli import main
try: main({})
finally: print(*sys.modules, file=sys.stderr)
"""


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    shown = capsys.readouterr().out
    for name, line in COMMANDS.items():
        assert name in shown
        assert line in shown


def test_help_is_quick_and_imports_little() -> None:
    script = AND_SHOW_MODULES.format(["--help"])
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    seconds = []
    for _ in range(3):
        before = os.times()
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=plain)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert {name.partition(".")[0] for name in done.stderr.split()} & HEAVY == set()
    assert min(seconds) < 0.3


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_imports_no_server(name: str) -> None:
    script = AND_SHOW_MODULES.format([name, "--help"])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Usage: funcatron" in done.stdout
    loaded = {module.partition(".")[0] for module in done.stderr.split()}
    assert loaded & {"celery", "kombu", "connexion", "rich", "httpx", "jsonschema_rs"} == set()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("funcatron 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "No such command 'rnu'"),
        (["run"], "Missing argument 'SPEC...'"),
        (["run", "x.yaml", "--prot", "1"], "No such option"),
        (["run", "x.yaml", "--port", "many"], "'many' is not a valid integer"),
        (["run", "x.yaml", "--port", "70000"], "the command line: port is 70000"),
        (["run", "x.yaml", "--store", "file.db"], "store must be a URL"),
        (["executions", "redrive"], "Name executions, or give a filter"),
        (["executions", "list", "--since", "yesterday"], "neither a time such as"),
        (["executions", "list", "--state", "lost"], "'lost' is not one of"),
        (["invoke", "x.yaml", "f", "--input", "{"], "this is not JSON"),
        (["invoke", "x.yaml", "f", "--input", "@nowhere.json"], "nowhere.json cannot be read"),
        (["invoke", "x.yaml", "f", "--input", "[]"], "the arguments are a JSON object"),
        (["invoke", "x.yaml", "f", "--async", "--event", "{}"], "exclude each other"),
        (["new", "a/b c"], "a name has letters"),
    ],
)
def test_a_wrong_call_is_one_message_and_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", [["run"], ["functions"], ["check"], ["serve"], ["worker"], ["triggers"]])
def test_a_document_that_is_not_there_is_one_message_and_code_1(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*command, "nowhere.yaml") == 1
    out, err = capsys.readouterr()
    assert "nowhere.yaml" in out + err
    assert "Traceback" not in out + err


def test_mistakes_are_listed_and_counted() -> None:
    error = SpecError([Mistake("a.yaml", 3, "/paths", "is wrong"), Mistake("a.yaml", 1, "", "is wrong too")])
    assert message_of(error) == "a.yaml:1: is wrong too\na.yaml:3 #/paths: is wrong\n2 mistakes"


def test_a_reader_that_has_left_is_no_traceback() -> None:
    program = f"{sys.executable} -m funcatron.cli --help | true"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
