"""The benchmarks still run, from the command line to the figures. What the figures are is nobody's assertion."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.benchmarks.delivery.brokers import rabbitmq_missing, redis_missing
from tests.benchmarks.http.cases import LOADED
from tests.benchmarks.http.hops import HOPS
from tests.benchmarks.http.instructions import installed
from tests.benchmarks.http.peers import PEERS
from tests.benchmarks.http.peers import installed as available
from tests.benchmarks.processes import ROOT, environment

pytestmark = pytest.mark.slow


def run(part: str, figures: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--only", part, "--json", str(figures)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(figures.read_text())
    for section in report["sections"].values():
        assert section["title"] in done.stdout
        assert all(figure["subject"] in done.stdout for figure in section["figures"])
    return report


def test_http(tmp_path: Path, required_in_ci: Callable[[str], NoReturn]) -> None:
    sections = run("http", tmp_path / "figures.json")["sections"]
    measured = sections["http"]
    assert {(figure["subject"], figure["case"]) for figure in measured["figures"]} == {
        (peer.title, case) for peer in available(PEERS) for case in peer.cases if case in LOADED
    }
    assert {figure["subject"] for figure in sections["hop"]["figures"]} == set(HOPS)
    assert all("not installed" not in version for version in measured["versions"].values())
    if not installed():
        required_in_ci("valgrind is not installed")
    get, post, _ = (figure["cpu"] for figure in sections["instructions"]["figures"])
    assert 10 < get < post  # thousands of instructions of a bare ASGI callable


def test_delivery(tmp_path: Path, required_in_ci: Callable[[str], NoReturn]) -> None:
    sections = run("delivery", tmp_path / "figures.json")["sections"]
    assert set(sections) == {"accept", "execute", "start", "goals"}
    subjects = {
        key: {figure["subject"] for figure in sections[key]["figures"]} for key in ("accept", "execute", "start")
    }
    assert all("funcatron, SQLite" in found for found in subjects.values())
    missing = {"Redis": redis_missing(), "RabbitMQ": rabbitmq_missing()}
    for broker, why in missing.items():
        if why is not None:
            assert why in sections["accept"]["method"]
            assert [goal["absent"] for goal in sections["goals"]["goals"] if broker in goal["what"]]
            required_in_ci(why)
    assert subjects["execute"] == {
        "funcatron, SQLite",
        "Celery, Redis, solo",
        "Celery, Redis, prefork 2",
        "Celery, RabbitMQ, solo",
    }
    assert subjects["accept"] == {
        "funcatron, SQLite",
        "funcatron, RabbitMQ",
        *(f"Celery, {broker}, {way}" for broker in missing for way in ("apply_async", "to_thread(apply_async)")),
    }
    assert all(goal["measured"] is not None and goal["met"] is not None for goal in sections["goals"]["goals"])
