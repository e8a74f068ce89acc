"""``funcatron new``: a project that runs, to begin with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from funcatron.cli.console import note

SUFFIX = ".in"
"""The skeleton's files end in this, so that they are data here and nothing that is imported, linted or tested."""


TEMPLATES = {
    "api": "openapi.yaml",
    "swift": "openapi.yaml",
    "celery": "openapi.yaml",
    "flask": "functions:functions",
}
"""Each is a folder of ``skeletons``, with what ``funcatron run`` is given there."""


@click.command("new")
@click.argument("name", metavar="NAME")
@click.option(
    "--template",
    type=click.Choice(list(TEMPLATES)),
    default="api",
    show_default=True,
    help="What to begin with: functions over HTTP, for uploads into Swift, for Celery clients, of Flask's views.",
)
def command(name: str, template: str) -> None:
    """Make a new project that runs: a folder NAME with a document, handlers and tests."""
    folder = Path(name)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", folder.name):
        raise click.BadParameter("a name has letters, digits, - and _ only", param_hint="NAME")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise click.BadParameter(f"{folder} is there already, and it is not an empty folder", param_hint="NAME")
    for parts, source in _files(files("funcatron.cli") / "skeletons" / template):
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.read_text(encoding="utf-8").replace("$name", folder.name), encoding="utf-8")
        click.echo(target)
    note(f"Now: cd {folder} && funcatron run {TEMPLATES[template]}")


def _files(folder: Traversable, parts: Sequence[str] = ()) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    """Yield the skeleton's files, each with the path that it becomes."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files(entry, (*parts, entry.name))
        elif entry.name.endswith(SUFFIX):
            name = entry.name.removesuffix(SUFFIX)
            yield (*parts, ".gitignore" if name == "gitignore" else name), entry
