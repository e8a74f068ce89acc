"""The AsyncAPI documents are valid by the parser of the AsyncAPI project (npm: @asyncapi/parser)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from funcatron.asyncapi import describe
from funcatron.errors import FuncatronError
from funcatron.testing import application
from tests.integration import oas_examples
from tests.integration.npm import Unreachable, installed

EXAMPLES = Path(__file__).parents[2] / "openapi" / "examples"
ALL = os.environ.get("ASYNCAPI") == "all"
"""Whether the documents of others are tried too, which takes a minute (``make asyncapi``)."""
VERSION = "3.6.3"
SCRIPT = """
const {Parser} = require("@asyncapi/parser");
const {readFileSync} = require("fs");
(async () => {
  const parser = new Parser(), said = {};
  for (const file of process.argv.slice(1)) {
    const {document, diagnostics} = await parser.parse(readFileSync(file, "utf8"));
    const serious = diagnostics.filter((one) => one.severity === 0);
    const errors = serious.map((one) => one.path.join("/") + ": " + one.message);
    said[file] = document ? errors : [...errors, "no document was made of it"];
  }
  console.log(JSON.stringify(said));
})();
"""


@pytest.fixture(scope="module")
def packages(required_in_ci: Callable[[str], NoReturn]) -> Path:
    if shutil.which("node") is None:
        required_in_ci("node is not installed")
    try:
        return installed(f"@asyncapi/parser@{VERSION}", f"asyncapi-parser-{VERSION}")
    except Unreachable as reason:
        required_in_ci(str(reason))


def described(*specs: Path, **settings: Any) -> dict[str, Any]:
    app = application(*specs, handlers=lambda name: lambda **given: None, **settings)
    return describe(app.registry, app.triggers, app.settings)


def real() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield documents of others, each as the AsyncAPI document of its functions' Celery tasks."""
    package = oas_examples.fetch()
    for name in oas_examples.documents(package) if ALL else []:
        if name.endswith(".json") and name not in oas_examples.REFUSED:
            try:
                yield name, described(package / name, broker="redis://broker.example/1")
            except FuncatronError:  # its security wants functions that nobody has
                continue


def test_the_parser_finds_no_error(packages: Path, tmp_path: Path) -> None:
    ours = described(
        *(EXAMPLES / name / "openapi.yaml" for name in ("gallery", "orders", "shop")),
        broker="amqp://user:password@broker.example//",
        notifications="amqp://user:password@bus.example//",
        control_token="token",
    )
    assert {name.split(".")[-2] for name in ours["operations"]} >= {"queue", "event", "swift"}
    broken = {"asyncapi": "3.0.0", "info": {"title": "no version"}}
    files = {}
    for name, document in [("ours", ours), ("broken", broken), *real()]:
        file = tmp_path / f"{len(files)}.json"
        file.write_text(json.dumps(document))
        files[name] = str(file)
    done = subprocess.run(
        ["node", "-e", SCRIPT, *files.values()], cwd=packages, capture_output=True, text=True, check=True, timeout=600
    )
    said = json.loads(done.stdout)
    assert said.pop(files.pop("broken")) != []
    assert {name: said[file] for name, file in files.items() if said[file]} == {}
