"""What delivery is to reach, and what one run measured of it. Both figures of a ratio come from the same round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import nan
from statistics import median

from tests.benchmarks.delivery.contestants import ACCEPT, EXECUTE, START
from tests.benchmarks.delivery.together import MANY, NAP
from tests.benchmarks.samples import Sample, over
from tests.benchmarks.section import Goal

__all__ = ["FOOTPRINT", "delivery_goals"]

FOOTPRINT = 130.0
"""MB that an idle ``funcatron run`` may take."""

EMBEDDED, RABBITMQ = "funcatron, SQLite", "funcatron, RabbitMQ"
REDIS_SOLO, REDIS_PREFORK = "Celery, Redis, solo", "Celery, Redis, prefork 2"
RABBITMQ_SOLO = "Celery, RabbitMQ, solo"
DIRECT, THREADED = "Celery, RabbitMQ, apply_async", "Celery, RabbitMQ, to_thread(apply_async)"

Figure = Callable[[Sample], float]


class _Measured:
    """The samples of one run by case and subject; ``absent`` says of a broker why it was left out."""

    def __init__(self, samples: Iterable[Sample], absent: Mapping[str, str]) -> None:
        self._rounds: dict[tuple[str, str], dict[int, Sample]] = {}
        self._absent = absent
        for sample in samples:
            self._rounds.setdefault((sample.case, sample.subject), {})[sample.number] = sample

    def value(self, case: str, subject: str, figure: Figure) -> float:
        """Return the median of a figure."""
        return median([figure(sample) for sample in self._rounds.get((case, subject), {}).values()] or [nan])

    def ratio(self, case: str, ours: str, theirs: str, figure: Figure) -> float:
        """Return the median of ours over theirs."""
        mine, others = (self._rounds.get((case, subject), {}) for subject in (ours, theirs))
        return median([over(figure(mine[n]), figure(others[n])) for n in mine if n in others] or [nan])

    def why_not(self, *subjects: str) -> str:
        """Return why one of these was left out, empty where none was."""
        return "; ".join(
            sorted({why for broker, why in self._absent.items() for subject in subjects if broker in subject})
        )


def delivery_goals(
    samples: Iterable[Sample], footprint: float, naps: float, absent: Mapping[str, str]
) -> Sequence[Goal]:
    """Return the goals. ``footprint`` is MB, ``naps`` seconds (``over_ideal``); ``absent`` has the brokers (Redis,
    RabbitMQ) that are not here, and why.
    """
    run = _Measured(samples, absent)
    return [
        *_executing(run, REDIS_SOLO, REDIS_PREFORK),
        *_submitting(run),
        Goal(
            "submit to start, idle embedded default, p50",
            3.0,
            run.value(START, EMBEDDED, lambda sample: sample.p50),
            "ms",
        ),
        Goal(f"{MANY} naps of {NAP * 1000:g} ms, asyncio pool, one worker: beyond one nap", 0.3, naps, "s"),
        Goal("funcatron run, idle: HTTP, one worker, clock (PSS)", FOOTPRINT, footprint, "MB"),
    ]


def _executing(run: _Measured, *peers: str) -> Iterable[Goal]:
    for peer in peers:
        said = f"embedded execute, record kept, over {peer}, results in Redis"
        cpu = run.ratio(EXECUTE, EMBEDDED, peer, _cost)
        yield Goal(f"{said}: all CPU", 0.25, cpu, absent=run.why_not(peer))
        rate = run.ratio(EXECUTE, EMBEDDED, peer, _rate)
        yield Goal(f"{said}: rate", 3.0, rate, at_least=True, absent=run.why_not(peer))
    yield Goal(
        f"embedded execute, record kept, over {RABBITMQ_SOLO}, results ignored: rate",
        1.3,
        run.ratio(EXECUTE, EMBEDDED, RABBITMQ_SOLO, _rate),
        at_least=True,
        absent=run.why_not(RABBITMQ_SOLO),
    )


def _submitting(run: _Measured) -> Iterable[Goal]:
    yield Goal("embedded submit, on disk", 8000.0, run.value(ACCEPT, EMBEDDED, _rate), "/s", at_least=True)
    yield Goal("embedded submit: event loop late by at most", 25.0, run.value(ACCEPT, EMBEDDED, _lag), "ms")
    absent = run.why_not(RABBITMQ)
    confirmed = "RabbitMQ submit, on record and confirmed"
    cpu = run.ratio(ACCEPT, RABBITMQ, DIRECT, lambda sample: sample.cpu)
    yield Goal(f"{confirmed}, over apply_async with confirms: CPU", 0.25, cpu, absent=absent)
    rate = run.ratio(ACCEPT, RABBITMQ, THREADED, _rate)
    yield Goal(f"{confirmed}, over to_thread(apply_async): rate", 4.0, rate, at_least=True, absent=absent)
    lag = run.value(ACCEPT, RABBITMQ, _lag)
    yield Goal(f"{confirmed}: event loop late by at most", 25.0, lag, "ms", absent=absent)


def _cost(sample: Sample) -> float:
    return sample.cost


def _rate(sample: Sample) -> float:
    return sample.rate


def _lag(sample: Sample) -> float:
    return sample.lag
