"""Slow clients that follow executions on a real server, and what they cost it.

``python -m tests.integration.followers --clients 1000`` (``make followers``).
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.integration.large import MIB, Server
from tests.served import uvicorn

__all__ = ["Cost", "follow", "serving"]

APP = """
import os
import threading

from funcatron import Funcatron
from funcatron.execution import Progress
from funcatron.ports import Ending
from funcatron.settings import load_settings
from funcatron.store.sqlite import SQLiteStore
from funcatron.testing.doors import InlineDispatcher

class Counting(SQLiteStore):
    asked = 0

    def statuses(self, execution_ids):
        self.asked += 1
        return super().statuses(execution_ids)

store = Counting(f"sqlite:///{os.environ['FOLLOWED']}")
running = []

def job(): ...

def begin(count: int):
    for _ in range(count):
        execution, _new = asyncio_run(app.dispatch("job"))
        running.append(store.start(execution.id, worker="w", deadline=None))
    return [one.id for one in running]

def advance(done: int):
    for one in running:
        store.progress(one.id, 1, Progress(done, None, "x" * 1000))

def finish():
    for one in running:
        store.finish(one.id, 1, Ending(change="succeed"))

async def numbers():
    return {"asked": store.asked, "threads": threading.active_count()}

def asyncio_run(coroutine):
    import asyncio
    return asyncio.run(coroutine)

N = lambda name: [{"name": name, "in": "query", "required": True, "schema": {"type": "integer"}}]
ANSWER = {"responses": {"200": {"description": ""}, "204": {"description": ""}}, "x-funcatron": {"timeout": 600}}
app = Funcatron(
    {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {
        "/job": {"post": {"operationId": "job", "responses": {"200": {"description": ""}},
                          "x-funcatron": {"mode": "async"}}},
        "/begin": {"post": {"operationId": "begin", "parameters": N("count"), **ANSWER}},
        "/advance": {"post": {"operationId": "advance", "parameters": N("done"), **ANSWER}},
        "/finish": {"post": {"operationId": "finish", **ANSWER}},
        "/numbers": {"get": {"operationId": "numbers", **ANSWER}},
    }},
    handlers={f.__name__: f for f in (job, begin, advance, finish, numbers)},
    settings=load_settings({}, environ={}), store=store, dispatcher=InlineDispatcher(store))
"""
STEPS = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """What following cost the server: threads and memory (bytes) more than before, questions to its store while all of
    it changed ``STEPS`` times; how long all took, and the server's processor time, in seconds.
    """

    threads: int
    memory: int
    asked: int
    seconds: float
    cpu: float


@contextmanager
def serving(folder: Path, port: int) -> Iterator[Server]:
    """Serve the application above."""
    with uvicorn(folder, "followers_app", APP, port, FOLLOWED=str(folder / "followed.db")) as process:
        yield Server(port, process.pid, folder)


def follow(server: Server, clients: int) -> Cost:
    """Have this many clients follow an execution each and read nothing while it goes on, and then all of it. Raises
    AssertionError where one of them is not told the end.
    """
    ids = _ask(server, "POST", f"/begin?count={clients}")
    before, memory, cpu, started = _ask(server, "GET", "/numbers"), server.memory(), server.cpu(), time.monotonic()
    during = asyncio.run(_follow(server, ids))
    return Cost(
        threads=during["threads"] - before["threads"],
        memory=server.peak() - memory,
        asked=during["asked"] - before["asked"],
        seconds=time.monotonic() - started,
        cpu=server.cpu() - cpu,
    )


def _ask(server: Server, method: str, path: str) -> Any:
    answer = httpx.request(method, f"http://127.0.0.1:{server.port}{path}", timeout=300)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


async def _follow(server: Server, ids: list[str]) -> Any:
    slow = await asyncio.gather(*[_open(server.port, one) for one in ids])
    for _, writer in slow:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
    reader, quick = await _open(server.port, ids[-1])  # one that reads
    for done in range(1, STEPS + 1):
        await asyncio.to_thread(_ask, server, "POST", f"/advance?done={done}")
        await reader.readuntil(b'"done":%d' % done)
    numbers = await asyncio.to_thread(_ask, server, "GET", "/numbers")
    await asyncio.to_thread(_ask, server, "POST", "/finish")
    for _, writer in slow:
        writer.transport.resume_reading()  # type: ignore[attr-defined]
    for waiting, open_ in [(reader, quick), *slow]:
        await waiting.readuntil(b"event: end")
        assert b'"state":"succeeded"' in await waiting.read(), "the end says so"
        open_.close()
    return numbers


async def _open(port: int, execution_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, and read as far as the first event; the rest stays in the system's buffers, and then on the server."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=2**20)
    writer.write(
        b"GET /_funcatron/executions/%b/events HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        % execution_id.encode()
    )
    await reader.readuntil(b"event: progress")
    return reader, writer


def main() -> None:
    """Show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    clients = parser.parse_args().clients
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * clients + 200), hard))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), port) as server:
        cost = follow(server, clients)
        print(
            f"{clients} clients: {cost.threads} threads, {cost.asked} questions for {STEPS} changes of all, "
            f"{cost.memory / MIB:.0f} MiB more at the peak, {cost.cpu:.1f} s CPU"
        )


if __name__ == "__main__":
    main()
