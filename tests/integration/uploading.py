"""An application whose functions are called by uploads, and what it has seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.running import Program, running, until
from tests.services import OpenStack

__all__ = ["ALL", "HANDLERS", "Uploads", "document", "uploads"]

HANDLERS = Path(__file__).parent / "uploads" / "uploads.py"
ALL = ["created", "updated", "deleted"]


def document(triggers: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Return a document of event-only functions; ``triggers`` are settings of swift triggers by operationId."""

    def operation(name: str, settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {
            "operationId": name,
            "responses": {"200": {"description": "done"}},
            "x-funcatron": {"triggers": [{"swift": dict(one)} for one in settings], "retry": {"attempts": 2}},
        }
        if name.endswith(".main"):
            made["parameters"] = [
                {"name": part, "in": "query", "required": True, "schema": {"type": "string"}}
                for part in ("container", "object")
            ]
        else:
            made["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
        return {"post": made}

    return {
        "openapi": "3.0.3",
        "info": {"title": "Uploads", "version": "1"},
        "paths": {},
        "x-webhooks": {name: operation(name, settings) for name, settings in triggers.items()},
    }


class Uploads:
    """The running application."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def seen(self, container: str) -> list[dict[str, Any]]:
        """Return every call so far about a container, in the order in which they were made."""
        return [line for line in self.lines("seen") if line["container"] == container]

    def lines(self, name: str) -> list[Any]:
        file = self.program.folder / name
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def wait_for(self, container: str, *wanted: tuple[str, str]) -> list[dict[str, Any]]:
        """Wait until these (object, action) were seen, and return everything that was."""
        until(
            lambda: set(wanted) <= {(line["object"], line["action"]) for line in self.seen(container)},
            f"calls about {container}: {[name[:40] for name, _ in wanted]}",
            patience=120,
        )
        return self.seen(container)

    def succeeded(self) -> None:
        """Wait until every execution has ended, and see that all of them succeeded, at the first attempt."""
        executions = self.program.executions

        def over() -> bool:
            return not any(executions(state=state) for state in ("queued", "running", "retrying"))

        until(over, "all executions to end", patience=120)
        assert executions(state="failed") == []


@contextmanager
def uploads(
    stack: OpenStack,
    folder: Path,
    port: int,
    triggers: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    extra: Mapping[str, str] | None = None,
) -> Iterator[Uploads]:
    """Run an application of these triggers; see ``document``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "openapi.json").write_text(json.dumps(document(triggers)))
    (folder / "uploads.py").write_text(HANDLERS.read_text())
    environ = {**stack.environ, **(extra or {})}
    with running("run", "openapi.json", folder=folder, port=port, extra=environ) as program:
        yield Uploads(program)
