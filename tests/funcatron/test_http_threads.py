from __future__ import annotations

import gc
import subprocess
import sys
import threading

import pytest

from funcatron.http.threads import DaemonThreads

PATIENCE = 30.0

STREAMS_AT_THE_END = """
import asyncio
from funcatron.http.wsgi import FromWSGI

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    while True:
        yield b"x"

async def main():
    answered = asyncio.Event()
    async def receive():
        await asyncio.Event().wait()
    async def send(message):
        answered.set()
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/", "query_string": b"",
        "headers": [], "server": ("test", 80), "root_path": "",
    }
    serving = asyncio.ensure_future(FromWSGI(app, threads=1, waiting=1)(scope, receive, send))
    await answered.wait()

asyncio.run(main())
"""


def test_calls_are_made_in_so_many_threads() -> None:
    threads, together = DaemonThreads(2, "test"), threading.Barrier(2)
    names = [threads.submit(lambda: (together.wait(PATIENCE), threading.current_thread().name)[1]) for _ in range(6)]
    assert {future.result(PATIENCE) for future in names} == {"test_0", "test_1"}
    assert threads.submit(int, "7", base=8).result(PATIENCE) == 7


def test_an_idle_thread_is_taken_before_another_is_made() -> None:
    threads = DaemonThreads(5, "test")
    for _ in range(20):
        assert threads.submit(threading.current_thread).result(PATIENCE).name in ("test_0", "test_1")


def test_what_a_call_raises_is_its_futures() -> None:
    threads = DaemonThreads(1, "test")
    failed = threads.submit(sys.exit, 3)
    with pytest.raises(SystemExit):
        failed.result(PATIENCE)
    assert threads.submit(len, "ab").result(PATIENCE) == 2


def test_a_cancelled_call_is_not_made() -> None:
    threads, go, made = DaemonThreads(1, "test"), threading.Event(), []
    first = threads.submit(go.wait, PATIENCE)
    second = threads.submit(made.append, 2)
    assert second.cancel()
    go.set()
    assert first.result(PATIENCE)
    assert threads.submit(len, made).result(PATIENCE) == 0


def test_threads_end_with_their_executor() -> None:
    threads = DaemonThreads(3, "test")
    meet = threading.Barrier(3)
    started = [threads.submit(lambda: (meet.wait(PATIENCE), threading.current_thread())[1]) for _ in range(3)]
    made = [future.result(PATIENCE) for future in started]
    del threads
    gc.collect()
    for thread in made:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_stream_does_not_keep_the_process_from_ending() -> None:
    subprocess.run([sys.executable, "-c", STREAMS_AT_THE_END], check=True, timeout=2 * PATIENCE)
