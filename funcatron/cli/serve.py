"""``funcatron serve``: HTTP alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from funcatron.cli.options import COMMON, HTTP, settings_options, specs_argument


@click.command("serve")
@specs_argument
@settings_options(*HTTP, *COMMON)
def command(specs: Sequence[str], **given: Any) -> int:
    """Serve HTTP alone: what is called later waits for a worker elsewhere."""
    from funcatron.cli.application import application
    from funcatron.cli.starting import serve

    return serve(application(specs, given), "serve")
