"""``funcatron executions``: the records of what was called, from the store itself or from a running server."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar, get_args

import click

from funcatron.cli.console import counted, framed, note, print_json, print_table, progress_bar
from funcatron.cli.moments import When
from funcatron.cli.options import json_option, read_settings, settings_options
from funcatron.cli.records import Filter, Records
from funcatron.cli.rows import COLUMNS, CUT, HISTORY, attempt_row, execution_row
from funcatron.errors import FuncatronError
from funcatron.execution import ENDED, State, before

F = TypeVar("F", bound=Callable[..., Any])

PAGE = 100
REDRIVEN = before("redrive")


def source_options(function: F) -> F:
    """Add where the records are: the store's settings, or a server's URL and token."""
    function = click.option("--token", metavar="TEXT", help="The control token of the server at --url.")(function)
    function = click.option("--url", metavar="URL", help="Ask the server at this URL instead of the store.")(function)
    return settings_options("data_dir", "store", "broker")(function)


def filter_options(function: F) -> F:
    """Add what narrows a list down."""
    when = When()
    for option in (
        click.option("--until", type=when, metavar="WHEN", help="Created before this time, or this long ago."),
        click.option("--since", type=when, metavar="WHEN", help="Created since this time, or this long ago (10m, 2h)."),
        click.option("--trigger", metavar="KIND", help="Only this trigger: http, async, celery, queue, event..."),
        click.option("--state", type=click.Choice(get_args(State)), help="Only this state."),
        click.option("--function", metavar="NAME", help="Only this function."),
    ):
        function = option(function)
    return function


@contextmanager
def opened(given: dict[str, Any]) -> Iterator[Records]:
    """Give the records where the options say that they are."""
    settings = read_settings(given)
    records: Records
    if given.get("url"):
        from funcatron.cli.remote import RemoteRecords

        records = RemoteRecords(given["url"], given.get("token") or settings.control_token)
    else:
        from funcatron.cli.stored import StoredRecords

        records = StoredRecords(settings)
    try:
        yield records
    finally:
        records.close()


def filter_of(given: dict[str, Any]) -> Filter:
    """Return the filter that the options say."""
    return Filter(**{name: given.get(name) for name in ("function", "state", "trigger", "since", "until")})


@click.group("executions")
def command() -> None:
    """The records of what was called: list, show, logs, result, cancel, redrive.

    They are read from the store that the settings name (of the server that uses it, running or not), or with --url
    from the control API of a running server.
    """


@command.command("list")
@filter_options
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, metavar="N", help="At most so many.")
@click.option("--watch", is_flag=True, help="Keep showing, until Ctrl-C.")
@json_option
@source_options
def list_(limit: int, watch: bool, as_json: bool, **given: Any) -> None:
    """List executions, the newest first."""
    with opened(given) as records:
        if watch:
            _watch(records, filter_of(given), limit)
            return
        executions = list(_first(records, filter_of(given), limit))
    _print_list(executions, as_json)


def _print_list(executions: Sequence[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(executions)
    else:
        print_table(COLUMNS, [execution_row(execution) for execution in executions], cut=CUT)


@command.command()
@click.argument("execution_id", metavar="ID")
@json_option
@source_options
def show(execution_id: str, as_json: bool, **given: Any) -> None:
    """Show one execution: its state, input, result or problem, and the attempts that failed."""
    with opened(given) as records:
        execution = records.get(execution_id)
        lines = records.logs(execution_id) if execution["history"] and not as_json else []
    if as_json:
        print_json(execution)
        return
    history = execution.pop("history")
    del execution["links"]
    for name, value in execution.items():
        if value not in (None, {}, []):
            click.echo(f"{name:<14}{value if isinstance(value, str) else _compact(value)}")
    if history:
        click.echo("")
        print_table(HISTORY, [attempt_row(attempt, lines) for attempt in history], cut=("WHY",))


@command.command()
@click.argument("execution_id", metavar="ID")
@click.option("--follow", "-f", is_flag=True, help="Go on until the execution has ended.")
@json_option
@source_options
def logs(execution_id: str, follow: bool, as_json: bool, **given: Any) -> None:
    """Show what an execution logged, over all its attempts."""
    with opened(given) as records:
        if as_json:
            print_json(records.logs(execution_id))
        else:
            _follow(records, execution_id, follow)


@command.command()
@click.argument("execution_id", metavar="ID")
@source_options
def result(execution_id: str, **given: Any) -> int:
    """Write the body that the function answered; exit code 1 where it failed or has not ended."""
    with opened(given) as records:
        outcome = records.result(execution_id)
    if not outcome.ended:
        note(f"{execution_id} has not ended yet")
        return 1
    failed = outcome.status >= 400
    click.echo(outcome.body, nl=not outcome.body.endswith(b"\n"), err=failed)
    return int(failed)


@command.command()
@click.argument("execution_ids", nargs=-1, required=True, metavar="ID...")
@json_option
@source_options
def cancel(execution_ids: tuple[str, ...], as_json: bool, **given: Any) -> int:
    """Cancel executions that have not ended."""
    with opened(given) as records:
        outcomes = (_outcome(records.cancel, execution_id) for execution_id in execution_ids)
        return change_each(execution_ids, outcomes, "Cancelling", "cancelled", as_json=as_json)


@command.command()
@click.argument("execution_ids", nargs=-1, metavar="[ID...]")
@filter_options
@click.option("--dry-run", is_flag=True, help="List what would be queued again, and change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before many are queued again; nor without a terminal.")
@json_option
@source_options
def redrive(execution_ids: tuple[str, ...], dry_run: bool, yes: bool, as_json: bool, **given: Any) -> int:
    """Queue executions again that failed, expired or were cancelled: these, or all that the filter names.

    With a filter and no --state, the failed ones are taken.
    """
    wanted = filter_of(given)
    if bool(execution_ids) == (not wanted.empty):
        raise click.UsageError("Name executions, or give a filter such as --state failed (not both).")
    if wanted.state not in (None, *REDRIVEN):
        raise click.UsageError(f"An execution that is {wanted.state} cannot be queued again.")
    with opened(given) as records:
        if dry_run:
            found = map(records.get, execution_ids) if execution_ids else _dead(records, wanted)
            _print_list(list(found), as_json)
            return 0
        if not execution_ids:
            execution_ids = tuple(execution["id"] for execution in _dead(records, wanted))
            if execution_ids and not yes and sys.stdin.isatty():
                question = f"Queue {counted(len(execution_ids), 'execution')} again?"
                click.confirm(question, abort=True, err=True)
        outcomes = records.redrive(execution_ids)
        return change_each(execution_ids, outcomes, "Queueing", "queued again", as_json=as_json)


def _dead(records: Records, wanted: Filter) -> Iterator[dict[str, Any]]:
    """Yield what the filter names, the failed ones unless it says otherwise."""
    return _first(records, replace(wanted, state=wanted.state or "failed"), None)


def _outcome(change: Callable[[str], dict[str, Any]], execution_id: str) -> dict[str, Any] | FuncatronError:
    try:
        return change(execution_id)
    except FuncatronError as error:
        return error


def change_each(
    execution_ids: Sequence[str],
    outcomes: Iterator[dict[str, Any] | FuncatronError],
    label: str,
    done: str,
    *,
    as_json: bool,
) -> int:
    """Go through the outcomes; what could not be changed is named at the end, and is the exit code."""
    changed, refused = [], []
    with progress_bar(label, len(execution_ids)) as bar:
        for execution_id, outcome in zip(execution_ids, outcomes, strict=True):
            if isinstance(outcome, FuncatronError):
                refused.append(f"{execution_id}: {outcome}")
            else:
                changed.append(outcome)
            bar.update(1)
    if as_json:
        print_json(changed)
    else:
        click.echo("".join(f"{execution['id']} {execution['state']}\n" for execution in changed), nl=False)
    for line in refused:
        note(line)
    if len(execution_ids) != 1 and not as_json:
        note(f"{len(changed)} of {counted(len(execution_ids), 'execution')} {done}")
    return int(bool(refused))


def _first(records: Records, wanted: Filter, limit: int | None) -> Iterator[dict[str, Any]]:
    """Yield the first ``limit`` executions, or all, page by page."""
    marker, left = None, limit
    while left is None or left > 0:
        page, marker = records.page(wanted, min(PAGE, left or PAGE), marker)
        yield from page
        left = None if left is None else left - len(page)
        if marker is None:
            return


def _follow(records: Records, execution_id: str, follow: bool) -> None:
    """Write the log lines; with ``follow`` those that come too, until the execution has ended."""
    shown = 0
    while True:
        ended = records.get(execution_id)["state"] in ENDED
        lines = records.logs(execution_id)
        for line in lines[shown:]:
            click.echo(f"{line['time']} {line['level']:<8} {line['logger']}: {line['message']}")
        shown = len(lines)
        if ended or not follow:
            return
        time.sleep(0.5)


def _watch(records: Records, wanted: Filter, limit: int) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console()
    if not console.is_terminal:
        raise click.UsageError("--watch needs a terminal; without it the list can be asked for again and again.")
    limit = min(limit, max(1, console.height - 4))
    with suppress(KeyboardInterrupt), Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            rows = [execution_row(execution) for execution in _first(records, wanted, limit)]
            live.update(framed(COLUMNS, rows, cut=CUT), refresh=True)
            time.sleep(1)


def _compact(value: Any) -> str:
    from json import dumps

    return dumps(value, ensure_ascii=False)
