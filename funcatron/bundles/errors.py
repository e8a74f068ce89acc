"""What is wrong with a bundle."""

from __future__ import annotations

from funcatron.errors import FuncatronError

__all__ = ["BundleError"]


class BundleError(FuncatronError):
    """A bundle cannot be used."""
