"""``funcatron check``: every mistake in documents and handlers at once, for people and for CI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from funcatron.cli.console import note, print_json
from funcatron.cli.options import json_option, read_settings, settings_options, specs_argument
from funcatron.errors import Mistake, SpecError
from funcatron.settings import Settings


@click.command("check")
@specs_argument
@json_option
@settings_options("broker", "store", "data_dir")
def command(specs: Sequence[str], as_json: bool, **given: Any) -> int:
    """List every mistake in documents and their handlers.

    Each is shown with its file, line and JSON Pointer. Exit code 1 where there is any; warnings do not count.
    """
    mistakes, warnings, functions = examine(specs, read_settings(given))
    if as_json:
        print_json({"mistakes": [_as_json(mistake) for mistake in mistakes], "warnings": list(warnings)})
    else:
        for mistake in mistakes:
            click.echo(str(mistake))
        for warning in warnings:
            click.echo(f"warning: {warning}")
        counted = f"{len(mistakes)} mistake{'s' * (len(mistakes) != 1)}"
        note(counted if mistakes else f"{functions} functions, no mistakes")
    return int(bool(mistakes))


def examine(specs: Sequence[str], settings: Settings) -> tuple[list[Mistake], list[str], int]:
    """Return the mistakes, the warnings and the number of functions that are right."""
    from funcatron.app import Funcatron
    from funcatron.spec.document import load

    mistakes: list[Mistake] = []
    readable = []
    for spec in specs:
        try:
            load(spec)
            readable.append(spec)
        except SpecError as error:
            mistakes += error.mistakes
    if not readable:
        return mistakes, [], 0
    application = Funcatron(*readable, settings=settings)
    try:
        return mistakes, [], len(application.registry)
    except SpecError as error:
        return [*mistakes, *error.mistakes], [], 0


def _as_json(mistake: Mistake) -> dict[str, Any]:
    return {"file": mistake.file, "line": mistake.line, "pointer": mistake.pointer, "message": mistake.message}
