"""What is wrong with an answer."""

from __future__ import annotations

from collections.abc import Iterable

from funcatron.errors import FuncatronError, Violation

__all__ = ["InvalidReply"]


class InvalidReply(FuncatronError):
    """The handler's answer is not what the document promises, or does not serialise."""

    def __init__(self, message: str, violations: Iterable[Violation] = ()) -> None:
        self.violations = tuple(violations)
        super().__init__(message)
