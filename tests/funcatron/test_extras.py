"""What is said where an extra is not installed: one process that can import none, and every way to want one."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from textwrap import dedent

import pytest

from funcatron.extras import EXTRAS, MissingExtra, missing, needs

ROOT = Path(__file__).parents[2]

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "flask": ("check", "of_flask:app"),
    "openstack: trusts": ("trust", "list"),
    "openstack: a bundle": ("check", "swift://container/bundle.zip"),
    "openstack: the trigger": ("check", "upload.yaml"),
    "openstack: tokens": ("check", "tokens.yaml"),
    "openstack: the control API": ("serve", "plain.yaml", "--port", "0"),
    "postgres": ("executions", "list", "--store", "postgresql:///test"),
    "redis: a worker": ("worker", "plain.yaml", "--broker", "redis://127.0.0.1:1"),
    "redis: a call for later": (
        "invoke",
        "plain.yaml",
        "of_nothing.later",
        "--async",
        "--broker",
        "rediss://127.0.0.1:1",
    ),
    "spec": ("spec", "of_nothing"),
    "sqlalchemy": ("check", "of_sqlalchemy:app"),
}
"""By the extra that they need."""

CALLED = """
import contextlib, io, json, sys

LIBRARIES = {"keystoneauth1", "requests", *sys.argv[1:]}

class Lacking:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name in LIBRARIES else self.finder.find_spec(name, path, target)

sys.meta_path = [Lacking(finder) for finder in sys.meta_path]
from funcatron.cli.main import main

answers = {}
for case, command in json.load(sys.stdin).items():
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            main(command)
        except SystemExit as ended:
            answers[case] = [ended.code, said.getvalue()]
print(json.dumps(answers))
"""

OPERATION = "{operationId: of_nothing.later, responses: {default: {description: any}}"
FILES = {
    "of_flask.py": "from funcatron_flask import from_flask",
    "of_sqlalchemy.py": "from funcatron.resources.sessions import Sessions",
    "of_nothing.py": "def later():\n    '''Nothing.'''",
    "funcatron.toml": "control_keystone = true",
    "plain.yaml": f"""
        openapi: 3.0.3
        info: {{title: t, version: "1"}}
        paths: {{/x: {{get: {OPERATION}}}}}}}
    """,
    "upload.yaml": f"""
        openapi: 3.1.0
        info: {{title: t, version: "1"}}
        webhooks: {{x: {{post: {OPERATION}, x-funcatron: {{triggers: [{{swift: {{container: c, cloud: c}}}}]}}}}}}}}
    """,
    "tokens.yaml": f"""
        openapi: 3.0.3
        info: {{title: t, version: "1"}}
        paths: {{/x: {{get: {OPERATION}, security: [{{k: []}}]}}}}}}
        components:
          securitySchemes:
            k: {{type: apiKey, in: header, name: X-Token, x-apikeyInfoFunc: funcatron_openstack.keystone.token_info}}
    """,
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """The exit code of every command, and what it said."""
    folder = tmp_path_factory.mktemp("extras")
    for name, text in FILES.items():
        (folder / name).write_text(dedent(text))
    command = [sys.executable, "-c", CALLED, *chain.from_iterable(EXTRAS.values())]
    given = json.dumps(COMMANDS)
    done = subprocess.run(command, input=given, cwd=folder, text=True, stdout=subprocess.PIPE, check=True, timeout=120)
    found: dict[str, tuple[int, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("case", COMMANDS)
def test_the_command_that_installs_it_is_named(case: str, answers: dict[str, tuple[int, str]]) -> None:
    code, said = answers[case]
    assert code == 1
    assert f'pip install "funcatron[{case.partition(":")[0]}]"' in said
    assert "Traceback" not in said


def test_all_extras_are_known() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert EXTRAS.keys() == declared.keys() == {case.partition(":")[0] for case in COMMANDS}


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_installed_is_not_missed(extra: str) -> None:
    assert missing(extra) is None
    with needs(extra):
        assert all(importlib.util.find_spec(name) for name in EXTRAS[extra])


def test_the_innermost_need_is_told() -> None:
    with pytest.raises(MissingExtra) as raised, needs("flask"), needs("spec"):
        raise ModuleNotFoundError("No module named 'x'")
    assert str(raised.value) == "No module named 'x'; the extra spec is not installed: pip install \"funcatron[spec]\""
