"""The official test suite of JSON Schema, draft 2020-12, through the validation of bodies.

It comes with the source distribution of the PyPI package jsonschema, which is fetched once and kept in the user's cache
folder. ``python -m tests.integration.json_schema_suite`` writes ``docs/json-schema.md`` from what happens to each test.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from funcatron.errors import SpecError
from funcatron.schemas import compile_schema
from funcatron.spec.document import load
from tests.integration.sdist import unpacked

VERSION = "4.26.0"
PAGE = Path(__file__).parents[2] / "docs" / "json-schema.md"
REMOTES = "http://localhost:1234"
"""Where the suite expects the schemas that its tests refer to."""

EXPECTED = {
    "format": "`format` is checked here, as in the older versions of OpenAPI; the suite wants an annotation.",
    "vocabulary": "A `$schema` that switches off validation keywords is not looked at.",
}
"""Why the tests of a file fail that do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test: its file, what it is called, and whether funcatron says what the suite says."""

    file: str
    name: str
    right: bool


def fetch() -> Path:
    """Return the suite's folder, fetched if it is not in the cache. Raises Unreachable with the reason."""
    return unpacked("jsonschema", VERSION, "json")


def outcomes(suite: Path) -> Iterator[Outcome]:
    """Yield what becomes of each test; every schema is a file that a document of OpenAPI 3.1 refers to."""
    with served(suite / "remotes") as url, tempfile.TemporaryDirectory() as work:
        for file in sorted((suite / "tests" / "draft2020-12").glob("*.json")):
            for group in json.loads(file.read_text(encoding="utf-8").replace(REMOTES, url)):
                said = answers(Path(work), group)
                for test, valid in zip(group["tests"], said, strict=True):
                    yield Outcome(file.stem, f"{group['description']}: {test['description']}", valid is test["valid"])


def answers(folder: Path, group: dict[str, Any]) -> list[bool | None]:
    """Return whether the data of each test of a group is valid, None where the schema is refused."""
    (folder / "schema.json").write_text(json.dumps(group["schema"]), encoding="utf-8")
    schemas = {"Tried": {"$ref": "schema.json"}}
    content = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "components": {"schemas": schemas}}
    (folder / "openapi.json").write_text(json.dumps(content), encoding="utf-8")
    try:
        document = load(folder / "openapi.json")
    except SpecError:
        return [None] * len(group["tests"])
    validator = compile_schema(document, {"$ref": "#/components/schemas/Tried"}, direction="request")
    return [validator.is_valid(test["data"]) for test in group["tests"]]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the schemas that the tests refer to, on a port of our own; yield the URL."""

    class Remote(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = folder / self.path.lstrip("/")
            found = file.is_file()
            self.send_response(200 if found else 404)
            self.end_headers()
            if found:
                self.wfile.write(file.read_text(encoding="utf-8").replace(REMOTES, url).encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Remote) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield url
        finally:
            server.shutdown()


def page(found: list[Outcome]) -> str:
    """Return ``docs/json-schema.md``."""
    right = sum(outcome.right for outcome in found)
    rows = [
        f"| `{file}` | {outcome.name.replace('|', '/')} |"
        for file in EXPECTED
        for outcome in found
        if outcome.file == file and not outcome.right
    ]
    return "\n".join(
        [
            "# JSON Schema",
            "",
            "A Schema Object of OpenAPI 3.1 is JSON Schema 2020-12. The official test suite for it, as the source "
            f"distribution of jsonschema {VERSION} carries it, goes through the validation of bodies (each schema a "
            f"file that a document refers to): **{right} of {len(found)}** tests say what the suite says.",
            "`tests/integration/test_json_schema_suite.py` holds this page to the code; "
            "`python -m tests.integration.json_schema_suite` writes it.",
            "",
            "The others, and why:",
            "",
            *(f"- `{file}`: {reason}" for file, reason in EXPECTED.items()),
            "",
            "| file | test |",
            "|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(list(outcomes(fetch()))), encoding="utf-8")
