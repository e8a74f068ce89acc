"""From an upload into Swift to the function that it calls, on a stack of devstack/mini; and, as it was done before
funcatron, by an alarm of Aodh.
"""

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
from tests.benchmarks.report import goals_table, number, table
from tests.benchmarks.section import Goal, Section, Tell
from tests.services.aodh import alarm_of_uploads
from tests.services.openstack import LACKING, OpenStack, environ_of, mini

__all__ = ["compare_uploads"]

PACE = 0.2
"""Seconds between two uploads: nothing waits for the one before."""
METHOD = (
    "Uploads of 100 bytes, one after another at an even pace, into a real Swift with ceilometermiddleware where "
    "DevStack puts it. Between the answer to PUT and the handler's first line lie the notification, a HEAD of the "
    "object, the event on record, and a worker."
)
CHAIN = (
    "Every second one goes into a container that an event alarm of Aodh watches: Ceilometer's agent reads the same "
    "notification and sends an event to Aodh's listener, which sends an alarm to Aodh's notifier, which posts it to "
    "funcatron's door for events; then come the event on record and a worker. No object is asked for."
)
SUBJECTS = {"seen": "funcatron", "alarmed": "Ceilometer, Aodh, POST to funcatron"}
"""The containers, each with who tells of what is uploaded there."""
GOALS = (("upload to start, p50", 0.5, 100.0), ("upload to start, p99", 0.99, 500.0))
HANDLERS = """
import time

def seen(body):
    note(body["object"])

def alarmed(body):
    note(body.get("target_metadata_object"))

def note(name):
    now = time.time()
    with open("started", "a") as file:
        file.write(f"{name} {now}\\n")
"""


def compare_uploads(effort: Effort, folder: Path, tell: Tell) -> Iterator[Section]:
    """Yield the section of uploads; where there can be no Swift, or no Aodh, it says why."""
    tell("uploads: starting Swift")
    stack = folder / "stack"
    lacks = ""
    done = mini("up", stack, "--aodh")
    try:
        if done.returncode not in (0, LACKING):
            lacks = f"without Aodh: {done.stderr.strip().splitlines()[-1]}"
            done = mini("up", stack)
        if done.returncode:
            yield _section({}, done.stderr.strip() if done.returncode == LACKING else "devstack/mini did not start")
            return
        tell("uploads: uploading")
        containers = ["seen"] if lacks else list(SUBJECTS)
        waits = measured(OpenStack(stack, environ_of(stack)), folder / "app", containers, effort.starts)
        yield _section(waits, lacks)
    finally:
        mini("down", stack, "--delete")


def measured(stack: OpenStack, folder: Path, containers: Sequence[str], count: int) -> dict[str, list[float]]:
    """Return, for each container, how many milliseconds lie between each upload and its function."""
    folder.mkdir()
    (folder / "openapi.json").write_text(json.dumps(_document()))
    (folder / "uploaded.py").write_text(HANDLERS)
    swift, port = stack.swift(), free_port()
    if "alarmed" in containers:
        alarm_of_uploads(swift, "alarmed", f"http://127.0.0.1:{port}/_funcatron/events")
    for container in containers:
        swift.put(container)
    answered: dict[str, float] = {}
    with application(folder, stack.environ, port) as process:
        wait_until(lambda: "listening to swift" in (folder / "log").read_text(), "listening to Swift", process)
        for container in containers:
            swift.put(f"{container}/{container}-first")
        wait_until(lambda: _named(containers, "first") <= set(starts(folder)), "the first function", process)
        for attempt in range(count):
            for container in containers:
                name = f"{container}-{attempt}"
                swift.put(f"{container}/{name}", b"x" * 100)
                answered[name] = time.time()
                time.sleep(PACE)
        wait_until(lambda: set(answered) < set(starts(folder)), "the last function", process)
    began = starts(folder)
    return {
        container: [1000 * (began[name] - at) for name, at in answered.items() if name.startswith(container)]
        for container in containers
    }


def starts(folder: Path) -> Mapping[str, float]:
    """Return when the function of each object started; the first time, should there be several."""
    file = folder / "started"
    lines = file.read_text().splitlines() if file.exists() else []
    return {name: float(at) for name, at in (line.split() for line in reversed(lines))}


@contextmanager
def application(folder: Path, environ: Mapping[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as written:
        process = subprocess.Popen(
            python("funcatron.cli", "run", "openapi.json", "--port", str(port)),
            cwd=folder, env=environment(environ), stdout=written, stderr=written, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _document() -> dict[str, Any]:
    triggers = {"seen": {"swift": {"container": "seen"}}, "alarmed": {"event": {"type": "objectstore.http.request"}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Uploads", "version": "1"},
        "paths": {},
        "x-webhooks": {
            name: {
                "post": {
                    "operationId": f"uploaded.{name}",
                    "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                    "responses": {"200": {"description": "done"}},
                    "x-funcatron": {"triggers": [trigger]},
                }
            }
            for name, trigger in triggers.items()
        },
    }


def _named(containers: Sequence[str], what: str) -> set[str]:
    return {f"{container}-{what}" for container in containers}


def _section(waits: Mapping[str, Sequence[float]], absent: str) -> Section:
    """Return what is said of the waits; ``absent`` says why they, or those by Aodh, were not measured."""
    cuts = {container: quantiles(found, n=100) for container, found in waits.items() if len(found) > 1}
    own = cuts.get("seen", [nan] * 99)
    goals = [Goal(what, wanted, own[round(part * 100) - 1], "ms", absent=absent) for what, part, wanted in GOALS]
    rows = [[SUBJECTS[name], *_cells(found, own), str(len(waits[name]))] for name, found in cuts.items()]
    head = ["PUT answered to handler started", "p50", "ratio", "p99", "ratio", "uploads"]
    tables = [table(head, rows)] if rows else []
    chain = CHAIN if "alarmed" in cuts else f"Not measured: {absent}."
    method = f"{METHOD} {chain}" if cuts else chain
    return Section("uploads", "Uploads", method, (*tables, goals_table(goals)), goals=goals)


def _cells(found: Sequence[float], own: Sequence[float]) -> Iterator[str]:
    """Yield median and 99th percentile, each with its ratio to that of ``own``."""
    for at in (49, 98):
        yield f"{found[at]:.0f} ms"
        yield number(found[at] / own[at])
