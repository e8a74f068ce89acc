"""The house rules that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import funcatron

ROOT = Path(__file__).parents[1]
PACKAGES = [
    path
    for container in (".", "adapters", "openapi", "workers")
    for path in sorted((ROOT / container).glob("funcatron*"))
    if (path / "__init__.py").exists()
]
MODULES = sorted(module for package in PACKAGES for module in package.rglob("*.py"))
HEAVY = {"celery", "kombu", "flask", "openstack", "connexion", "starlette", "rich", "httpx", "jsonschema_rs"}

# Pieces are joined so that this file does not hold what it looks for.
FORBIDDEN = {
    "an absolute path of a machine": re.compile(
        "|".join(f"/{top}/" for top in ("ro" + "ot", "ho" + "me", "wo" + "rk"))
    ),
    "the host of a package registry": re.compile("py" + r"pi\.org|python" + r"hosted|registry\.npm" + "js"),
}


def files_of_the_repository() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        made = any(part in {"__pycache__", "build", "dist", "htmlcov"} for part in parts)
        hidden = parts[0].startswith(".") and parts[0] not in {".ci", ".gitignore"}
        if path.is_file() and not made and not hidden:
            yield path


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_packages_are_found() -> None:
    assert {package.name for package in PACKAGES} >= {"funcatron", "funcatron_celery", "funcatron_openapi"}
    assert len(MODULES) > 20


def test_all_is_sorted_and_exact() -> None:
    assert funcatron.__all__ == sorted(funcatron.__all__)
    assert sorted(funcatron._HOMES) == funcatron.__all__
    for public in funcatron.__all__:
        assert getattr(funcatron, public).__module__.startswith("funcatron"), public
    assert set(dir(funcatron)) >= set(funcatron.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        funcatron.nonsense  # noqa: B018


def test_importing_funcatron_is_light() -> None:
    assert loaded_by("import funcatron") & HEAVY == set()


def test_the_core_loads_neither_celery_nor_openstack_nor_marshmallow() -> None:
    assert (
        loaded_by("import funcatron.app, funcatron.http.door")
        & {"apispec", "celery", "kombu", "marshmallow", "openstack"}
        == set()
    )


def test_the_composition_root_loads_no_web_framework() -> None:
    assert loaded_by("import funcatron.app") & {"flask", "connexion", "starlette"} == set()


def loaded_by(statement: str) -> set[str]:
    script = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_modules_are_short(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= 400


@pytest.mark.parametrize("module", [module for module in MODULES if module.read_text().strip()], ids=name)
def test_public_names_have_docstrings(module: Path) -> None:
    tree = ast.parse(module.read_text())
    undocumented = [where for where, node in public(tree, "module") if not ast.get_docstring(node)]
    assert undocumented == []


Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(node: Documented, where: str) -> Iterator[tuple[str, Documented]]:
    """Yield the node and the public classes, functions and methods in it, functions within functions left out."""
    yield where, node
    if isinstance(node, ast.Module | ast.ClassDef):
        for child in node.body:
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith(
                "_"
            ):
                yield from public(child, f"{where}.{child.name}")


def test_nothing_in_the_repository_names_a_machine_or_a_registry() -> None:
    found = []
    for path in files_of_the_repository():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for what, pattern in FORBIDDEN.items():
            if match := pattern.search(text):
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{name(path)}:{line}: {what}: {match.group()}")
    assert found == []


@pytest.mark.parametrize("page", [p for p in files_of_the_repository() if p.suffix == ".md"], ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not _leads_somewhere(page, link)] == []


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, heading = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not heading:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
    return heading in {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def test_the_tests_that_prove_delivery_exist() -> None:
    named = re.findall(r"`(tests/[^`:]+)::(\w+)`", (ROOT / "docs" / "delivery.md").read_text())
    assert len(named) > 15
    missing = [(file, test) for file, test in named if f"def {test}(" not in (ROOT / file).read_text()]
    assert missing == []
