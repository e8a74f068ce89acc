"""``funcatron functions``: what documents offer, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from funcatron.cli.console import print_json, print_table
from funcatron.cli.options import json_option, specs_argument

if TYPE_CHECKING:
    from funcatron.registry import Function

COLUMNS = ("FUNCTION", "ROUTE", "MODE", "TRIGGERS", "HANDLER")


@click.command("functions")
@specs_argument
@json_option
def command(specs: Sequence[str], as_json: bool, **given: Any) -> None:
    """List the functions of documents: route, mode, triggers, handler."""
    from funcatron.cli.application import application

    registry = application(specs, given).registry
    if as_json:
        print_json([_as_json(function) for function in registry])
    else:
        print_table(COLUMNS, rows(registry))


def rows(functions: Iterable[Function]) -> list[tuple[str, ...]]:
    """Return a row for each function, in the order of COLUMNS."""
    return [
        (
            function.name,
            route(function) or "(events only)",
            mode(function),
            ", ".join(trigger_line(b.kind, b.settings) for b in function.extension.triggers),
            function.handler_name,
        )
        for function in functions
    ]


def route(function: Function) -> str | None:
    """Return method and route, or None for what only events reach."""
    operation = function.operation
    return None if operation.route is None else f"{operation.method.upper()} {operation.route}"


def mode(function: Function) -> str:
    """Return how the function runs: now or later, how many at a time, in which order."""
    extension = function.extension
    limits = [] if extension.concurrency is None else [f"{extension.concurrency} at a time"]
    if extension.ordering is not None:
        limits.append(f"in order of {extension.ordering}")
    said = function.operation.mode
    return f"{said} ({', '.join(limits)})" if limits else said


def trigger_line(kind: str, settings: Mapping[str, Any]) -> str:
    """Return a trigger in a few words: its kind and the setting that tells the most."""
    for telling in ("cron", "every", "name", "container", "type", "path"):
        if telling in settings:
            return f"{kind} {settings[telling]}"
    return kind


def _as_json(function: Function) -> dict[str, Any]:
    operation, extension = function.operation, function.extension
    return {
        "name": function.name,
        "method": operation.method.upper() if operation.route is not None else None,
        "route": operation.route,
        "summary": operation.summary,
        "mode": operation.mode,
        "queue": extension.queue,
        "timeout": extension.timeout,
        "concurrency": extension.concurrency,
        "ordering": extension.ordering,
        "triggers": [{binding.kind: dict(binding.settings)} for binding in extension.triggers],
        "handler": function.handler_name,
    }
