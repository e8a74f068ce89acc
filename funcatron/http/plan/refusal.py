"""Why an operation has no plan: connexion serves it, as it always did."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Refusal", "Refused"]


class Refused(Exception):
    """An operation cannot be planned; the message says why."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One operation that connexion's own stack serves. ``path`` is as in the document, ``method`` in capitals."""

    method: str
    path: str
    reason: str
