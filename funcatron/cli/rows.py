"""How executions and their attempts are shown in tables."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from funcatron.errors import SEE_LOG

__all__ = ["COLUMNS", "CUT", "HISTORY", "UNITS", "attempt_row", "execution_row"]

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Units of an age, in seconds."""
COLUMNS = ("ID", "STATE", "FUNCTION", "TRIGGER", "ATTEMPT", "AGE", "WHAT")
CUT = ("FUNCTION", "WHAT")
HISTORY = ("ATTEMPT", "ENDED", "TOOK", "WORKER", "FAILURE", "WHY")


def execution_row(execution: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of COLUMNS for an execution's JSON form."""
    return (
        execution["id"],
        execution["state"],
        execution["function"],
        execution["trigger"],
        str(execution["attempt"]),
        _age(time.time() - datetime.fromisoformat(execution["created_at"]).timestamp()),
        _what(execution),
    )


def attempt_row(attempt: dict[str, Any], lines: Sequence[dict[str, Any]] = ()) -> tuple[str, ...]:
    """Return the cells of HISTORY for a failed attempt's JSON form; ``lines`` are the log lines of its execution.

    Of an exception that nobody foresaw, which callers are not told, the log has the reason: the last line of an error.
    """
    problem = attempt["problem"]
    why = str(problem.get("detail") or problem.get("title") or "")
    return (
        str(attempt["attempt"]),
        attempt["ended_at"],
        "" if attempt["duration"] is None else f"{attempt['duration']:.2f} s",
        attempt["worker"] or "",
        attempt["failure"] or "",
        (_logged(attempt, lines) or why) if why.endswith(SEE_LOG) else why,
    )


def _logged(attempt: dict[str, Any], lines: Sequence[dict[str, Any]]) -> str | None:
    """Return the last line of the last error within the attempt's time."""
    began, ended = attempt["started_at"] or "", attempt["ended_at"]
    errors = [line["message"] for line in lines if line["level"] == "error" and began <= line["time"] <= ended]
    return str(errors[-1]).rstrip().rpartition("\n")[2] if errors else None


def _age(seconds: float) -> str:
    """Return an age in its largest unit: ``5s``, ``12m``, ``3h``, ``8d``."""
    unit = next((name for name in "dhm" if seconds >= UNITS[name]), "s")
    return f"{max(0, seconds) // UNITS[unit]:.0f}{unit}"


def _what(execution: dict[str, Any]) -> str:
    """Return the most telling: why it failed, how far it is, how long it took."""
    if problem := execution["problem"]:
        return str(problem.get("detail") or problem.get("title") or "")
    if execution["state"] == "running" and (progress := execution["progress"]):
        total = f"/{progress['total']}" if progress.get("total") else ""
        return f"{progress['done']}{total} {progress.get('note') or ''}".rstrip()
    return "" if execution["ended_at"] is None or execution["duration"] is None else f"in {execution['duration']:.2f} s"
