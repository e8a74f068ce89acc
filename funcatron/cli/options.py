"""Options that are settings, and the arguments that several commands share.

An option has the name of its setting, and no default of its own: what is not given is looked for in the environment
and the files, so that every command, worker and server reads the same.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from funcatron.settings import Settings, load_settings

F = TypeVar("F", bound=Callable[..., Any])

HELP: Mapping[str, str] = {
    "host": "Address that HTTP listens on.",
    "port": "Port that HTTP listens on.",
    "processes": "HTTP server processes.",
    "threads": "Threads for handlers that are not async, in each HTTP process and asyncio worker.",
    "workers": "Worker processes.",
    "pool": "How a worker runs tasks; asyncio: many async ones at once; auto: solo if embedded, else prefork.",
    "concurrency": "Executions at a time in each worker, where its pool can; default: asyncio 100, others 1.",
    "queues": "Queues to consume, with commas; default: those of the functions.",
    "broker": "Where messages go: sqlite:///FILE, amqp://..., redis://...; default: the store's file.",
    "store": "Where executions are kept: sqlite:///FILE, postgresql://...; default: funcatron.db in the data dir.",
    "data_dir": "Folder for what the embedded broker and store write.",
    "durability": "strict refuses a broker that can lose messages.",
    "cloud": "Entry of clouds.yaml.",
    "swagger_ui": "Serve the Swagger UI at /ui.",
    "validate_responses": "Check what handlers return.",
    "shutdown_timeout": "Seconds that running work may take to end on Ctrl-C.",
    "log_level": "What is logged.",
}

COMMON = ("data_dir", "store", "broker", "log_level")
HTTP = ("host", "port", "processes", "threads", "swagger_ui", "validate_responses", "durability", "shutdown_timeout")
WORKER = ("workers", "pool", "concurrency", "queues", "durability", "shutdown_timeout", "cloud")


def settings_options(*names: str) -> Callable[[F], F]:
    """Add an option for each of these settings; the command gets a ``settings`` argument made of them."""

    def add(function: F) -> F:
        types = {field.name: _bare(field.type) for field in msgspec.structs.fields(Settings)}
        for name in reversed(dict.fromkeys(names)):
            function = _option(name, types[name])(function)
        return function

    return add


def _option(name: str, kind: Any) -> Callable[[F], F]:
    flag = "--" + name.replace("_", "-")
    if kind is bool:
        flag = f"{flag}/--no-{name.replace('_', '-')}"
    return click.option(flag, name, type=_click_type(kind), default=None, metavar=_metavar(kind), help=HELP[name])


def _bare(kind: Any) -> Any:
    """Return the type without its bounds, which ``load_settings`` checks wherever a value comes from."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _click_type(kind: Any) -> Any:
    if kind in (int, float, bool):
        return kind
    if typing.get_origin(kind) is typing.Literal:
        return click.Choice(typing.get_args(kind))
    return str


def _metavar(kind: Any) -> str | None:
    return {int: "N", float: "SECONDS", bool: None}.get(
        kind, None if typing.get_origin(kind) is typing.Literal else "TEXT"
    )


def read_settings(given: Mapping[str, Any]) -> Settings:
    """Read the settings, those given on the command line first."""
    return load_settings(given_settings(given), folder=Path.cwd())


def given_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are settings and that were given."""
    names = {field.name for field in msgspec.structs.fields(Settings)}
    return {name: value for name, value in given.items() if name in names and value not in (None, ())}


overlay_option = click.option(
    "--overlay", multiple=True, metavar="FILE", help="OpenAPI Overlay to change the documents with; may be repeated."
)


def specs_argument(function: F) -> F:
    """Add SPEC..., one or more OpenAPI documents, files or URLs, or ``module:name`` of a Funcatron; and --overlay."""
    return click.argument("specs", nargs=-1, required=True, metavar="SPEC...")(overlay_option(function))


json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")
