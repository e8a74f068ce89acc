"""What goes wrong, in words for the one who typed the command."""

from __future__ import annotations

__all__ = ["MiniError"]


class MiniError(Exception):
    """The stack cannot be started; the message says why and how to mend it."""
