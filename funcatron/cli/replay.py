"""``funcatron replay``: recorded executions and events, run again in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from funcatron.cli.console import counted, log_to_stderr, note, print_json
from funcatron.cli.options import json_option, overlay_option, settings_options
from funcatron.errors import FuncatronError

if TYPE_CHECKING:
    from funcatron.app import Funcatron
    from funcatron.testing.replay import Recorded, Replayed

DOORS = ("http", "async", "celery", "queue")
DOCUMENTS = ("openapi.yaml", "openapi.yml", "openapi.json")


@click.command("replay")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@click.option("--spec", "specs", multiple=True, metavar="SPEC", help="Document; default openapi.yaml; may be repeated.")
@overlay_option
@click.option("--door", type=click.Choice(DOORS), help="Call through this door; default: run them as a worker would.")
@click.option("--function", metavar="NAME", help="Call this function in place of the recorded one.")
@json_option
@settings_options("data_dir", "log_level", "cloud")
def command(
    file: str, specs: tuple[str, ...], door: str | None, function: str | None, as_json: bool, **given: Any
) -> int:
    """Run recorded executions and CloudEvents again and compare what they come to with what they came to.

    FILE has what 'funcatron executions show --json' wrote, or events, one a line. The handlers are called for real,
    here; no broker and no store is touched, retries come at once. Exit code 0 if all came to the same, else 1.
    """
    from funcatron.cli.application import application
    from funcatron.store.memory import MemoryStore
    from funcatron.testing.inline import InlineDispatcher
    from funcatron.testing.replay import read_recorded

    recorded = read_recorded(file)
    app = application(specs or _usual(), given)
    log_to_stderr(app.settings.log_level)
    store = MemoryStore()
    here = app.standing_in(store=store, dispatcher=InlineDispatcher(store))
    replayed = asyncio.run(_replay(here, recorded, door, function))
    if as_json:
        print_json([_json(one) for one in replayed])
    else:
        _tell(replayed)
    return int(not all(one.ok for one in replayed))


def _usual() -> list[str]:
    found = [name for name in DOCUMENTS if Path(name).is_file()]
    if not found:
        raise click.UsageError(f"There is no {DOCUMENTS[0]} here: name a document with --spec.")
    return found[:1]


async def _replay(
    app: Funcatron, recorded: Sequence[Recorded], door: str | None, function: str | None
) -> list[Replayed]:
    from funcatron.testing.replay import replay

    replayed: list[Replayed] = []
    try:
        for one in recorded:
            try:
                replayed += await replay(app, one, door=door, function=function)
            except FuncatronError as error:
                raise FuncatronError(f"{one.place}: {error}") from error
    finally:
        await app.stop()
    return replayed


def _tell(replayed: Sequence[Replayed]) -> None:
    for one in replayed:
        shown = one.recorded.shown or {}
        named = shown.get("id") or getattr(one.recorded.event, "id", "")
        click.echo(f"{'same' if one.ok else 'differs'}  {one.function}  {named}  {one.now['state']}")
        for difference in one.differences:
            click.echo(f"    {difference.pointer}: was {_short(difference.then)}, is {_short(difference.now)}")
        if not one.ok and not one.differences:
            click.echo(f"    {_short(one.now['problem'])}")
        if one.recorded.masked:
            click.echo("    its input was redacted in the record: this is not what was called then")
    good = sum(one.ok for one in replayed)
    note(f"{counted(len(replayed), 'call')}, {good} as recorded")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:199] + "…"


def _json(one: Replayed) -> dict[str, Any]:
    shown = one.recorded.shown or {}
    return {
        "place": one.recorded.place,
        "id": shown.get("id") or getattr(one.recorded.event, "id", None),
        "function": one.function,
        "ok": one.ok,
        "masked": one.recorded.masked,
        "differences": [asdict(difference) for difference in one.differences],
        "now": {part: one.now[part] for part in ("state", "result", "problem")},
    }
