"""The memory of an idle ``funcatron run`` (HTTP, one worker, triggers and clock) after a first call through it all."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.request import Request, urlopen

import orjson

from tests.benchmarks.delivery.noop import MARKS, body, marks_written
from tests.benchmarks.delivery.submit import DOCUMENT
from tests.benchmarks.machine import cpu_seconds, pss_megabytes
from tests.benchmarks.processes import accepts, free_port, python, started, wait_until

__all__ = ["footprint"]

LOOK, NEXT_TO_NONE = 1.0, 0.03
"""Seconds between two looks, and of processor time in between."""


def footprint(folder: Path) -> float:
    """Return its memory in MB, what its processes share counted once (PSS)."""
    port, marks = free_port(), folder / "marks"
    command = python("funcatron.cli", "run", str(DOCUMENT), "--workers", "1", "--port", str(port))
    extra = {"FUNCATRON_DATA_DIR": str(folder / "data"), "FUNCATRON_LOG_LEVEL": "warning", MARKS: str(marks)}
    with started(command, folder=folder, extra=extra) as process:
        wait_until(lambda: accepts(port), "funcatron run listens", process)
        content = {"Content-Type": "application/json"}
        request = Request(f"http://127.0.0.1:{port}/noop", orjson.dumps(body(0)), content, method="POST")
        with urlopen(request, timeout=30) as answer:
            answer.read()
        wait_until(lambda: marks_written(marks) == 1, "the first call", process)
        rest = _Rest(process.pid)
        time.sleep(LOOK)
        wait_until(rest, "funcatron run comes to rest", process, pause=LOOK)
        return pss_megabytes(process.pid)


class _Rest:
    """True once a tree of processes has used next to no processor time since the last look."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._used = cpu_seconds(pid)

    def __call__(self) -> bool:
        before, self._used = self._used, cpu_seconds(self._pid)
        return self._used - before < NEXT_TO_NONE
