"""The command line: ``funcatron run``, ``check``, ``invoke`` and the rest."""

from funcatron.cli.main import main

__all__ = ["main"]
