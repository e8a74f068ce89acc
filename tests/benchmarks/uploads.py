"""From an upload into Swift to the function that it calls, on a stack of devstack/mini."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import nan
from pathlib import Path
from statistics import quantiles
from typing import Any

from tests.benchmarks.effort import Effort
from tests.benchmarks.processes import environment, free_port, python, wait_until
from tests.benchmarks.report import goals_table, table
from tests.benchmarks.section import Goal, Section, Tell
from tests.services.openstack import LACKING, OpenStack, environ_of, mini

__all__ = ["compare_uploads"]

PACE = 0.2
"""Seconds between two uploads: nothing waits for the one before."""
METHOD = (
    "Uploads of 100 bytes, one after another at an even pace, into a real Swift with ceilometermiddleware where "
    "DevStack puts it. Between the answer to PUT and the handler's first line lie the notification, a HEAD of the "
    "object, the event on record, and a worker."
)
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Uploads", "version": "1"},
    "paths": {},
    "x-webhooks": {
        "uploaded": {
            "post": {
                "operationId": "uploaded.started",
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"200": {"description": "done"}},
                "x-funcatron": {"triggers": [{"swift": {"container": "bench"}}]},
            }
        }
    },
}
HANDLER = """
import time

def started(body):
    now = time.time()
    with open("started", "a") as file:
        file.write(f"{body['object']} {now}\\n")
"""
GOALS = (("upload to start, p50", 0.5, 100.0), ("upload to start, p99", 0.99, 500.0))


def compare_uploads(effort: Effort, folder: Path, tell: Tell) -> Iterator[Section]:
    """Yield the section of uploads; where there can be no Swift it says why."""
    tell("uploads: starting Swift")
    done = mini("up", folder / "stack")
    try:
        if done.returncode:
            why = done.stderr.strip() if done.returncode == LACKING else "devstack/mini did not start"
            yield _section([], why)
            return
        stack = OpenStack(folder / "stack", environ_of(folder / "stack"))
        tell("uploads: uploading")
        yield _section(measured(stack, folder / "app", effort.starts), "")
    finally:
        mini("down", folder / "stack", "--delete")


def measured(stack: OpenStack, folder: Path, count: int) -> list[float]:
    """Return how many milliseconds lie between each upload and its function."""
    folder.mkdir()
    (folder / "openapi.json").write_text(json.dumps(DOCUMENT))
    (folder / "uploaded.py").write_text(HANDLER)
    swift = stack.swift()
    swift.put("bench")
    answered: dict[str, float] = {}
    with application(folder, stack.environ) as process:
        wait_until(lambda: "listening to swift" in (folder / "log").read_text(), "listening to Swift", process)
        swift.put("bench/first")
        wait_until(lambda: "first" in starts(folder), "the first function", process)
        for number in range(count):
            swift.put(f"bench/{number}", b"x" * 100)
            answered[str(number)] = time.time()
            time.sleep(PACE)
        wait_until(lambda: set(answered) < set(starts(folder)), "the last function", process)
    began = starts(folder)
    return [1000 * (began[name] - at) for name, at in answered.items()]


def starts(folder: Path) -> Mapping[str, float]:
    file = folder / "started"
    lines = file.read_text().splitlines() if file.exists() else []
    return {name: float(at) for name, at in (line.split() for line in lines)}


@contextmanager
def application(folder: Path, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as written:
        process = subprocess.Popen(
            python("funcatron.cli", "run", "openapi.json", "--port", str(free_port())),
            cwd=folder, env=environment(environ), stdout=written, stderr=written, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _section(waits: Sequence[float], absent: str) -> Section:
    cuts = quantiles(waits, n=100) if len(waits) > 1 else [nan] * 99
    goals = [Goal(what, wanted, cuts[round(part * 100) - 1], "ms", absent=absent) for what, part, wanted in GOALS]
    rows: list[Any] = [["PUT answered to handler started", f"{cuts[49]:.0f} ms", f"{cuts[98]:.0f} ms", str(len(waits))]]
    tables = [table(["", "p50", "p99", "uploads"], rows)] if waits else []
    method = METHOD if waits else f"Not measured: {absent}."
    return Section("uploads", "Uploads", method, (*tables, goals_table(goals)), goals=goals)
