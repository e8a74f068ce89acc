"""``funcatron triggers``: triggers and clock alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from funcatron.cli.options import COMMON, settings_options, specs_argument


@click.command("triggers")
@specs_argument
@settings_options("shutdown_timeout", *COMMON)
def command(specs: Sequence[str], **given: Any) -> int:
    """Listen to queues and keep the clock, and look after what is on record: retries, lost workers, old records."""
    from funcatron.cli.application import application
    from funcatron.cli.starting import serve

    return serve(application(specs, given), "triggers")
