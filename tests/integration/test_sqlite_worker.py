"""Celery's own worker and clients on the SQLite transport; nothing here knows of funcatron but the transport's name."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery

PATIENCE = 60.0

APPLICATION = """
import os, time
from celery import Celery

app = Celery("site", broker=os.environ["SITE_BROKER"], broker_transport="funcatron_celery.sqlite:Transport")
app.conf.update(
    task_acks_late=True, task_reject_on_worker_lost=True, task_ignore_result=True, worker_prefetch_multiplier=8,
    broker_connection_retry_on_startup=True,
)

def note(line):
    file = os.open(os.environ["SITE_NOTES"], os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(file, f"{line}\\n".encode())
    os.close(file)

@app.task(name="add", bind=True)
def add(self, a, b):
    note(f"{a + b} {bool(self.request.delivery_info.get('redelivered'))}")

@app.task(name="slow", bind=True)
def slow(self, seconds):
    note(f"began {bool(self.request.delivery_info.get('redelivered'))}")
    if not self.request.delivery_info.get("redelivered"):
        time.sleep(seconds)
    note("ended")
"""


class Site:
    """A Celery application in a folder of its own, its workers and what they noted."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.file = folder / "f.db"
        self._folder = folder
        self._stack = stack
        (folder / "site_app.py").write_text(APPLICATION)
        self.client = Celery("client", broker=f"sqlite:///{self.file}")
        self.client.conf.broker_transport = "funcatron_celery.sqlite:Transport"
        stack.callback(self.client.close)

    def worker(self, *options: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "SITE_BROKER": f"sqlite:///{self.file}", "SITE_NOTES": str(self._folder / "notes")}
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "celery",
            "-A",
            "site_app",
            "worker",
            "-l",
            "WARNING",
            *options,
        ]
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(command, cwd=self._folder, env=environment, stdout=log, stderr=log)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def notes(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self._folder / "notes").read_text().splitlines()
        return []

    def left(self) -> int:
        with contextlib.closing(sqlite3.connect(self.file)) as connection:
            return int(connection.execute("select count(*) from message where queue = 'celery'").fetchone()[0])

    def wait(self, true: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < until, f"{self.notes()}\n{(self._folder / 'log').read_text()}"
            time.sleep(0.01)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        yield Site(tmp_path, stack)


@pytest.mark.parametrize("pool", [("-P", "solo"), ("-P", "threads", "-c", "3")], ids=["solo", "threads"])
def test_a_worker_runs_what_a_client_sends_and_answers_its_questions(site: Site, pool: tuple[str, ...]) -> None:
    for number in range(50):
        site.client.send_task("add", kwargs={"a": number, "b": 0})
    worker = site.worker(*pool, "-n", "w1@here")
    site.wait(lambda: len(site.notes()) == 50)
    assert sorted(site.notes()) == sorted(f"{number} False" for number in range(50))
    site.wait(lambda: site.left() == 0)

    assert site.client.control.inspect(timeout=PATIENCE, limit=1).ping() == {"w1@here": {"ok": "pong"}}
    registered = site.client.control.inspect(timeout=PATIENCE, limit=1).registered()
    assert registered == {"w1@here": ["add", "slow"]}

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
    with contextlib.closing(sqlite3.connect(site.file)) as connection:
        assert connection.execute("select name from queue where name like 'w1%'").fetchall() == []


def test_monitors_receive_events(site: Site) -> None:
    site.worker("-P", "solo", "-E", "-n", "w1@here")
    types: list[str] = []
    with site.client.connection() as connection:
        receiver = site.client.events.Receiver(connection, handlers={"*": lambda event: types.append(event["type"])})
        with receiver.consumer_context() as (own, _, _):
            site.client.send_task("add", args=(1, 2))
            site.wait(lambda: drained(own) or "task-succeeded" in types)
    assert types.index("task-received") < types.index("task-started") < types.index("task-succeeded")


def test_a_killed_worker_loses_nothing_and_what_it_had_begun_says_so(site: Site) -> None:
    first = site.worker("-P", "solo")
    site.client.send_task("slow", args=(600,))
    site.wait(lambda: site.notes() == ["began False"])
    for number in range(5):
        site.client.send_task("add", args=(number, 0))
    first.kill()
    site.worker("-P", "solo")
    site.wait(lambda: len(site.notes()) == 8 and site.left() == 0)
    assert site.notes() == ["began False", "began True", "ended", *(f"{number} False" for number in range(5))]


@pytest.mark.parametrize("pool", [("-P", "solo"), ("-P", "threads", "-c", "1")], ids=["solo", "threads"])
def test_a_worker_that_is_told_to_stop_finishes_and_gives_back_the_rest(site: Site, pool: tuple[str, ...]) -> None:
    worker = site.worker(*pool)
    site.client.send_task("slow", args=(1.0,))
    site.client.send_task("add", args=(1, 0))
    site.client.send_task("add", args=(2, 0))
    site.wait(lambda: site.notes() == ["began False"])
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
    assert site.notes()[:2] == ["began False", "ended"]
    assert site.left() == 4 - len(site.notes()), "what was finished is gone, what was not is there"
    site.worker(*pool)
    site.wait(lambda: len(site.notes()) == 4 and site.left() == 0)
    assert [note.split()[0] for note in site.notes()] == ["began", "ended", "1", "2"]


def test_a_slow_task_keeps_no_other_from_its_worker(site: Site) -> None:
    for _ in range(30):
        site.client.send_task("add", args=(1, 0))
    site.client.send_task("slow", args=(600,))
    for _ in range(30):
        site.client.send_task("add", args=(2, 0))
    site.worker("-P", "solo")
    site.wait(lambda: "began False" in site.notes())
    site.worker("-P", "solo")
    site.wait(lambda: site.notes().count("2 False") + site.notes().count("2 True") == 30)
    assert "ended" not in site.notes()


def test_a_worker_at_rest_uses_next_to_no_cpu(site: Site) -> None:
    worker = site.worker("-P", "solo", "-n", "w1@here")
    site.wait(lambda: site.client.control.inspect(timeout=1, limit=1).ping() is not None)

    def used() -> float:
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before, began = used(), time.monotonic()
    time.sleep(2.0)  # a rate needs a time to be measured over
    assert (used() - before) / (time.monotonic() - began) < 0.05


def drained(connection: object) -> bool:
    with contextlib.suppress(TimeoutError):
        connection.drain_events(timeout=0.05)  # type: ignore[attr-defined]
    return False
