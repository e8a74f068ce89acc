"""``funcatron triggers``: triggers and clock alone, or what they would do."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from funcatron.cli.options import COMMON, settings_options, specs_argument

if TYPE_CHECKING:
    from funcatron.app import Funcatron
    from funcatron.ports import Trigger


@click.command("triggers")
@specs_argument
@click.option("--dry-run", is_flag=True, help="Show what would call which function as it comes; call nothing.")
@settings_options("shutdown_timeout", "cloud", *COMMON)
def command(specs: Sequence[str], dry_run: bool, **given: Any) -> int:
    """Listen to queues and keep the clock, and look after what is on record: retries, lost workers, old records."""
    from funcatron.cli.application import application
    from funcatron.cli.starting import serve

    app = application(specs, given)
    return rehearse(app) if dry_run else serve(app, "triggers")


def _left_out(trigger: Trigger) -> str:
    """Return why nothing of a trigger is shown, or nothing where it is."""
    from funcatron.triggers import EventTrigger
    from funcatron.webhooks.trigger import WebhookTrigger

    if hasattr(trigger, "rehearse"):
        return ""
    if isinstance(trigger, (EventTrigger, WebhookTrigger)):
        return ": not shown, it comes by HTTP (funcatron serve)"
    return ": not shown, listening to it would take away what comes"


def rehearse(app: Funcatron) -> int:
    """Tell what triggers would do until Ctrl-C or SIGTERM; returns the exit code. Main thread only.

    Nothing is taken from anybody: a trigger that cannot listen otherwise is named and left out.
    """
    from funcatron.cli.console import log_to_stderr

    log_to_stderr(app.settings.log_level)
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    shown = [bound for bound in app.triggers if hasattr(bound.trigger, "rehearse")]
    for bound in app.triggers:
        click.echo(f"{bound.function.name}: {bound.trigger.describe()}{_left_out(bound.trigger)}", err=True)
    for bound in shown:
        getattr(bound.trigger, "rehearse")(click.echo)  # noqa: B009 - not every trigger has it
    click.echo("Ctrl-C ends it." if shown else "There is nothing to show.", err=True)
    while shown and not told.wait(0.5):  # a signal handler cannot wake a wait without a timeout on every system
        pass
    for bound in shown:
        bound.trigger.stop()
    return 0
