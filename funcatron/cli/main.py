"""The ``funcatron`` command: finds its sub-commands, and turns what goes wrong into one message and an exit code.

Exit codes: 0 it is done; 1 the answer is no (mistakes in a document, a function that failed, a record that is not
there, a service out of reach); 2 the call itself is wrong (usage, settings); 130 interrupted.

A sub-command's module is imported when it is asked for, and not before: ``funcatron --help`` answers from a table.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from funcatron.cli.console import counted
from funcatron.errors import FuncatronError, Problem, SettingsError, SpecError

COMMANDS = {
    "run": "Serve documents: HTTP, workers, triggers and clock in one.",
    "serve": "Serve HTTP alone.",
    "worker": "Run executions alone.",
    "triggers": "Listen to queues and the clock alone.",
    "check": "List every mistake in documents and handlers.",
    "functions": "List functions: route, mode, triggers, handler.",
    "invoke": "Call one function, now or later.",
    "replay": "Run recorded executions and events again.",
    "executions": "List, show, cancel and redrive executions.",
    "bundle": "Put a document and its handlers into one archive.",
    "trust": "Create, list and delete Keystone trusts.",
    "spec": "Derive a document from handlers.",
    "new": "Make a new project that runs.",
}
"""Each command is ``command`` in ``funcatron.cli.<name>``; its line here is what its own help begins with."""

FAILED, USAGE, INTERRUPTED = 1, 2, 130


class Commands(click.Group):
    """A group whose commands are imported when they are invoked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"funcatron.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"funcatron {version('funcatron')}")
        ctx.exit()


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def cli() -> None:
    """Functions described by OpenAPI: called over HTTP, later, by Celery, by a message or by a clock.

    To begin: funcatron new hello && cd hello && funcatron run openapi.yaml
    """


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; ``args`` default to those of the process."""
    try:
        outcome: Any = cli.main(args, prog_name="funcatron", standalone_mode=False)
        code = outcome if isinstance(outcome, int) else 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        code = INTERRUPTED
    except Problem as problem:
        click.echo(json.dumps(problem.to_json(), indent=2, ensure_ascii=False), err=True)
        code = FAILED
    except FuncatronError as error:
        click.echo(message_of(error), err=True)
        code = USAGE if isinstance(error, SettingsError) else FAILED
    sys.exit(code)


def message_of(error: FuncatronError) -> str:
    """Return what a person reads of an error: one line, or a line for each mistake."""
    if isinstance(error, SpecError):
        return "\n".join([*(str(mistake) for mistake in error.mistakes), counted(len(error.mistakes), "mistake")])
    return f"Error: {error}"
