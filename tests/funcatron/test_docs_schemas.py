"""What the page on Schemas shows is what happens."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from funcatron.cli.main import cli

PAGE = (Path(__file__).parents[2] / "docs" / "schemas.md").read_text()
FILES = {
    name: comment + content
    for comment, name, content in re.findall(r"^```\w+\n(# (\S+)\n)(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
}
CONSOLE = re.findall(r"^\$ funcatron (\S+) .*?\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in FILES:
        sys.modules.pop(Path(name).stem, None)


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    return done.return_value or 0, done.stdout


def test_an_order(folder: Path) -> None:
    ((said,),) = [[answer for command, answer in CONSOLE if command == "invoke"]]
    given = re.search(r"--input '(.*)'", PAGE)
    assert given is not None
    code, told = run("invoke", "openapi.yaml", "shop.create_order", "--input", given[1])
    assert (code, json.loads(told)) == (0, json.loads(said))


def test_nothing_differs(folder: Path) -> None:
    code, told = run("check", "openapi.yaml", "--json")
    assert (code, json.loads(told)) == (0, {"mistakes": [], "warnings": [], "planned": 1, "refused": []})


def test_a_mistake_is_shown_with_its_place(folder: Path) -> None:
    path = folder / "openapi.yaml"
    path.write_text(path.read_text().replace("minimum: 1", "minimum: 0"))
    ((said,),) = [[answer for command, answer in CONSOLE if command == "check"]]
    assert run("check", "openapi.yaml") == (1, said.replace("1 mistake\n", ""))


def test_a_warning_is_shown_with_its_place(folder: Path) -> None:
    path = folder / "openapi.yaml"
    path.write_text(path.read_text().replace("minimum: 1", "minimum: 2"))
    code, told = run("check", "openapi.yaml")
    assert code == 0
    assert told == (
        "warning: openapi.yaml:22 #/components/schemas/Order/properties/count: "
        "OrderSchema.count is at least 1, in the document it is at least 2\n"
    )


def test_from_code(folder: Path) -> None:
    assert run("spec", "cafe", "--output", "cafe.yaml") == (0, "")
    assert "/coffees/{coffeeId}" in (folder / "cafe.yaml").read_text()
    code, told = run("check", "cafe.yaml", "--json")
    assert (code, json.loads(told)) == (0, {"mistakes": [], "warnings": [], "planned": 3, "refused": []})
    code, told = run("invoke", "cafe.yaml", "cafe.order_coffee", "--input", '{"body": {"kind": "latte"}}')
    assert (code, json.loads(told)) == (0, {"id": 1, "kind": "latte", "sugars": 0})
    assert run("invoke", "cafe.yaml", "cafe.list_coffees", "--input", "{}") == (
        0,
        told.join("[]").replace("\n", "") + "\n",
    )


def test_named_by_the_document(folder: Path) -> None:
    path = folder / "openapi.yaml"
    named = re.search(r"^      x-funcatron-schema: .*$", PAGE, re.MULTILINE)
    assert named is not None
    path.write_text(path.read_text().replace("    Order:\n", f"    Order:\n{named[0]}\n"))
    types = FILES["shop.py"].partition("def create_order")[0]
    (folder / "shop.py").write_text(types + "def create_order(body): return body, 201\n")
    code, told = run("invoke", "openapi.yaml", "shop.create_order", "--input", '{"body": {"item": "tea"}}')
    assert (code, json.loads(told)["price"]) == (0, 3)
