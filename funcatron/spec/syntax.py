"""What is wrong with a text before it is a document: the errors that the YAML and JSON readers share."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from funcatron.spec.pointer import Parts

__all__ = ["MAX_DEPTH", "Flaw", "Flaws"]

MAX_DEPTH = 120
"""How deep a document may nest; jsonschema-rs stops at twice as much, and what is deeper is a mistake or an attack."""


class Flaw(msgspec.Struct, frozen=True):
    """One thing that is wrong: its line (from 1, where known), the way to it, and what it is."""

    line: int | None
    parts: Parts
    message: str


class Flaws(Exception):
    """The text cannot be read; ``flaws`` lists all that was found."""

    def __init__(self, flaws: Iterable[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("; ".join(flaw.message for flaw in self.flaws))
