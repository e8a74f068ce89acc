"""What became of every call, and whether that is what is promised."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from funcatron.execution import Execution
from tests.benchmarks.report import table

__all__ = ["MOST_DUPLICATES", "Verdict", "judge"]

MOST_DUPLICATES = 0.01
"""The part of all executions whose handler may have begun more than once; or one for each kill, if that is more: few
end between two kills on a slow machine.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One trial. Every sequence names the calls (numbers) or executions (ids) at fault."""

    broker: str
    seconds: float
    accepted: Mapping[str, int]
    kills: Mapping[str, int]
    attempts: Mapping[int, int]
    runs: int
    lost: list[int]
    stuck: list[str]
    failed: list[str]
    doubled: list[int]
    """Calls that had more than one effect, or more than one record: what a handler with a key can see."""
    silent: list[str]
    """Executions with an attempt that ran twice: a duplicate that did not say so."""

    @property
    def duplicates(self) -> int:
        """How many runs there were beyond the first of each execution."""
        return self.runs - sum(self.accepted.values())

    @property
    def wrong(self) -> list[str]:
        """Return what is not as promised; nothing if all is well."""
        names = ("lost", "stuck", "failed", "doubled", "silent")
        found = [f"{len(at_fault)} {name}: {at_fault[:5]}" for name in names if (at_fault := getattr(self, name))]
        if self.duplicates > max(MOST_DUPLICATES * sum(self.accepted.values()), sum(self.kills.values())):
            found.append(f"{self.duplicates} duplicates are more than {MOST_DUPLICATES:.0%}, and more than kills")
        return found

    def rows(self) -> list[tuple[str, str]]:
        """Return the rows of a table."""
        return [
            ("accepted", self._counts(self.accepted)),
            ("SIGKILLs", self._counts(self.kills)),
            ("attempts: executions", self._counts(self.attempts)),
            ("lost", str(len(self.lost))),
            ("stuck", str(len(self.stuck))),
            ("failed", str(len(self.failed))),
            ("duplicates, all with attempt > 1", f"{self.duplicates} ({self.duplicates / max(1, self.runs):.2%})"),
            ("duplicates that did not say so", str(len(self.silent))),
            ("duplicates a handler with a key saw", str(len(self.doubled))),
            ("seconds", f"{self.seconds:.0f}"),
        ]

    @staticmethod
    def _counts(counts: Mapping[str, int] | Mapping[int, int]) -> str:
        each = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))  # type: ignore[type-var]
        return f"{sum(counts.values())} ({each})" if each else "0"

    def __str__(self) -> str:
        return table([self.broker, ""], self.rows())


def judge(
    broker: str,
    folder: Path,
    accepted: Mapping[int, str],
    records: Iterable[Execution],
    *,
    kills: Mapping[str, int],
    seconds: float,
) -> Verdict:
    """Compare what was accepted with what is on record, what ran (``runs``) and what had an effect (``effects``)."""
    by_number: dict[int, list[Execution]] = defaultdict(list)
    for record in records:
        assert record.input is not None
        by_number[record.input["body"]["number"]].append(record)
    runs = [json.loads(line) for line in (folder / "runs").read_text().splitlines()]
    attempts = Counter((execution, attempt) for _, execution, attempt in runs)
    effects = Counter(int(effect.name.partition("~")[0]) for effect in (folder / "effects").iterdir())
    known = [record for number in accepted for record in by_number[number]]
    ended = [record for record in known if record.ended]
    return Verdict(
        broker=broker,
        seconds=seconds,
        accepted=Counter(accepted.values()),
        kills=dict(kills),
        attempts=Counter(record.attempt for record in known),
        runs=len(runs),
        lost=sorted(number for number in accepted if not by_number[number]),
        stuck=[record.id for record in known if not record.ended],
        failed=[record.id for record in ended if not _succeeded(record, effects)],
        doubled=sorted({n for n in accepted if len(by_number[n]) > 1} | {n for n, c in effects.items() if c > 1}),
        silent=sorted({execution for (execution, _), count in attempts.items() if count > 1}),
    )


def _succeeded(record: Execution, effects: Mapping[int, int]) -> bool:
    assert record.input is not None
    number = record.input["body"]["number"]
    answered = record.result is not None and record.result.body == number
    return record.state == "succeeded" and answered and effects[number] > 0
