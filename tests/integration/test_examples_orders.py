"""The orders example: a Celery client that knows nothing of funcatron, on the embedded broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ORDERS = Path(__file__).parents[2] / "openapi" / "examples" / "orders"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    log = tmp_path / "run.log"
    command = [sys.executable, "-m", "funcatron.cli", "run", str(ORDERS / "openapi.yaml"), "--port", "0"]
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=out, process_group=0)
    try:
        end = time.monotonic() + 30
        while "Ctrl-C ends it." not in log.read_text():
            assert time.monotonic() < end, log.read_text()
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield tmp_path
    finally:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 0, log.read_text()


def send(folder: Path, *order: str) -> str:
    command = [sys.executable, str(ORDERS / "producer_celery.py"), *order]
    sent = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return sent.stdout.strip()


def ended(folder: Path, execution_id: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "funcatron.cli", "executions", "show", execution_id, "--json"]
    end = time.monotonic() + 30
    while True:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        execution: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
        if execution.get("ended_at"):
            return execution
        assert time.monotonic() < end, execution or done.stderr
        time.sleep(0.05)


def test_a_celery_client(served: Path) -> None:
    paid = send(served, "A-1", "2580", "4242")
    declined = send(served, "A-2", "1290", "0000")
    flaky = send(served, "A-3", "990", "9999")
    invalid = send(served, "A-4", "-5", "42")

    first = ended(served, paid)
    assert (first["state"], first["attempt"], first["trigger"]) == ("succeeded", 1, "celery")
    assert first["result"] == {"id": paid, "order": "A-1", "amount": 2580, "attempt": 1}

    second = ended(served, declined)
    assert (second["state"], second["attempt"], second["problem"]["status"]) == ("failed", 1, 402)

    third = ended(served, flaky)
    assert (third["state"], third["attempt"], third["result"]["attempt"]) == ("succeeded", 3, 3)

    fourth = ended(served, invalid)
    assert (fourth["state"], fourth["failure"], fourth["attempt"]) == ("failed", "invalid", 0)
    assert {error["pointer"] for error in fourth["problem"]["errors"]} == {"/body/amount", "/body/card"}
