"""Delivery: funcatron beside Celery on Redis and on RabbitMQ, on the same no-op; and what it was to reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.delivery import brokers, measure
from tests.benchmarks.delivery.contestants import (
    ACCEPT,
    EXECUTE,
    START,
    CeleryOnRabbitMQ,
    CeleryOnRedis,
    Contestant,
    Embedded,
    OnRabbitMQ,
)
from tests.benchmarks.delivery.footprint import footprint
from tests.benchmarks.delivery.goals import delivery_goals
from tests.benchmarks.delivery.measure import Sizes
from tests.benchmarks.delivery.together import over_ideal
from tests.benchmarks.effort import Effort
from tests.benchmarks.machine import package_versions, tool_version
from tests.benchmarks.report import delivered, goals_table, started_after
from tests.benchmarks.samples import Sample, summarise
from tests.benchmarks.section import Section, Tell

__all__ = ["compare_delivery"]

OURS = package_versions(("funcatron", "celery", "kombu"))
BASELINE = Embedded.title


def compare_delivery(effort: Effort, folder: Path, tell: Tell) -> Iterator[Section]:
    """Yield the sections of accepting, executing and starting, and the goals with what was measured."""
    sizes = Sizes(effort.rounds, effort.submits, effort.executions, effort.starts)
    absent = _absent()
    without = "".join(f"\n\n**What needs {broker} is left out: {why}.**" for broker, why in absent.items())
    for broker, why in absent.items():
        tell(f"what needs {broker} is left out: {why}")
    with ExitStack() as running:
        contestants = _contestants(folder, absent, running)
        accepted = measure.accept(contestants, sizes, folder, tell)
        yield _accepted(accepted, sizes, without)
        executed = measure.execute(contestants, sizes, folder, tell)
        yield _executed(executed, sizes, without)
        some = contestants[:2] if effort.quick else contestants  # execute has shown that all of their workers work
        started = measure.start(some, sizes, folder, tell)
        yield _started(started, sizes, without)
    place = folder / "footprint"
    place.mkdir()
    tell("footprint")
    memory = footprint(place)
    together = folder / "together"
    together.mkdir()
    tell("naps together")
    naps = over_ideal(together, sizes.rounds)
    goals = delivery_goals([*accepted, *executed, *started], memory, naps, absent)
    method = "Medians of the rounds above; both figures of a ratio come from the same round."
    yield Section("goals", "Delivery: goals", method, (goals_table(goals),), goals=goals)


def _absent() -> Mapping[str, str]:
    found = {"Redis": brokers.redis_missing(), "RabbitMQ": brokers.rabbitmq_missing()}
    return {broker: why for broker, why in found.items() if why}


def _contestants(folder: Path, absent: Mapping[str, str], running: ExitStack) -> list[Contestant]:
    """Start the brokers there are; return who takes part."""
    contestants: list[Contestant] = [Embedded()]
    if "Redis" not in absent:
        (folder / "redis").mkdir()
        redis = running.enter_context(brokers.redis_running(folder / "redis"))
        contestants += [CeleryOnRedis(redis, "solo", 1), CeleryOnRedis(redis, "prefork", 2)]
    if "RabbitMQ" not in absent:
        (folder / "rabbitmq").mkdir()
        rabbitmq = running.enter_context(brokers.rabbitmq_running(folder / "rabbitmq"))
        contestants += [OnRabbitMQ(rabbitmq), CeleryOnRabbitMQ(rabbitmq, "solo", 1)]
    return contestants


def _accepted(samples: list[Sample], sizes: Sizes, without: str) -> Section:
    summaries, versions = summarise(samples, BASELINE), _versions(samples)
    method = (
        f"{sizes.submits} no-ops of 500 bytes from one asyncio process, {measure.IN_FLIGHT} in flight, no worker. "
        "funcatron validates, and answers when record and message are on disk, on RabbitMQ when the record is and the "
        "message is confirmed; Celery answers when Redis has the message in memory (on disk within a second), or "
        "RabbitMQ has confirmed it. The event loop's lateness is the longest of a round. "
        f"Medians of {sizes.rounds} interleaved rounds.{without}"
    )
    return Section(ACCEPT, "Delivery: accept", method, (delivered(summaries, versions, "submit"),), summaries, versions)


def _executed(samples: list[Sample], sizes: Sizes, without: str) -> Section:
    summaries, versions = summarise(samples, BASELINE), _versions(samples)
    method = (
        f"One worker empties a queue of {sizes.executions} no-ops; every result is stored, and counted afterwards, "
        "but on RabbitMQ, where Celery ignores results. "
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
    redis = (tool_version("redis-server") or "").partition("v=")[2].partition(" ")[0]
    theirs = {
        "Redis": f"{package_versions(('celery', 'kombu', 'redis'))}, redis-server {redis}",
        "RabbitMQ": package_versions(("celery", "kombu", "amqp")),
    }
    subjects = sorted({sample.subject for sample in samples}, key=lambda subject: (subject != BASELINE, subject))
    return {
        subject: next((version for name, version in theirs.items() if name in subject), OURS)
        if subject.startswith("Celery")
        else OURS
        for subject in subjects
    }
