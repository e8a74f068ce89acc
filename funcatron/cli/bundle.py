"""``funcatron bundle``: a document and its handlers in one archive."""

from __future__ import annotations

from pathlib import Path

import click

from funcatron.cli.console import note, print_json
from funcatron.cli.options import json_option


@click.command("bundle")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Default: DIR.zip, here.")
@json_option
def command(folder: Path, output: Path | None, as_json: bool) -> None:
    """Make an archive of a folder with a document and its handlers, for funcatron run.

    Writes its name with its digest: what is run by that name is this very archive.
    """
    from funcatron.bundles.making import make

    target = output or Path(f"{folder.resolve().name}.zip")
    digest = make(folder.resolve(), target)
    if as_json:
        print_json({"file": str(target), "sha256": digest})
        return
    click.echo(f"{target}#sha256={digest}")
    note("run it with: funcatron run, and this name; or put it into Swift: swift://CONTAINER/OBJECT#sha256=...")
