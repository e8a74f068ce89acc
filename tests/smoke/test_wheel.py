"""The built wheel, installed alone: what is in it, and that it serves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

import funcatron
from funcatron.extras import MissingExtra

BIN = Path(sys.executable).parent
DATA = [
    "funcatron/py.typed",
    "funcatron/cli/skeletons/api/openapi.yaml.in",
    "funcatron_celery/py.typed",
    "funcatron_flask/py.typed",
    "funcatron_openapi/callbacks.yaml",
    "funcatron_openapi/control.yaml",
    "funcatron_openapi/x-funcatron.schema.json",
    "funcatron_openstack/py.typed",
]
WITH_OPENSTACK = {"funcatron.bundles", "funcatron.connections", "funcatron.identities", "funcatron.trusts"}
"""Groups of plugins that are loaded when they are asked for, and need the extra ``openstack``."""


def test_the_wheel_holds_our_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.startswith("funcatron")} == set()
    assert tops >= {"funcatron", "funcatron_celery", "funcatron_flask", "funcatron_openapi", "funcatron_openstack"}
    assert set(DATA) <= set(names)
    assert [name for name in names if "__pycache__" in name or ("/tests/" in name and "skeleton" not in name)] == []


def test_this_is_the_installed_one(wheel: Path) -> None:
    assert Path(funcatron.__file__).is_relative_to(sys.prefix)


def test_what_it_needs_is_installed(wheel: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", funcatron.__all__)
def test_every_public_name_is_there(wheel: Path, name: str) -> None:
    assert getattr(funcatron, name)


def test_every_plugin_loads(wheel: Path) -> None:
    points = distribution("funcatron").entry_points
    assert {point.group for point in points} == {
        "console_scripts",
        "funcatron.applications",
        "funcatron.bundles",
        "funcatron.connections",
        "funcatron.dispatchers",
        "funcatron.events",
        "funcatron.identities",
        "funcatron.stores",
        "funcatron.triggers",
        "funcatron.trusts",
        "funcatron.workers",
        "pytest11",
    }
    for point in points:
        wanted = {"postgres": "postgres", "postgresql": "postgres", "flask": "flask"}.get(point.name)
        extra = "openstack" if point.group in WITH_OPENSTACK else wanted
        if extra is None:
            assert point.load(), point
        else:
            with pytest.raises(MissingExtra, match=rf'pip install "funcatron\[{extra}\]"'):
                point.load()


@pytest.fixture
def served(tmp_path: Path, wheel: Path) -> Iterator[str]:
    subprocess.run([BIN / "funcatron", "new", "hello"], cwd=tmp_path, check=True)
    command = [BIN / "funcatron", "run", "openapi.yaml", "--port", "0"]
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=tmp_path / "hello", env=environ, stdout=out, stderr=out, process_group=0
        )
    end = time.monotonic() + 60
    while "Ctrl-C ends it." not in log.read_text():
        assert time.monotonic() < end, log.read_text()
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    address = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
    assert address, log.read_text()
    yield address[0]
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 0
    assert "Traceback" not in log.read_text()


def ask(url: str, body: Any = None) -> tuple[int, Any, str | None]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read()), answer.headers.get("Location")
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.status, json.loads(refused.read()), None


def test_it_serves(served: str) -> None:
    assert ask(f"{served}/greetings/Ada?times=2")[:2] == (200, {"greeting": "Hello, Ada! Hello, Ada!"})
    status, problem, _ = ask(f"{served}/greetings/Ada?times=9")
    assert (status, [error["pointer"] for error in problem["errors"]]) == (400, ["/query/times"])
    assert urllib.request.urlopen(f"{served}/ui/", timeout=30).status == 200

    status, _, location = ask(f"{served}/letters", {"to": "Ada", "lines": ["How are you?"]})
    assert status == 202
    end = time.monotonic() + 30
    while (execution := ask(f"{served}{location}")[1])["ended_at"] is None:
        assert time.monotonic() < end, execution
        time.sleep(0.05)
    assert (execution["state"], execution["result"]) == ("succeeded", {"letter": "Dear Ada,\nHow are you?"})
