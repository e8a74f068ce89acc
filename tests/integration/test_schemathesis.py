"""schemathesis, all of its checks, over real HTTP: the shop, the control API, and parameters of every style.

``SCHEMATHESIS_EXAMPLES`` (cases for each operation and phase, 15) and ``SCHEMATHESIS_SEED`` (1; ``random`` for a new
one) make it look deeper; without the former, styles have a few cases only. What a document cannot say is in
schemathesis.toml.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.running import SHOP, Program, environment, running
from tests.integration.styles import write_styles

CONFIGURATION = Path(__file__).parents[2] / "schemathesis.toml"
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "15")
SEED = os.environ.get("SCHEMATHESIS_SEED", "1")
TOKEN = "a long and random token"
HOME = {"FUNCATRON_CALLBACK_HOSTS": "localhost"}
"""Made-up callback URLs are refused before their names are looked up: nothing leaves this machine."""


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("shop")
    with running("run", SHOP, write_styles(folder), folder=folder, port=free_port(), extra=HOME) as program:
        yield program


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Program]:
    settings = {"FUNCATRON_CONTROL_TOKEN": TOKEN, **HOME}
    folder = tmp_path_factory.mktemp("shop")
    with running("run", SHOP, folder=folder, port=free_port(), extra=settings) as program:
        yield program


def examine(program: Program, document: str, *options: str) -> tuple[int, int]:
    """Run schemathesis; returns how many operations it called, and how many cases it made. None may fail."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run", program.url + document,
        "--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure", "--no-color",
        "--max-examples", EXAMPLES, "--generation-database", "none", *options,
    ]  # fmt: skip
    if SEED != "random":
        command += ["--seed", SEED]
    done = subprocess.run(
        command, cwd=program.folder, env=environment(), capture_output=True, text=True, check=False, timeout=3600
    )
    with program.watched():
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in program.output()
        assert program.http.get("/_funcatron/health/ready").status_code == 200
    operations = re.search(r"Tested: (\d+)", done.stdout)
    cases = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert operations, done.stdout
    assert cases, done.stdout
    print(done.stdout)
    return int(operations[1]), int(cases[2])


def test_the_shop(open_to_all: Program) -> None:
    operations, cases = examine(open_to_all, "/shop/openapi.json")
    assert operations == 6
    assert cases > 300


def test_every_style_of_parameters(open_to_all: Program) -> None:
    few = () if "SCHEMATHESIS_EXAMPLES" in os.environ else ("--phases", "fuzzing", "--max-examples", "3")
    operations, cases = examine(open_to_all, "/styles/openapi.json", *few)
    assert operations == 9
    assert cases >= 27


def test_the_control_api(open_to_all: Program) -> None:
    operations, cases = examine(open_to_all, "/_funcatron/openapi.json")
    assert operations == 14
    assert cases > 300


def test_the_control_api_behind_a_token(locked: Program) -> None:
    operations, cases = examine(locked, "/_funcatron/openapi.json", "-H", f"Authorization: Bearer {TOKEN}")
    assert operations == 14
    assert cases > 300
