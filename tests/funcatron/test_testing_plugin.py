"""The fixtures, in a project of its own: that of docs/testing.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from funcatron.testing import plugin

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
BLOCK = re.compile(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MORE = """
@pytest.mark.funcatron("other.yaml", services={}, max_body=10)
def test_another_document(funcatron_http, funcatron_app, funcatron_bench, funcatron_later, funcatron_clock):
    assert funcatron_app is funcatron_bench.app
    assert funcatron_app.settings.max_body == 10
    assert funcatron_clock is funcatron_bench.clock
    assert funcatron_later.get("/g").status_code == 202
"""
OTHER = """
openapi: 3.0.3
info: {title: t, version: "1"}
paths: {/g: {get: {operationId: orders.report, responses: {"200": {description: ok}}}}}
"""


def test_the_recipes_are_true(tmp_path: Path) -> None:
    for name, content in BLOCK.findall(PAGE.read_text()):
        with (tmp_path / name).open("a") as file:
            file.write(content + "\n")
    with (tmp_path / "test_orders.py").open("a") as file:
        file.write(MORE)
    (tmp_path / "other.yaml").write_text(OTHER)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    plugins = ["-p", "no:cacheprovider", "-p", plugin.__name__]
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", *plugins]
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # of all that is installed here
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=300)
    tests = (tmp_path / "test_orders.py").read_text().count("\ndef test_")
    assert f"{tests} passed" in done.stdout, done.stdout + done.stderr


def test_pytest_finds_the_plugin() -> None:
    (found,) = entry_points(group="pytest11", name="funcatron")
    assert found.load() is plugin


def test_every_fixture_is_on_the_page() -> None:
    fixtures = {name for name in vars(plugin) if name.startswith("funcatron_")}
    assert fixtures <= set(re.findall(r"`(funcatron_\w+)", PAGE.read_text()))


def test_the_plugin_costs_nothing_where_nobody_asks_for_it() -> None:
    script = "import sys, funcatron.testing.plugin; print(*(n for n in sys.modules if n.startswith('funcatron')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"funcatron", "funcatron.testing", "funcatron.testing.plugin"}
