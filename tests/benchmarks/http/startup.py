"""What starting costs, in a process of its own: ``python -m tests.benchmarks.http.startup WHAT [FILE]``.

WHAT is ``import:MODULE``, or one of the ways below to get from FILE, a document, to an application. Writes the seconds
of processor time that it took; what it has to import is imported before.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

__all__ = ["WAYS"]

Start = Callable[[], Any]


def connexion_app(path: Path) -> Start:
    """Stock connexion reads the document; it makes the operations at the first request."""
    from connexion import AsyncApp
    from connexion.resolver import Resolver

    from tests.benchmarks.http.contract import big

    def start() -> Any:
        app = AsyncApp(__name__, specification_dir=path.parent)
        app.add_api(path.name, resolver=Resolver(big.handler))
        return app

    return start


def funcatron_door(path: Path, *, cached: bool = True) -> Start:
    """funcatron reads the document, binds the handlers and builds the whole door."""
    from funcatron.app import Funcatron
    from funcatron.http import build_door
    from funcatron.settings import Settings
    from tests.benchmarks.http.contract import big

    settings = Settings(cache=cached)

    def start() -> Any:
        return build_door(Funcatron(path, handlers=big.handler, settings=settings))

    return start


def fastapi_app(path: Path) -> Start:
    """FastAPI makes as many operations of Python's annotations; it has no document to read."""
    from tests.benchmarks.http.peers.fastapi_many import many

    return partial(many, path.read_text().count("operationId: list_"))


def answered(start: Start) -> Start:
    """The same, and one request."""

    async def ask(app: Any) -> None:
        scope = {"type": "http", "method": "GET", "path": "/resource0/x", "raw_path": b"/resource0/x"}
        scope |= {"query_string": b"", "headers": [], "root_path": "", "extensions": {}, "http_version": "1.1"}
        statuses = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            statuses.append(message.get("status"))

        await app(scope, receive, send)
        assert statuses[0] == 200, statuses

    return lambda: asyncio.run(ask(start()))


WAYS: dict[str, Callable[[Path], Start]] = {
    "connexion": connexion_app,
    "connexion-answer": lambda path: answered(connexion_app(path)),
    "fastapi": fastapi_app,
    "fastapi-answer": lambda path: answered(fastapi_app(path)),
    "funcatron": funcatron_door,
    "funcatron-cold": partial(funcatron_door, cached=False),
    "funcatron-answer": lambda path: answered(funcatron_door(path)),
}


def main(what: str, *path: str) -> None:
    kind, _, module = what.partition(":")
    start: Start = partial(importlib.import_module, module) if kind == "import" else WAYS[what](Path(path[0]).resolve())
    began = time.process_time()
    start()
    print(time.process_time() - began)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
