"""``funcatron invoke``: one call of one function, through the door that is asked for."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from funcatron import plugins
from funcatron.cli.console import log_to_stderr, print_json
from funcatron.cli.options import json_option, overlay_option, settings_options
from funcatron.errors import UnknownFunction
from funcatron.event import CloudEvent
from funcatron.spelling import did_you_mean

if TYPE_CHECKING:
    from funcatron.app import Funcatron
    from funcatron.invocation import Result


TRIGGERS = "funcatron.triggers"


class JSONInput(click.ParamType[Any]):
    """JSON itself, ``@FILE``, or ``-`` for standard input."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it; refuses what is not JSON, with the place."""
        if not isinstance(value, str):
            return value
        try:
            text = sys.stdin.read() if value == "-" else Path(value[1:]).read_text() if value[:1] == "@" else value
            return json.loads(text)
        except OSError as error:
            self.fail(f"{value[1:]} cannot be read: {error.strerror}")
        except ValueError as error:
            self.fail(f"this is not JSON: {error}")


class EventInput(JSONInput):
    """A CloudEvent as JSON, ``@FILE`` or ``-``, or ``KIND:REFERENCE`` for what triggers of this kind can look at."""

    name = "event"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it; a reference stays a string."""
        kind, colon, _ = value.partition(":") if isinstance(value, str) else ("", "", "")
        if colon and kind in plugins.names(TRIGGERS):
            return value
        return super().convert(value, param, ctx)


@click.command("invoke")
@click.argument("spec", metavar="SPEC")
@overlay_option
@click.argument("function", metavar="FUNCTION")
@click.option(
    "--input",
    "given_input",
    type=JSONInput(),
    default="{}",
    metavar="JSON|@FILE|-",
    help="Arguments by name, the request body under 'body'.",
)
@click.option("--async", "later", is_flag=True, help="Queue it for a worker; writes the execution.")
@click.option(
    "--event",
    type=EventInput(),
    metavar="JSON|@FILE|-|swift:CONTAINER/OBJECT",
    help="Hand it this CloudEvent, or that of the object that is there, for a worker.",
)
@json_option
@settings_options("data_dir", "store", "broker", "log_level", "cloud")
def command(spec: str, function: str, given_input: Any, later: bool, event: Any, as_json: bool, **given: Any) -> int:
    """Call one function of a document and write what it answers.

    Exit code 0 if it did what was asked, 1 if it refused or failed; the problem is then on standard error.
    """
    if later and event is not None:
        raise click.UsageError("--async and --event exclude each other.")
    if not isinstance(given_input, dict):
        raise click.BadParameter("the arguments are a JSON object", param_hint="--input")
    from funcatron.cli.application import application

    app = application([spec], given)
    log_to_stderr(app.settings.log_level)
    _known(app, spec, function)
    if event is not None:
        if isinstance(event, str):
            return asyncio.run(_publish(app, function, *_live(app, function, event)))
        return asyncio.run(_publish(app, function, CloudEvent.from_json(event)))
    if later:
        return asyncio.run(_dispatch(app, function, given_input))
    return asyncio.run(_invoke(app, function, given_input, as_json))


def _known(app: Funcatron, spec: str, function: str) -> None:
    """Raise UnknownFunction where no function is called that, and say which was meant or where they are listed."""
    try:
        app.registry.get(function)
    except UnknownFunction as error:
        meant = did_you_mean(function, app.registry.functions) or f"; funcatron functions {spec} lists them"
        raise UnknownFunction(f"{error}{meant}") from None


async def _invoke(app: Funcatron, function: str, given_input: dict[str, Any], as_json: bool) -> int:
    try:
        result = await app.invoke(function, given_input)
        body = await _body(result)
    finally:
        await app.stop()
    if as_json:
        print_json({"status": result.status, "headers": dict(result.headers), "body": _readable(body)})
    elif body:
        click.echo(body, nl=not body.endswith(b"\n"), err=not result.ok)
    return int(not result.ok)


async def _body(result: Result) -> bytes:
    if isinstance(result.body, bytes):
        return result.body
    return b"".join([chunk async for chunk in result.body])


def _readable(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace") or None


async def _dispatch(app: Funcatron, function: str, given_input: dict[str, Any]) -> int:
    await app.start()
    try:
        execution, _ = await app.dispatch(function, given_input)
    finally:
        await app.stop()
    print_json(app.show(execution))
    return 0


def _live(app: Funcatron, function: str, given: str) -> tuple[CloudEvent, str, Mapping[str, Any]]:
    """Return the event of what a reference leads to, the trigger's kind, and where parameters come from.

    The function's own triggers of the kind say how, where it has any.
    """
    kind, _, reference = given.partition(":")
    trigger = plugins.load(TRIGGERS, kind)
    if not hasattr(trigger, "live"):
        raise click.BadParameter(f"triggers of the kind {kind} cannot look at what is there", param_hint="--event")
    settings = [one.settings for one in app.registry.get(function).extension.triggers if one.kind == kind]
    event: CloudEvent = trigger.live(reference, settings=settings, config=app.settings)
    return event, kind, settings[0].get("input", {}) if settings else {}


async def _publish(
    app: Funcatron, function: str, event: CloudEvent, trigger: str = "event", mapping: Mapping[str, Any] | None = None
) -> int:
    await app.start()
    try:
        executions = await app.apublish(event, function=function, trigger=trigger, mapping=mapping)
    finally:
        await app.stop()
    print_json([app.show(execution) for execution in executions])
    return 0
