"""What commands write: tables for people, JSON for programs; colour and progress on a terminal only."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

STYLES = {
    "succeeded": "green",
    "failed": "red",
    "expired": "red",
    "running": "cyan",
    "retrying": "yellow",
    "queued": "blue",
    "cancelled": "magenta",
}

NARROWEST = 100
"""Columns below which a table is not squeezed: it runs over the edge, where a terminal breaks its lines."""


def print_json(value: Any) -> None:
    """Write one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, cut: Sequence[str] = ()) -> None:
    """Write a table: fitted on a terminal (see ``framed``), whole cells in aligned columns elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console(width=max(NARROWEST, get_terminal_size().columns)).print(framed(columns, rows, cut=cut))
        return
    widths = [max(len(line[i]) for line in [columns, *rows]) for i in range(len(columns))]
    for line in [columns, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def framed(columns: Sequence[str], rows: Sequence[Sequence[str]], *, cut: Sequence[str] = ()) -> Table:
    """Return the table as rich draws it; a cell that names a state has its colour.

    Where the terminal is too narrow, the columns named in ``cut`` are cut; without any, all but the first are folded.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(
            column, overflow="fold", no_wrap=column not in cut if cut else number == 0, min_width=len(column)
        )
    for row in rows:
        cells = zip(columns, row, strict=True)
        table.add_row(
            *(
                Text(
                    cell,
                    style=STYLES.get(cell, ""),
                    no_wrap=column in cut or None,
                    overflow="ellipsis" if cut else None,
                )
                for column, cell in cells
            )
        )
    return table


@contextmanager
def progress_bar(label: str, length: int) -> Iterator[Any]:
    """Give an object with ``update(n)``: a bar on standard error if that is a terminal, else nothing."""
    with click.progressbar(length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar


def counted(number: int, noun: str) -> str:
    """Return the number and the noun, in the plural where it is due."""
    return f"{number} {noun}{'s' * (number != 1)}"


def note(message: str) -> None:
    """Write a line for people to standard error, so that standard output stays the answer."""
    click.echo(message, err=True)


def log_to_stderr(level: str) -> None:
    """Log to standard error from this level on; of the HTTP client only warnings, since URLs may hold secrets."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)-8s %(name)s: %(message)s", stream=sys.stderr
    )
    for name in ("httpcore", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
