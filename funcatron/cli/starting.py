"""What the commands that serve have in common: the application, the checks, what people are told, the roles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from funcatron import plugins
from funcatron.app import CONTROL, Funcatron
from funcatron.cli.console import log_to_stderr, print_table
from funcatron.cli.functions import COLUMNS, rows
from funcatron.registry import Registry
from funcatron.settings import Settings
from funcatron.triggers import bound_triggers
from funcatron.webhooks.trigger import WebhookTrigger

__all__ = ["serve"]

Part = Literal["run", "serve", "worker", "triggers"]


def serve(app: Funcatron, part: Part) -> int:
    """Tell people what is served, then serve until Ctrl-C or SIGTERM; returns the exit code."""
    settings = app.settings
    log_to_stderr(settings.log_level)
    if part in ("run", "serve"):
        from funcatron.http import refuse_public

        refuse_public(settings.host, settings)
        refuse_unchecked(app.registry, settings)

    def start() -> None:
        print_table(COLUMNS, rows(app.registry))
        click.echo()

    def ready(urls: Sequence[str]) -> None:
        for name, value in summary(app, part, urls):
            click.echo(f"{name:<12}{value}")
        click.echo("Ctrl-C ends it.")

    roles = plugins.load("funcatron.workers", "celery")(app, on_start=start, on_ready=ready)
    code: int = getattr(roles, part)()
    return code


def refuse_unchecked(registry: Registry, settings: Settings) -> None:
    """Raise FuncatronError where it could not be checked who calls: Keystone's plugin cannot be loaded, or a webhook's
    secret is not set (SettingsError).
    """
    if settings.control_keystone:
        plugins.load("funcatron.identities", "keystone")
    for bound in bound_triggers(registry, settings, WebhookTrigger):
        if isinstance(bound.trigger, WebhookTrigger):
            bound.trigger.sender.scheme(settings)


def summary(app: Funcatron, part: Part, urls: Sequence[str]) -> list[tuple[str, str]]:
    """Return what is where, as pairs of a name and a value."""
    settings = app.settings
    lines = []
    for url in urls:
        lines += [("HTTP", url + document.base_path) for document in app.documents]
        if settings.swagger_ui:
            lines += [("Swagger UI", f"{url}{document.base_path}/ui") for document in app.documents]
        lines.append(("Control API", url + CONTROL))
    lines.append(("Records", readable(settings.store_url)))
    lines.append(("Broker", "the same file" if settings.embedded else readable(settings.broker_url)))
    processes = {
        "run": f"{settings.processes} for HTTP, {settings.workers} for work, 1 for triggers and the clock",
        "serve": f"{settings.processes} for HTTP",
        "worker": f"{settings.workers} for work",
        "triggers": "1 for triggers and the clock",
    }
    return [*lines, ("Processes", processes[part])]


def readable(url: str) -> str:
    """Return a store's or broker's URL for people: a file by its path, credentials left out."""
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///"))
        return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
