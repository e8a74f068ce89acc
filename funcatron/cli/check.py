"""``funcatron check``: every mistake in documents and handlers at once, for people and for CI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from funcatron.cli.console import note, print_json
from funcatron.cli.options import json_option, read_settings, settings_options, specs_argument
from funcatron.errors import Mistake, SpecError


@click.command("check")
@specs_argument
@json_option
@settings_options("broker", "store", "data_dir")
def command(specs: Sequence[str], as_json: bool, **given: Any) -> int:
    """List every mistake in documents and their handlers.

    Each is shown with its file, line and JSON Pointer. Exit code 1 where there is any; warnings do not count.
    """
    from funcatron.app import Funcatron

    settings = read_settings(given)
    mistakes: Sequence[Mistake] = ()
    warnings: Sequence[str] = ()
    functions = 0
    try:
        application = Funcatron(*specs, settings=settings)
        functions, warnings = len(application.registry.functions), ()
    except SpecError as error:
        mistakes = error.mistakes
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


def _as_json(mistake: Mistake) -> dict[str, Any]:
    return {"file": mistake.file, "line": mistake.line, "pointer": mistake.pointer, "message": mistake.message}
