"""Delivery: funcatron's embedded default beside Celery with Redis, on the same no-op with its result stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.delivery import measure
from tests.benchmarks.delivery.contestants import CeleryOnRedis, Contestant, Embedded
from tests.benchmarks.delivery.measure import ACCEPT, EXECUTE, START, Sizes
from tests.benchmarks.delivery.redis_server import missing, redis_running
from tests.benchmarks.effort import Effort
from tests.benchmarks.machine import package_versions, tool_version
from tests.benchmarks.report import delivered, started_after
from tests.benchmarks.samples import Sample, summarise
from tests.benchmarks.section import Section, Tell

__all__ = ["compare_delivery"]

OURS = package_versions(("funcatron", "celery", "kombu"))
BASELINE = Embedded.title


def compare_delivery(effort: Effort, folder: Path, tell: Tell) -> Iterator[Section]:
    """Yield the sections of accepting, executing and starting."""
    sizes = Sizes(effort.rounds, effort.submits, effort.executions, effort.starts)
    with ExitStack() as running:
        contestants: list[Contestant] = [Embedded()]
        if absent := missing():
            tell(f"Celery with Redis is left out: {absent}")
        else:
            place = folder / "redis"
            place.mkdir()
            redis = running.enter_context(redis_running(place))
            contestants += [CeleryOnRedis(redis, "solo", 1), CeleryOnRedis(redis, "prefork", 2)]
        without = f"\n\n**Celery with Redis is left out: {absent}.**" if absent else ""
        yield _accepted(measure.accept(contestants, sizes, folder, tell), sizes, without)
        yield _executed(measure.execute(contestants, sizes, folder, tell), sizes, without)
        yield _started(measure.start(contestants, sizes, folder, tell), sizes, without)


def _accepted(samples: list[Sample], sizes: Sizes, without: str) -> Section:
    summaries, versions = summarise(samples, BASELINE), _versions(samples)
    method = (
        f"{sizes.submits} no-ops of 500 bytes from one asyncio process, {measure.IN_FLIGHT} in flight, no worker. "
        "funcatron validates, and answers when record and message are on disk; Celery answers when Redis has the "
        f"message in memory (on disk within a second). Medians of {sizes.rounds} interleaved rounds.{without}"
    )
    return Section(ACCEPT, "Delivery: accept", method, (delivered(summaries, versions, "submit"),), summaries, versions)


def _executed(samples: list[Sample], sizes: Sizes, without: str) -> Section:
    summaries, versions = summarise(samples, BASELINE), _versions(samples)
    method = (
        f"One worker empties a queue of {sizes.executions} no-ops; every result is stored, and counted afterwards. "
        "CPU is that of the worker and all its processes, from a tenth done to nineteen twentieths. "
        f"Medians of {sizes.rounds} interleaved rounds.{without}"
    )
    return Section(EXECUTE, "Delivery: execute", method, (delivered(summaries, versions, "task"),), summaries, versions)


def _started(samples: list[Sample], sizes: Sizes, without: str) -> Section:
    summaries, versions = summarise(samples, BASELINE), _versions(samples)
    method = (
        f"From submit to the first line of the handler, worker idle, {measure.RATE} submits a second, "
        f"{sizes.starts} a round; medians of {sizes.rounds} rounds.{without}"
    )
    return Section(
        START, "Delivery: submit to start", method, (started_after(summaries, versions),), summaries, versions
    )


def _versions(samples: list[Sample]) -> dict[str, str]:
    """Return the versions of every subject, ours first."""
    server = (tool_version("redis-server") or "").partition("v=")[2].partition(" ")[0]
    theirs = f"{package_versions(('celery', 'kombu', 'redis'))}, redis-server {server}"
    subjects = sorted({sample.subject for sample in samples}, key=lambda subject: (subject != BASELINE, subject))
    return {subject: OURS if subject == BASELINE else theirs for subject in subjects}
