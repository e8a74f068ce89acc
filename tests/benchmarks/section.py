"""What a part of the benchmarks has to say, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any, TypeAlias

from tests.benchmarks.samples import Summary

__all__ = ["Goal", "Section", "Tell"]

Tell: TypeAlias = Callable[[str], None]
"""Is told what is being done, for whoever waits."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What was to be reached: ``wanted`` at most (or at least), and what was measured; nan: see ``absent``, why not."""

    what: str
    wanted: float
    measured: float
    unit: str = ""
    at_least: bool = False
    absent: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it was reached; None where it was not measured."""
        if isnan(self.measured):
            return None
        return self.measured >= self.wanted if self.at_least else self.measured <= self.wanted


@dataclass(frozen=True, slots=True)
class Section:
    """A title, how it was measured, tables in Markdown, and the figures in them under a ``key``."""

    key: str
    title: str
    method: str
    tables: Sequence[str] = ()
    summaries: Sequence[Summary] = ()
    versions: Mapping[str, str] | None = None
    goals: Sequence[Goal] = ()

    def __str__(self) -> str:
        return "\n\n".join([f"## {self.title}", self.method, *self.tables])

    def to_json(self) -> dict[str, Any]:
        """Return the section as JSON; what was not measured is null."""
        return {
            "title": self.title,
            "method": self.method,
            "versions": dict(self.versions or {}),
            "figures": [_json(asdict(summary)) for summary in self.summaries],
            "goals": [{**_json(asdict(goal)), "met": goal.met} for goal in self.goals],
        }


def _json(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and isnan(value) else value for name, value in members.items()}
