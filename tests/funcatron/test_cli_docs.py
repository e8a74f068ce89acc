"""The reference pages say what the code says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from funcatron.cli.main import COMMANDS, cli
from funcatron.cli.options import HELP
from funcatron.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", part) for sub, part in command.commands.items())


every_command = pytest.mark.parametrize(("name", "command"), [pytest.param(n, c, id=n) for n, c in commands()])


def written(default: Any) -> str:
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{default:g}`" if isinstance(default, float) and default < 1e6 else f"`{default}`"


def test_every_setting_is_documented_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) ?\| \S", (DOCS / "settings.md").read_text(), re.MULTILINE)
    assert rows == [(field.name, written(field.default)) for field in msgspec.structs.fields(Settings)]


def test_every_key_of_x_funcatron_is_documented() -> None:
    schema = json.loads((files("funcatron_openapi") / "x-funcatron.schema.json").read_text())
    rows = re.findall(r"^\| `(\w+)` \|", (DOCS / "x-funcatron.md").read_text(), re.MULTILINE)
    assert rows == list(schema["properties"])


def test_option_help_is_of_settings() -> None:
    assert set(HELP) <= {field.name for field in msgspec.structs.fields(Settings)}


@every_command
def test_every_option_is_documented(name: str, command: click.Command) -> None:
    section = re.search(rf"^##+ funcatron {re.escape(name)}$(.*?)(^## |\Z)", (DOCS / "cli.md").read_text(), re.M | re.S)
    assert section is not None, f"docs/cli.md has no section on funcatron {name}"
    for parameter in command.params:
        assert parameter.opts, parameter
        if isinstance(parameter, click.Option):
            assert f"`{max(parameter.opts, key=len)}" in section[1], f"{parameter.opts} of funcatron {name}"


@every_command
def test_every_command_and_option_has_help(name: str, command: click.Command) -> None:
    assert command.help
    assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == []
