"""Instructions per request, counted by valgrind: no clock, no kernel, no neighbour; two runs agree within a percent.

What it leaves out: the kernel, and what a switch between threads costs. So handlers that are not async, which run in
threads, are not counted here.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.benchmarks.http.peers import Peer
from tests.benchmarks.processes import BenchmarkError, answer_of, python
from tests.benchmarks.samples import Sample
from tests.benchmarks.section import Tell

__all__ = ["count", "installed"]

VALGRIND = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
WARM = 50
"""Requests before counting begins."""


def installed() -> bool:
    """Whether valgrind is there."""
    return shutil.which("valgrind") is not None


def count(peers: Sequence[Peer], cases: Sequence[str], requests: int, folder: Path, tell: Tell) -> list[Sample]:
    """Return one sample per peer and case; its ``cpu`` is thousands of instructions per request, its rate nothing."""

    def counted_of(peer: Peer) -> list[Sample]:
        return list(_count(peer, [case for case in cases if case in peer.cases], requests, folder, tell))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        counted = pool.map(counted_of, peers)
        return [sample for samples in counted for sample in samples]


def _count(peer: Peer, cases: Sequence[str], requests: int, folder: Path, tell: Tell) -> Iterator[Sample]:
    tell(f"counting instructions: {peer.title}")
    place = folder / f"{peer.key}-counted"
    place.mkdir()
    log = place / "valgrind.log"
    replay = python("tests.benchmarks.http.replay", peer.target, str(WARM), str(requests), *cases)
    said = answer_of([*VALGRIND, f"--log-file={log}", *replay], folder=place, extra={"PYTHONHASHSEED": "0"}).decode()
    instructions = {process: int(number.replace(",", "")) for process, number in _references(log)}
    runs: dict[str, list[int]] = {}
    for line in said.splitlines():
        process, case, _ = line.split()
        runs.setdefault(case, []).append(instructions[process])
    for case, (few, many) in runs.items():
        yield Sample(peer.title, case, 1, (many - few) / requests / 1000, 0.0)


def _references(log: Path) -> Iterator[tuple[str, str]]:
    found = re.findall(r"==(\d+)== I +refs: +([\d,]+)", log.read_text())
    if not found:
        raise BenchmarkError(f"valgrind counted nothing:\n{log.read_text()[-2000:]}")
    yield from found
