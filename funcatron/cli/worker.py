"""``funcatron worker``: workers alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from funcatron.cli.options import COMMON, WORKER, settings_options, specs_argument


@click.command("worker")
@specs_argument
@settings_options(*WORKER, *COMMON)
def command(specs: Sequence[str], **given: Any) -> int:
    """Run executions alone: those that HTTP, triggers and Celery clients have queued."""
    from funcatron.cli.application import application
    from funcatron.cli.starting import serve

    return serve(application(specs, given), "worker")
