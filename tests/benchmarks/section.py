"""What a part of the benchmarks has to say, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any, TypeAlias

from tests.benchmarks.samples import Summary

__all__ = ["Section", "Tell"]

Tell: TypeAlias = Callable[[str], None]
"""Is told what is being done, for whoever waits."""


@dataclass(frozen=True, slots=True)
class Section:
    """A title, how it was measured, tables in Markdown, and the figures in them under a ``key``."""

    key: str
    title: str
    method: str
    tables: Sequence[str] = ()
    summaries: Sequence[Summary] = ()
    versions: Mapping[str, str] | None = None

    def __str__(self) -> str:
        return "\n\n".join([f"## {self.title}", self.method, *self.tables])

    def to_json(self) -> dict[str, Any]:
        """Return the section as JSON; what was not measured is null."""
        figures = [
            {name: None if isinstance(value, float) and isnan(value) else value for name, value in asdict(s).items()}
            for s in self.summaries
        ]
        return {"title": self.title, "method": self.method, "versions": dict(self.versions or {}), "figures": figures}
