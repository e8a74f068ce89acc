"""Moments on the command line: RFC 3339, or how far from now (``90s``, ``10m``, ``2h``, ``7d``)."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

import click

from funcatron.cli.rows import UNITS

__all__ = ["Until", "When"]


class When(click.ParamType[float]):
    """A moment, as it is or by how long ago it was; converted to seconds since the epoch."""

    name = "when"
    direction = -1
    examples = "a time such as 2026-01-31T12:00:00Z nor an age such as 10m, 2h or 7d"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read one; refuses what is neither."""
        if isinstance(value, float):
            return value
        if away := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value):
            return time.time() + self.direction * float(away[1]) * UNITS[away[2]]
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither {self.examples}")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class Until(When):
    """A moment to come, as it is or by how far away it is."""

    name = "until"
    direction = 1
    examples = "a time such as 2030-01-31T12:00:00Z nor one such as 12h or 30d from now"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read one; refuses what is neither, and what is past."""
        moment = super().convert(value, param, ctx)
        if moment <= time.time():
            self.fail(f"{value} is past")
        return moment
