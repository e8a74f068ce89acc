"""What was accepted is run, although workers are killed with SIGKILL every second; and what ran twice says so."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.integration.running import Program, running, until

CALLS = 2000
CLIENTS = 16
DOCUMENT = """\
openapi: 3.0.3
info: {title: Notes, version: "1"}
paths:
  /notes:
    post:
      operationId: notes.take
      x-funcatron: {mode: async}
      requestBody:
        required: true
        content: {application/json: {schema: {type: object, required: [number], properties: {number: {type: integer}}}}}
      responses: {"200": {description: taken}}
"""
HANDLER = """\
import json
import os
import time

NOTES = os.open("notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def take(body, context):
    os.write(NOTES, (json.dumps([context.id, context.attempt, body["number"]]) + "\\n").encode())
    time.sleep(0.005)
    return body["number"]
"""


@pytest.fixture
def notes(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Program]:
    (tmp_path / "openapi.yaml").write_text(DOCUMENT)
    (tmp_path / "notes.py").write_text(HANDLER)
    options = ("--workers", "2", "--log-level", "debug")
    with running("run", "openapi.yaml", *options, folder=tmp_path, port=free_port()) as program:
        yield program


def workers(program: Program) -> list[int]:
    """Return the ids of the living workers, the one that has worked longest first."""
    known = [int(pid) for pid in re.findall(r"worker-\d is process (\d+)", program.output())]
    living = set(program.children())
    return [pid for pid in known if pid in living]


@contextmanager
def killing(program: Program) -> Iterator[list[int]]:
    """Kill a worker every second; gives the ids of those that were killed."""
    killed: list[int] = []
    told = threading.Event()

    def kill() -> None:
        while not told.wait(1.0):
            with suppress(ProcessLookupError):
                if found := workers(program):
                    os.kill(found[0], signal.SIGKILL)
                    killed.append(found[0])

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        told.set()
        thread.join()


def call_all(port: int) -> dict[str, int]:
    """Make all calls; returns the number that each accepted execution was called with."""

    def call(numbers: range) -> dict[str, int]:
        accepted: dict[str, int] = {}
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        with closing(connection):
            for number in numbers:
                body = json.dumps({"number": number})
                connection.request("POST", "/notes", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                content = answer.read()
                assert answer.status == 202, content
                accepted[json.loads(content)["id"]] = number
        return accepted

    with ThreadPoolExecutor(CLIENTS) as pool:
        shares = pool.map(call, (range(first, CALLS, CLIENTS) for first in range(CLIENTS)))
        return {identity: number for share in shares for identity, number in share.items()}


def succeeded(program: Program) -> bool:
    lines = program.http.get("/_funcatron/metrics").text.splitlines()
    return f'funcatron_executions{{state="succeeded"}} {CALLS:.1f}' in lines


def test_none_is_lost_and_none_runs_twice_in_silence(notes: Program) -> None:
    began = time.monotonic()
    with killing(notes) as killed:
        accepted = call_all(notes.port)
        until(lambda: succeeded(notes), f"{CALLS} executions to succeed", patience=120, pause=0.1)
    assert len(accepted) == CALLS
    assert len(killed) >= 4, "or this shows nothing"

    records = {record["id"]: record for record in notes.executions()}
    assert Counter(record["state"] for record in records.values()) == {"succeeded": CALLS}
    assert {identity: record["result"] for identity, record in records.items()} == accepted

    runs: dict[str, list[int]] = defaultdict(list)
    for line in (notes.folder / "notes").read_text().splitlines():
        identity, attempt, number = json.loads(line)
        assert accepted[identity] == number
        runs[identity].append(attempt)
    assert runs.keys() == accepted.keys()
    for identity, attempts in runs.items():
        assert attempts == sorted(set(attempts)), "no attempt ran twice"
        assert attempts[-1] == records[identity]["attempt"], "the one that succeeded is on record"

    again = Counter(record["attempt"] for record in records.values())
    assert again[1] > CALLS * 0.9, "only what ran at the moment of a kill runs again"
    assert sum(count for attempt, count in again.items() if attempt > 1) <= len(killed)
    print(f"{CALLS} calls, {len(killed)} kills, attempts {dict(again)}, {time.monotonic() - began:.1f} s")
