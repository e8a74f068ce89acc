"""Consumers of the SQLite transport are killed again and again; nothing is lost, and what comes twice says so."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from funcatron.execution import Execution, new_id
from funcatron.ports import ExecutionQuery, Message
from funcatron.store.sqlite import SQLiteStore
from funcatron_celery.sqlite import payload

MESSAGES = 1000
CONSUMERS = 3
KILL_EVERY = 25  # messages
PATIENCE = 120.0

CONSUMER = """
import os, sys
from kombu import Connection, Consumer, Queue
from funcatron.ports import Ending
from funcatron.store.lease import Lease
from funcatron.store.sqlite import SQLiteStore

url, notes = sys.argv[1:]
file = os.open(notes, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
connection = Connection(url, transport="funcatron_celery.sqlite:Transport")
store = SQLiteStore(url)
lease = Lease.acquire(store.leases)

def run(message):
    name = message.headers["id"]
    again = message.delivery_info.get("redelivered", False)
    count = message.headers.get("x-delivery-count", 0)
    os.write(file, f"delivered {name} {int(again)} {count}\\n".encode())
    started = store.start(name, worker=lease.id, deadline=None)
    if started is not None:
        os.write(file, f"ran {name} {started.attempt} 0\\n".encode())
        store.finish(name, started.attempt, Ending(change="succeed"))
    message.ack()

with Consumer(connection.channel(), [Queue("q")], on_message=run, prefetch_count=64):
    while True:
        connection.drain_events()
"""


class Consumers:
    """As many consumers as wanted; whoever is killed is replaced."""

    def __init__(self, url: str, notes: Path) -> None:
        self._command = [sys.executable, "-c", CONSUMER, url, str(notes)]
        self._alive = [self._start() for _ in range(CONSUMERS)]
        self.killed = 0

    def kill_one(self) -> None:
        place = random.randrange(CONSUMERS)
        self._alive[place].kill()
        self._alive[place].wait()
        self._alive[place] = self._start()
        self.killed += 1

    def stop(self) -> None:
        for process in self._alive:
            process.kill()
            process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    with contextlib.closing(SQLiteStore(f"sqlite:///{tmp_path}/f.db")) as made:
        yield made


def test_nothing_is_lost_and_what_comes_twice_says_so(store: SQLiteStore, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    consumers = Consumers(f"sqlite:///{store.path}", notes)
    accepted: list[str] = []
    publisher = threading.Thread(target=publish, args=(store, accepted))
    publisher.start()
    try:
        kill_until_done(store, notes, consumers)
    finally:
        publisher.join()
        consumers.stop()

    assert len(accepted) == MESSAGES
    assert consumers.killed >= MESSAGES // KILL_EVERY // 2
    lines = [line.split() for line in notes.read_text().splitlines()]
    deliveries = [line[1:] for line in lines if line[0] == "delivered"]
    seen: set[str] = set()
    unmarked = [name for name, again, _ in deliveries if name in seen or seen.add(name) if again == "0"]
    assert unmarked == [], "a second delivery says that it is one"
    assert seen == set(accepted), "every message was delivered"
    assert all((again == "1") == (int(count) > 0) for _, again, count in deliveries)
    runs = Counter(line[1] for line in lines if line[0] == "ran")
    assert set(runs.values()) == {1}, "a duplicate does not start again, its worker being gone or not"


def publish(store: SQLiteStore, accepted: list[str]) -> None:
    for _ in range(MESSAGES // 20):
        batch = [Execution(id=new_id(), function="f", trigger="async", created_at=time.time()) for _ in range(20)]
        texts = [payload("[[],{},{}]", queue="q", headers={"task": "f", "id": one.id}) for one in batch]
        assert all(store.create(batch, [Message("q", text) for text in texts]))
        accepted += [one.id for one in batch]
        time.sleep(0.01)  # a stream, not a heap: consumers come to rest in between


def kill_until_done(store: SQLiteStore, notes: Path, consumers: Consumers) -> None:
    until = time.monotonic() + PATIENCE
    kill_at = KILL_EVERY
    while delivered(notes) < MESSAGES or left(store.path):
        assert time.monotonic() < until, f"{dict(store.counts())}, {left(store.path)} messages left"
        if delivered(notes) >= kill_at and kill_at < MESSAGES:
            consumers.kill_one()
            kill_at = delivered(notes) + KILL_EVERY
        time.sleep(0.002)


def delivered(notes: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return notes.read_bytes().count(b"delivered")
    return 0


def left(file: Path) -> int:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return int(connection.execute("select count(*) from message").fetchone()[0])


def test_executions_whose_worker_was_killed_are_found(store: SQLiteStore) -> None:
    started = subprocess.run(
        [
            sys.executable, "-c",
            "import os, signal, sys\n"
            "from funcatron.execution import Execution\n"
            "from funcatron.store.lease import Lease\n"
            "from funcatron.store.sqlite import SQLiteStore\n"
            "store = SQLiteStore(sys.argv[1])\n"
            "lease = Lease.acquire(store.leases)\n"
            "store.create([Execution(id='e', function='f', trigger='async', created_at=1.0)])\n"
            "store.start('e', worker=lease.id, deadline=None)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n",
            f"sqlite:///{store.path}",
        ],
        check=False,
    )  # fmt: skip
    assert started.returncode == -9
    (found,) = store.running()
    assert found.worker is not None
    assert not store.alive(found.worker)
    assert [one.id for one in store.list(ExecutionQuery(state="running"))[0]] == ["e"]
    assert list(store.leases.iterdir()) == []
