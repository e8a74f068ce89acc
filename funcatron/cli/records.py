"""Where the command line gets executions from: the store itself (``stored``) or a server's control API (``remote``).

Both say what the control API says: an execution is its JSON form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from funcatron.errors import FuncatronError
from funcatron.execution import State

__all__ = ["Filter", "Outcome", "Records"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which executions; ``since`` and ``until`` are seconds since the epoch."""

    function: str | None = None
    state: State | None = None
    trigger: str | None = None
    since: float | None = None
    until: float | None = None

    @property
    def empty(self) -> bool:
        """Whether it lets everything through."""
        return all(getattr(self, field.name) is None for field in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What ``result`` found: the handler's own answer (or the problem), or ``ended`` False."""

    ended: bool
    status: int
    body: bytes


class Records(Protocol):
    """Where executions are asked for. Each raises FuncatronError: for a record that is not there too."""

    def page(self, wanted: Filter, limit: int, marker: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """Return one page, the newest first, and the marker of the next one."""

    def get(self, execution_id: str) -> dict[str, Any]:
        """Return one execution, with its history."""

    def result(self, execution_id: str) -> Outcome:
        """Return what it came to."""

    def logs(self, execution_id: str) -> list[dict[str, Any]]:
        """Return its log lines: time (RFC 3339), level, logger, message, attempt."""

    def cancel(self, execution_id: str) -> dict[str, Any]:
        """Cancel it; returns it as it is then."""

    def redrive(self, execution_ids: Sequence[str]) -> Iterator[dict[str, Any] | FuncatronError]:
        """Queue these again; yields for each, in order, what it is then, or why it cannot be."""

    def close(self) -> None:
        """Release what was opened; what was queued is published."""
