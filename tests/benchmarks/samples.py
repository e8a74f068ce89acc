"""What was measured, and the ratios that are drawn from it: pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from statistics import median

__all__ = ["Sample", "Summary", "over", "summarise"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One round (its number) of one subject at one case: microseconds of processor time per operation, operations per
    second.

    ``broker`` is what another process (a broker) spent per operation, on top of ``cpu``; ``p50`` and ``p99`` are
    latencies, ``lag`` is the longest time that an event loop was kept waiting, in milliseconds.
    """

    subject: str
    case: str
    number: int
    cpu: float
    rate: float
    broker: float = 0.0
    p50: float = nan
    p99: float = nan
    lag: float = nan

    @classmethod
    def taken(
        cls,
        subject: str,
        case: str,
        number: int,
        *,
        operations: int,
        seconds: float,
        cpu: float,
        broker: float = 0.0,
        p50: float = nan,
        p99: float = nan,
        lag: float = nan,
    ) -> Sample:
        """Return the sample of so many operations in so many seconds; ``cpu`` and ``broker`` are seconds for all."""
        micro = 1e6 / operations
        return cls(subject, case, number, cpu * micro, operations / seconds, broker * micro, p50, p99, lag)

    @property
    def cost(self) -> float:
        """All processor time of an operation, in microseconds."""
        return self.cpu + self.broker


@dataclass(frozen=True, slots=True)
class Summary:
    """One subject at one case over all rounds: medians; ``ratio`` is its cost over that of the baseline.

    Both costs of a ratio come from the same round, so what disturbs a round disturbs both. ``lowest`` and ``highest``
    are the extremes of that ratio.
    """

    subject: str
    case: str
    rounds: int
    cpu: float
    broker: float
    rate: float
    ratio: float
    lowest: float
    highest: float
    rate_ratio: float
    p50: float
    p99: float
    lag: float


def summarise(samples: Iterable[Sample], baseline: str) -> list[Summary]:
    """Return one summary for each case and subject, in the order they first came."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.case, sample.subject), []).append(sample)
    return [
        _summary(group, {sample.number: sample for sample in groups.get((case, baseline), [])})
        for (case, _), group in groups.items()
    ]


def _summary(group: Sequence[Sample], baseline: dict[int, Sample]) -> Summary:
    pairs = [(sample, baseline[sample.number]) for sample in group if sample.number in baseline]
    ratios = [over(sample.cost, base.cost) for sample, base in pairs] or [nan]
    return Summary(
        subject=group[0].subject,
        case=group[0].case,
        rounds=len(group),
        cpu=median(sample.cpu for sample in group),
        broker=median(sample.broker for sample in group),
        rate=median(sample.rate for sample in group),
        ratio=median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        rate_ratio=median([over(sample.rate, base.rate) for sample, base in pairs] or [nan]),
        p50=median(sample.p50 for sample in group),
        p99=median(sample.p99 for sample in group),
        lag=median(sample.lag for sample in group),
    )


def over(one: float, other: float) -> float:
    """Divide; a round too short for the kernel's clock has no ratio."""
    return one / other if other else nan
