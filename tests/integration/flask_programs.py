"""Flask programs that no one here wrote, with their own tests: from source distributions of PyPI, fetched once.

``python -m tests.integration.flask_programs`` runs all tests of all of them, through our door and without it
(``make flask-programs``); a part of them is run by the test suite.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.integration.sdist import unpacked

__all__ = ["PROGRAMS", "Program", "Ran"]

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a program's tests; ``calls`` of functions went through our door."""

    passed: int
    failed: int
    calls: int
    said: str


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the distribution ``name``: its tests are run in ``folder``. ``quick`` chooses a part of them,
    ``left`` are tests that ask for the reason phrase of a status ("201 CREATED"), which ASGI does not carry.
    """

    name: str
    version: str
    folder: str
    tests: str
    quick: str = ""
    left: Sequence[str] = ()

    def run(self, *, quick: bool = False, through_our_door: bool = True) -> Ran:
        """Run its tests in a process of their own."""
        folder = unpacked(self.name, self.version, self.folder)
        chosen = ["-k", self.quick] if quick and self.quick else []
        left = [f"--deselect={test}" for test in self.left]
        plugin = ["-p", "flask_door"] if through_our_door else []
        command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(folder), "--tb=short"]
        command += ["-p", "no:cacheprovider", *plugin, *chosen, *left, self.tests]
        path = os.pathsep.join([str(HERE), str(folder)])
        environ = {**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, env=environ)
        said = done.stdout + done.stderr
        return Ran(_count("passed", said), _count("failed", said) + _count("error", said), _count("calls", said), said)


def _count(what: str, said: str) -> int:
    found = re.findall(rf"(\d+) {what}", said)
    return int(found[-1]) if found else 0


PROGRAMS = {
    "flaskr": Program("flask", "3.1.3", "examples/tutorial", "tests"),
    "flask-smorest": Program(
        "flask-smorest",
        "0.47.0",
        ".",
        "tests",
        quick="TestFullExample",
        left=[
            "tests/test_response.py::TestResponse::test_response_tuple",
            "tests/test_response.py::TestResponse::test_response_response_object",
        ],
    ),
    "APIFlask": Program(
        "apiflask", "3.1.2", "examples", "test_examples.py", quick="basic and not openapi and not bad_data"
    ),
}
"""Flask's own tutorial, the tests of flask-smorest, and APIFlask's examples with their tests."""


def main() -> int:
    """Run everything; the exit code is 1 if anything fails through our door that does not fail without it."""
    worse = False
    for name, program in PROGRAMS.items():
        alone, ours = program.run(through_our_door=False), program.run()
        print(f"{name:<14} alone {alone.passed} of {alone.passed + alone.failed}, ", end="")
        print(f"through our door {ours.passed} of {ours.passed + ours.failed} ({ours.calls} calls of functions)")
        worse = worse or ours.failed > alone.failed
        print(ours.said if ours.failed > alone.failed else "", end="")
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
