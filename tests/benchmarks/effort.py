"""How much is measured: enough to be believed, or just enough to see that it still runs."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "Effort"]


@dataclass(frozen=True, slots=True)
class Effort:
    """``rounds`` of everything; ``seconds`` of load for each peer and case in each; ``counted`` requests under
    valgrind; no-ops to submit, to execute, and to start at an even pace. ``quick`` leaves out what takes its time
    whatever the numbers: wrk (whole seconds only), every peer but the smallest under valgrind, and, at an even pace,
    all workers but two.
    """

    rounds: int
    seconds: float
    counted: int
    submits: int
    executions: int
    starts: int
    quick: bool = False


FULL = Effort(rounds=3, seconds=2.0, counted=500, submits=2000, executions=3000, starts=300)
QUICK = Effort(rounds=1, seconds=0.1, counted=10, submits=50, executions=50, starts=10, quick=True)
