"""Which of funcatron's functions are planned, told without building anything (``funcatron check``)."""

from __future__ import annotations

from collections.abc import Iterable

from funcatron.http.plan.probe import missing
from funcatron.http.plan.refusal import Refusal
from funcatron.registry import Function

__all__ = ["refused"]


def refused(functions: Iterable[Function]) -> list[Refusal]:
    """Return the routed functions that connexion's whole stack serves, each with the reason: usually none."""
    lacking = missing()
    everywhere = f"this release of connexion has no {', '.join(lacking)}" if lacking else None
    return [
        Refusal(function.operation.method.upper(), function.operation.route or "", reason)
        for function in functions
        if function.operation.route is not None and (reason := everywhere or _reason(function)) is not None
    ]


def _reason(function: Function) -> str | None:
    return "the base path has parameters" if "{" in function.operation.document.base_path else None
