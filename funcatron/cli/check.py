"""``funcatron check``: every mistake in documents and handlers at once, for people and for CI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from funcatron.cli.console import counted, note, print_json
from funcatron.cli.options import json_option, settings_options, specs_argument
from funcatron.errors import Mistake, SpecError

if TYPE_CHECKING:
    from funcatron.http.plan.refusal import Refusal
    from funcatron.registry import Function
    from funcatron.triggers import BoundTrigger


@click.command("check")
@specs_argument
@json_option
@settings_options("broker", "store", "data_dir")
def command(specs: Sequence[str], as_json: bool, **given: Any) -> int:
    """List every mistake in documents and their handlers, and what is served without a plan.

    Each is shown with its file, line and JSON Pointer. Exit code 1 where there is any; warnings do not count.
    """
    mistakes, functions, triggers = examine(specs, given)
    warnings = [line for function in functions for line in warnings_of(function)]
    warnings += dict.fromkeys(line for function in functions for line in differences_of(function))
    warnings += [line for bound in triggers for line in warnings_of_trigger(bound)]
    planned, refused = plans_of(functions)
    if as_json:
        told = {"mistakes": [_as_json(mistake) for mistake in mistakes], "warnings": warnings}
        print_json({**told, "planned": planned, "refused": [asdict(refusal) for refusal in refused]})
    else:
        for mistake in mistakes:
            click.echo(str(mistake))
        for warning in warnings:
            click.echo(f"warning: {warning}")
        for refusal in refused:
            click.echo(f"{refusal.method} {refusal.path} is not planned: {refusal.reason}")
        right = f"{counted(len(functions), 'function')}, {planned} of them planned, no mistakes"
        note(counted(len(mistakes), "mistake") if mistakes else right)
    return int(bool(mistakes))


def examine(specs: Sequence[str], given: Mapping[str, Any]) -> tuple[list[Mistake], list[Function], list[BoundTrigger]]:
    """Return the mistakes, or the functions and their triggers if there are none."""
    from funcatron.cli.application import application

    try:
        app = application(specs, given)
        return [], list(app.registry), app.triggers
    except SpecError as error:
        return list(error.mistakes), [], []


def plans_of(functions: Sequence[Function]) -> tuple[int, list[Refusal]]:
    """Return how many functions HTTP serves by a plan of their own, and which others it serves."""
    from funcatron.http.plan.report import refused

    without = refused(functions)
    return sum(function.operation.route is not None for function in functions) - len(without), without


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


def differences_of(function: Function) -> Iterator[str]:
    """Yield where types in Python and the document differ, and may be meant to."""
    from funcatron.agreement import differences
    from funcatron.annotations import typed_return

    loader, document = function.binder.loader, function.operation.document
    body = None if loader is None else loader.typed
    returned, _ = typed_return(function.handler)
    for one in differences(function.operation, body, returned, function.replies.named):
        yield str(document.mistake(one.pointer, one.message))


def warnings_of_trigger(bound: BoundTrigger) -> Iterator[str]:
    """Yield what a trigger says of itself that may surprise."""
    operation = bound.function.operation
    for said in bound.warnings():
        yield str(operation.document.mistake(bound.pointer, said))


def _as_json(mistake: Mistake) -> dict[str, Any]:
    return {"file": mistake.file, "line": mistake.line, "pointer": mistake.pointer, "message": mistake.message}
