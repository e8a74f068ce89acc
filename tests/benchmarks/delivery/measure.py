"""Accepting, executing and starting no-ops: each contestant alone on the machine, rounds interleaved at random."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from statistics import quantiles
from subprocess import Popen

from tests.benchmarks.delivery.contestants import ACCEPT, EXECUTE, START, Contestant
from tests.benchmarks.delivery.noop import marks, marks_written
from tests.benchmarks.delivery.submit import WARM
from tests.benchmarks.machine import cpu_seconds
from tests.benchmarks.processes import BenchmarkError, answer_of, python, started, wait_until
from tests.benchmarks.samples import Sample
from tests.benchmarks.section import Tell

__all__ = ["Sizes", "accept", "execute", "start"]

IN_FLIGHT = 64
RATE = 100


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: rounds, submits, executions, starts."""

    rounds: int
    submits: int
    executions: int
    starts: int


@dataclass(frozen=True, slots=True)
class _Moment:
    """Where a worker is: seconds, runs so far, processor seconds of worker and broker."""

    at: float
    done: int
    worker: float
    broker: float


def accept(contestants: Sequence[Contestant], sizes: Sizes, folder: Path, tell: Tell) -> list[Sample]:
    """Measure submits from an asyncio process, 64 in flight, each awaited until it is accepted."""
    ways = {
        title: (contestant, way)
        for contestant in contestants
        for way, title in contestant.ways.items()
        if ACCEPT in contestant.cases
    }
    samples = []
    for number, title in _interleaved(list(ways), sizes.rounds):
        tell(f"accept, round {number}: {title}")
        contestant, way = ways[title]
        place = _place(folder, f"{ACCEPT}-{title}-{number}")
        said = _submit(contestant, way, sizes.submits, place, contestant.begin(place))
        samples.append(Sample.taken(title, ACCEPT, number, operations=sizes.submits, **said))
    return samples


def execute(contestants: Sequence[Contestant], sizes: Sizes, folder: Path, tell: Tell) -> list[Sample]:
    """Measure one worker that empties a full queue, from the tenth part done to nineteen twentieths."""
    samples = []
    by_title = {contestant.title: contestant for contestant in contestants if EXECUTE in contestant.cases}
    for number, title in _interleaved(list(by_title), sizes.rounds):
        tell(f"execute, round {number}: {title}")
        samples.append(_execute(by_title[title], sizes.executions, number, folder))
    return samples


def start(contestants: Sequence[Contestant], sizes: Sizes, folder: Path, tell: Tell) -> list[Sample]:
    """Measure the time from submit to start with an idle worker, at an even pace."""
    samples = []
    by_title = {contestant.title: contestant for contestant in contestants if START in contestant.cases}
    for number, title in _interleaved(list(by_title), sizes.rounds):
        tell(f"submit to start, round {number}: {title}")
        samples.append(_start(by_title[title], sizes.starts, number, folder))
    return samples


def _interleaved(names: list[str], rounds: int) -> list[tuple[int, str]]:
    return [(number, name) for number in range(1, rounds + 1) for name in random.sample(names, len(names))]


def _place(folder: Path, name: str) -> Path:
    place = folder / re.sub(r"[^\w-]+", "-", name)
    place.mkdir()
    return place


def _submit(contestant: Contestant, way: str, count: int, place: Path, environment: dict[str, str]) -> dict[str, float]:
    arguments = (way, str(count), str(IN_FLIGHT), str(contestant.broker))
    said = answer_of(python("tests.benchmarks.delivery.submit", *arguments), folder=place, extra=environment)
    answer: dict[str, float] = json.loads(said)
    return answer


def _execute(contestant: Contestant, count: int, number: int, folder: Path) -> Sample:
    place = _place(folder, f"{EXECUTE}-{contestant.title}-{number}")
    environment = contestant.begin(place)
    _submit(contestant, next(iter(contestant.ways)), count, place, environment)
    everything = count + WARM
    with started(contestant.worker, folder=place, extra=environment) as worker:
        first = _moment_when(everything // 10, contestant, worker, place)
        last = _moment_when(everything * 95 // 100, contestant, worker, place)
        wait_until(
            lambda: contestant.results(place) == everything, f"{contestant.title}: all results", worker, pause=0.2
        )
    ran = marks(place / "marks")
    if len(ran) != everything or len({mark.seq for mark in ran}) != everything:
        raise BenchmarkError(f"{contestant.title}: {len(ran)} runs of {everything} no-ops")
    return Sample.taken(
        contestant.title,
        EXECUTE,
        number,
        operations=last.done - first.done,
        seconds=last.at - first.at,
        cpu=last.worker - first.worker,
        broker=last.broker - first.broker,
    )


def _moment_when(done: int, contestant: Contestant, worker: Popen[bytes], place: Path) -> _Moment:
    file = place / "marks"
    wait_until(lambda: marks_written(file) >= done, f"{contestant.title}: {done} runs", worker, pause=0.002)
    broker = cpu_seconds(contestant.broker) if contestant.broker else 0.0
    return _Moment(time.monotonic(), marks_written(file), cpu_seconds(worker.pid), broker)


def _start(contestant: Contestant, count: int, number: int, folder: Path) -> Sample:
    place = _place(folder, f"{START}-{contestant.title}-{number}")
    environment = contestant.begin(place)
    file = place / "marks"
    with started(contestant.worker, folder=place, extra=environment) as worker:
        ready = len(_submit_at_pace(contestant, 5, place, environment)) + 1
        wait_until(lambda: marks_written(file) >= ready, f"{contestant.title}: the first runs", worker)
        submitted = _submit_at_pace(contestant, count, place, environment)
        wait_until(lambda: marks_written(file) >= ready + count + 1, f"{contestant.title}: {count} runs", worker)
        waits = [(mark.at - submitted[mark.seq]) / 1e6 for mark in marks(file)[ready:] if mark.seq >= 0]
    cuts = quantiles(waits, n=100)
    return Sample(contestant.title, START, number, nan, nan, p50=cuts[49], p99=cuts[98])


def _submit_at_pace(contestant: Contestant, count: int, place: Path, environment: dict[str, str]) -> list[int]:
    way = list(contestant.ways)[-1]
    command = python("tests.benchmarks.delivery.pace", way, str(count), str(RATE))
    submitted: list[int] = json.loads(answer_of(command, folder=place, extra=environment))
    return submitted
