"""``funcatron check``: every mistake in documents and handlers at once, for people and for CI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from funcatron.cli.console import counted, note, print_json
from funcatron.cli.options import json_option, settings_options, specs_argument
from funcatron.errors import Mistake, SpecError

if TYPE_CHECKING:
    from funcatron.registry import Function


@click.command("check")
@specs_argument
@json_option
@settings_options("broker", "store", "data_dir")
def command(specs: Sequence[str], as_json: bool, **given: Any) -> int:
    """List every mistake in documents and their handlers.

    Each is shown with its file, line and JSON Pointer. Exit code 1 where there is any; warnings do not count.
    """
    mistakes, warnings, functions = examine(specs, given)
    if as_json:
        print_json({"mistakes": [_as_json(mistake) for mistake in mistakes], "warnings": list(warnings)})
    else:
        for mistake in mistakes:
            click.echo(str(mistake))
        for warning in warnings:
            click.echo(f"warning: {warning}")
        note(counted(len(mistakes), "mistake") if mistakes else f"{counted(functions, 'function')}, no mistakes")
    return int(bool(mistakes))


def examine(specs: Sequence[str], given: Mapping[str, Any]) -> tuple[list[Mistake], list[str], int]:
    """Return the mistakes, the warnings and the number of functions that are right."""
    from funcatron.cli.application import application

    try:
        registry = application(specs, given).registry
    except SpecError as error:
        return list(error.mistakes), [], 0
    return [], [line for function in registry for line in warnings_of(function)], len(registry)


def warnings_of(function: Function) -> Iterator[str]:
    """Yield what is allowed but may surprise: names that funcatron has made, answers the document does not tell of."""
    from funcatron.binding import argument_name

    operation, document = function.operation, function.operation.document
    where = partial(document.mistake, operation.pointer)
    if operation.target is None:
        yield str(where(f"there is no operationId; the function is called {function.name}"))
    for (location, name), argument in function.binder.arguments.items():
        if argument != argument_name(name):
            yield str(
                where(f"two arguments would be called {argument_name(name)}; the {location} parameter is {argument}")
            )
    if function.extension.mode == "async" and operation.route is not None and operation.reply(202) is None:
        yield str(where(f"{function.name} is answered with 202, and the document does not say so"))


def _as_json(mistake: Mistake) -> dict[str, Any]:
    return {"file": mistake.file, "line": mistake.line, "pointer": mistake.pointer, "message": mistake.message}
