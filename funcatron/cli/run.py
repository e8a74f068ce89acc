"""``funcatron run``: HTTP, workers, triggers and clock under one supervisor."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import click

from funcatron.cli.options import COMMON, HTTP, WORKER, read_settings, settings_options, specs_argument
from funcatron.errors import FuncatronError
from funcatron.settings import Settings


@click.command("run")
@specs_argument
@click.option("--reload", "reloading", is_flag=True, help="Start again when a document or a handler is saved.")
@click.option(
    "--mock",
    type=click.Choice(["all", "missing"]),
    help="Answer from the documents' examples: always, or where there is no handler.",
)
@settings_options(*HTTP, *WORKER, *COMMON)
def command(specs: Sequence[str], reloading: bool, mock: Literal["all", "missing"] | None, **given: Any) -> int:
    """Serve documents: HTTP, workers, triggers and the clock, under one supervisor.

    Nothing has to be set up: messages and records are kept in one SQLite file, unless a broker and a store are named.
    Ctrl-C lets what runs come to its end, then exits with 0.
    """
    if reloading:
        return _run_reloading(specs, read_settings(given))
    from funcatron.cli.application import application
    from funcatron.cli.starting import serve

    if mock is None:
        return serve(application(specs, given), "run")
    from funcatron.cli.mock import mock_handlers

    handlers = mock_handlers(application(specs, given, bound=False).documents, mock)
    return serve(application(specs, given, handlers=handlers), "run")


def _run_reloading(specs: Sequence[str], settings: Settings) -> int:
    from funcatron.cli.reload import Sources, run_reloading

    arguments = [argument for argument in sys.argv[1:] if argument != "--reload"]
    folders = sorted({Path.cwd(), *_folders([*specs, *settings.overlay])})
    return run_reloading(arguments, folders, Sources(Path(settings.data_dir)), settings.shutdown_timeout + 5)


def _folders(specs: Sequence[str]) -> Iterable[Path]:
    """Yield the folders of every file that the documents are made of; of those that cannot be read, their own."""
    from funcatron.spec.document import load

    for spec in specs:
        path = Path(spec)
        if path.exists():
            yield path.resolve().parent
        try:
            yield from (file.resolve().parent for file in load(spec).files)
        except FuncatronError:  # what is wrong with it is said by the server itself, which is started nonetheless
            continue
