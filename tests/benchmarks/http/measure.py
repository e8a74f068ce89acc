"""Processor time per request, end to end: every peer in a process of its own, all on one core, one load at a time.

Rounds are interleaved, and in each round the order of the peers is drawn anew, so that what disturbs the machine
disturbs all alike.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import Popen

from tests.benchmarks.effort import Effort
from tests.benchmarks.http.cases import CASES, LOADED, Case
from tests.benchmarks.http.correctness import check_answers
from tests.benchmarks.http.load import Load
from tests.benchmarks.http.peers import Peer
from tests.benchmarks.machine import cpu_seconds
from tests.benchmarks.processes import accepts, free_port, python, started, wait_until
from tests.benchmarks.samples import Sample
from tests.benchmarks.section import Tell

__all__ = ["measure"]

CORE = 0


@dataclass(frozen=True, slots=True)
class Served:
    """A peer that serves."""

    peer: Peer
    port: int
    process: Popen[bytes]


def measure(peers: Sequence[Peer], load: Load, effort: Effort, folder: Path, tell: Tell) -> list[Sample]:
    """Return one sample per peer, case and round; raises BenchmarkError where any answer is wrong."""
    samples = []
    with serving(peers, folder, pin=not effort.quick) as servers:
        for case in (CASES[name] for name in LOADED):
            able = [served for served in servers if case.name in served.peer.cases]
            for number in range(1 if effort.quick else 0, effort.rounds + 1):
                tell(f"{case.title}: {f'round {number} of {effort.rounds}' if number else 'warming up'}")
                for served in random.sample(able, len(able)):
                    sample = _sample(served, case, load, number, effort.seconds if number else effort.seconds / 4)
                    samples += [sample] if number else []
    return samples


@contextmanager
def serving(peers: Sequence[Peer], folder: Path, *, pin: bool) -> Iterator[list[Served]]:
    """Start every peer, on one core if ``pin`` is set, and check its answers."""
    with ExitStack() as running:
        servers = []
        for peer in peers:
            place = folder / peer.key
            place.mkdir()
            port = free_port()
            command = python("tests.benchmarks.http.serve", peer.target, str(port))
            process = running.enter_context(started(command, folder=place, place=CORE if pin else None))
            servers.append(Served(peer, port, process))
        for served in servers:
            wait_until(partial(accepts, served.port), f"{served.peer.title} serves", served.process)
            check_answers(served.peer, served.port)
        yield servers


def _sample(served: Served, case: Case, load: Load, number: int, seconds: float) -> Sample:
    before = cpu_seconds(served.process.pid)
    sent = load.send(case, served.port, seconds)
    cpu = cpu_seconds(served.process.pid) - before
    return Sample.taken(
        served.peer.title,
        case.name,
        number,
        operations=sent.requests,
        seconds=sent.seconds,
        cpu=cpu,
        p50=sent.p50,
        p99=sent.p99,
    )
