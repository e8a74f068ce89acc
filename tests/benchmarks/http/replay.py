"""Replays requests to one peer without sockets, to be counted under valgrind:
``python -m tests.benchmarks.http.replay MODULE:FACTORY WARM COUNT CASE...``.

uvicorn's protocol and the application run as they do in a server, over a transport that is a list. The application is
made once; then, for each case, two forks of this process serve WARM and WARM + COUNT requests. Whatever both have in
common (imports, start-up, the first call) drops out of the difference of their counts. Writes one line for each of the
two: its process id, the case, and how many requests it served.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from typing import Any

import uvicorn
import uvloop
from uvicorn.lifespan.on import LifespanOn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tests.benchmarks.http.cases import BIG, CASES, Case
from tests.benchmarks.http.serve import config as configuration

__all__ = ["replay"]

LOOPBACK = {"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 8000)}


class ListTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__(extra=LOOPBACK)
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.written += [bytes(data) for data in list_of_data]

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Protocol(HttpToolsProtocol):
    """uvicorn's own, which says when an answer is complete."""

    answered: asyncio.Future[None] | None = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(None)


async def replay(config: uvicorn.Config, case: Case, count: int) -> None:
    """Serve one request ``count`` times; raises AssertionError if the first answer is not what it must be."""
    lifespan = LifespanOn(config)
    await lifespan.startup()
    assert not lifespan.should_exit, "the application does not start"
    loop = asyncio.get_running_loop()
    transport = ListTransport()
    request = case.raw
    protocol = Protocol(config, ServerState(), lifespan.state, loop)
    protocol.connection_made(transport)
    for number in range(count):
        protocol.answered = loop.create_future()
        protocol.data_received(request)
        await protocol.answered
        if number == 0:
            check(b"".join(transport.written), case)
            settle()
        transport.written.clear()
    await lifespan.shutdown()  # what is begun in the background at the start ends in all runs


def settle() -> None:
    """Have no full collection soon: it comes once in thousands of requests, and shall not be in one count alone."""
    gc.collect()
    gc.freeze()


def check(answer: bytes, case: Case) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    assert (400 <= status < 500) if case.refused else status == case.status, answer
    assert case.wrong.encode() in body, answer
    assert case.expected is None or json.loads(body) == case.expected, answer


def main(target: str, warm: int, count: int, cases: list[Case]) -> None:
    config = configuration(target)
    config.load()
    settle()
    serve_in_fork(config, cases[0], 1)  # what is kept on disk at the first start is there in all that follow
    for case in cases:
        for requests in (warm, warm + count):
            print(serve_in_fork(config, case, requests), case.name, requests, flush=True)


def serve_in_fork(config: uvicorn.Config, case: Case, requests: int) -> int:
    """Serve one request so many times in a fork of this process, and return its process id."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            uvloop.run(replay(config, case, requests))
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(process, 0)
    if status:
        sys.exit(f"{config.app}, {case.title}: the replay failed")
    return process


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), [{**CASES, **BIG}[name] for name in sys.argv[4:]])
