"""What was probably meant by a name that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean", "nearest"]

ALIKE = 0.6


def nearest(name: str, known: Iterable[str], alike: float = ALIKE) -> str | None:
    """Return the known name that is most like ``name``, None where none is; ``alike`` is how much, from 0 to 1."""
    close = get_close_matches(name, list(known), n=1, cutoff=alike)
    return close[0] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: ``; did you mean 'port'?``, or nothing."""
    close = nearest(name, known)
    return f"; did you mean {close!r}?" if close is not None else ""
