"""Runs connexion's own test suite twice, with AsyncApp and with PlannedApp as its only application class:
``python -m tests.conformance.connexion_suite CHECKOUT [FOLDER]``.

CHECKOUT is a clone of connexion's repository (github.com/spec-first/connexion) at a commit that goes with the installed
release; pytest-asyncio has to be installed. The tests are copied to FOLDER (a new one in the temporary folder), since
pytest would import the checkout instead of the installed release. Succeeds if PlannedApp fails nowhere that AsyncApp
does not: some of the tests want the network, or packages that may not be there (``jsf``). Says how many of the suite's
requests PlannedApp answered without connexion's stack: with none the suite would say nothing of plans.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PLANNED = """
from funcatron.http import PlannedApp
from funcatron.http.plan.detour import KEY, DetourMiddleware
from funcatron.http.plan.front import PlanMiddleware

APP_CLASSES = [PlannedApp]
SERVED = {PlanMiddleware: 0, DetourMiddleware: 0}


def _count(kind):
    call = kind.__call__

    def counting(self, scope, receive, send):
        SERVED[kind] += scope["type"] == "http" and KEY not in scope
        return call(self, scope, receive, send)

    kind.__call__ = counting


for kind in SERVED:
    _count(kind)


def pytest_terminal_summary(terminalreporter):
    every, passed = SERVED.values()
    terminalreporter.write_line(f"requests: {every}, without connexion's stack: {every - passed}")
"""
CLASSES = {"AsyncApp": "APP_CLASSES = [AsyncApp]", "PlannedApp": PLANNED}
COPIED = ("docs", "examples", "pyproject.toml")


def run(checkout: Path, folder: Path) -> int:
    """Run both and print what differs; return the exit code."""
    for name in COPIED:
        source = checkout / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    failures = {name: _failures(checkout, folder, name) for name in CLASSES}
    more = sorted(failures["PlannedApp"] - failures["AsyncApp"])
    both = sorted(failures["PlannedApp"] & failures["AsyncApp"])
    print(f"fail with both: {len(both)}", *both, f"fail with PlannedApp alone: {len(more)}", *more, sep="\n")
    return 1 if more else 0


def _failures(checkout: Path, folder: Path, name: str) -> set[str]:
    tests = folder / "tests"
    shutil.rmtree(tests, ignore_errors=True)
    shutil.copytree(checkout / "tests", tests)
    conftest = tests / "conftest.py"
    text, replaced = re.subn(r"^APP_CLASSES = .*$", lambda _: CLASSES[name], conftest.read_text(), flags=re.MULTILINE)
    if not replaced:
        raise SystemExit("this checkout's tests/conftest.py has no APP_CLASSES")
    conftest.write_text(text)
    pytest = [
        sys.executable,
        "-m",
        "pytest",
        "tests",
        "-q",
        "-rfE",
        "-o",
        "asyncio_mode=auto",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(pytest, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    counted = re.findall("^requests: .*$", done.stdout, flags=re.MULTILINE)
    print(f"{name}: " + "; ".join([done.stdout.strip().splitlines()[-1], *counted]))
    return set(re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, flags=re.MULTILINE))


if __name__ == "__main__":
    place = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.mkdtemp(prefix="connexion-suite-"))
    place.mkdir(parents=True, exist_ok=True)
    sys.exit(run(Path(sys.argv[1]).resolve(), place.resolve()))
