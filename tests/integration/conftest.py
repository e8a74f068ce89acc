"""A running application of the tests' own: started by the command line, watched through its store and its traces."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from funcatron.execution import Execution
from funcatron.ports import ExecutionQuery
from funcatron.store.sqlite import SQLiteStore
from tests.integration.calling import real_calls, real_doors
from tests.integration.oas_examples import oas_package
from tests.integration.running import shop_in_parts
from tests.integration.talking import CeleryClient, celery_client
from tests.services import RabbitMQ, openstack, rabbitmq, rabbitmq_is_here, redis

__all__ = [
    "celery_client",
    "oas_package",
    "openstack",
    "rabbitmq",
    "rabbitmq_is_here",
    "real_calls",
    "real_doors",
    "redis",
    "shop_in_parts",
]

SITE = Path(__file__).parent / "site"
PATIENCE = 90.0


def until(condition: Callable[[], Any], what: str | Callable[[], str] = "", patience: float = PATIENCE) -> Any:
    """Return what ``condition`` returns once it is true; fail after ``patience`` seconds."""
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, f"in vain: {what() if callable(what) else what or condition}"
        time.sleep(0.01)
    return found


class Site:
    """One application in a folder of its own: processes, store, traces."""

    def __init__(self, folder: Path, port: int, client: CeleryClient) -> None:
        self._client = client
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.spec = str(SITE / "openapi.yaml")
        self.trace_file = folder / "trace"
        self.file = folder / "data" / "funcatron.db"
        self.broker = f"sqlite:///{self.file}"
        self.settings: dict[str, str] = {}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.store = SQLiteStore(f"sqlite:///{self.file}")

    def environment(self) -> dict[str, str]:
        own = {
            "TRACE": str(self.trace_file),
            "FUNCATRON_DATA_DIR": str(self.folder / "data"),
            "FUNCATRON_PORT": str(self.port),
            "FUNCATRON_LOG_LEVEL": "debug",
            "FUNCATRON_SHUTDOWN_TIMEOUT": "10",
            "PYTHONPATH": str(SITE),
            "PYTHONWARNINGS": "default",
        }
        return {**os.environ, **own, **self.settings}

    def command(self, *command: str, name: str = "log") -> subprocess.Popen[bytes]:
        """Start any command in the application's folder and environment."""
        self.folder.joinpath("data").mkdir(exist_ok=True)
        with (self.folder / name).open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment(), stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(process)
        return process

    def start(self, part: str = "run", *options: str) -> subprocess.Popen[bytes]:
        """Start ``funcatron PART`` and wait until it serves."""
        before = self.log().count("Ctrl-C ends it.")
        process = self.command(sys.executable, "-m", "funcatron.cli", part, self.spec, *options)
        until(
            lambda: process.poll() is not None or self.log().count("Ctrl-C ends it.") > before,
            lambda: f"{part} to serve:\n{self.log()}",
        )
        assert process.poll() is None, self.log()
        return process

    def stop(self, process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
        """End a process in order and return its exit code."""
        process.send_signal(number)
        return process.wait(PATIENCE)

    def log(self, name: str = "log") -> str:
        file = self.folder / name
        return file.read_text(errors="replace") if file.exists() else ""

    def children(self, role: str) -> list[int]:
        """Return the ids of the living processes of a role (http, worker, triggers)."""
        found = dict(re.findall(rf"({role}(?:-\d+)?) is process (\d+)", self.log()))
        return [int(pid) for pid in found.values() if Path(f"/proc/{pid}/status").exists()]

    def send(self, *calls: dict[str, Any], broker: str | None = None) -> list[str]:
        """Call tasks from a process of its own, by Celery alone; returns the task ids."""
        return self._client.send(broker or self.broker, calls)

    def traces(self) -> list[dict[str, Any]]:
        lines = self.trace_file.read_text().splitlines() if self.trace_file.exists() else []
        return [json.loads(line) for line in lines]

    def ended(self, execution_id: str) -> Execution:
        """Return the record once it has ended."""

        def found() -> Execution | None:
            record = self.store.get(execution_id)
            return record if record is not None and record.ended else None

        record: Execution = until(found, f"{execution_id} to end")
        return record

    def all(self, **query: Any) -> list[Execution]:
        """Return every record."""
        found: list[Execution] = []
        marker = None
        while True:
            page, marker = self.store.list(ExecutionQuery(limit=500, marker=marker, **query))
            found += page
            if marker is None:
                return found

    def states(self) -> Counter[str]:
        return Counter(self.store.counts())

    def dead(self, queue: str) -> list[Any]:
        """Return the letters in ``<queue>.dead`` of the embedded broker."""
        import sqlite3

        with sqlite3.connect(self.file) as connection:
            rows = connection.execute("select payload from message where queue = ? order by id", (f"{queue}.dead",))
            letters = [_json_or_raw(payload) for (payload,) in rows]
        connection.close()
        return letters

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.store.close()


def _json_or_raw(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload


@pytest.fixture
def site(tmp_path: Path, make_site: Callable[[Path], Site]) -> Iterator[Site]:
    """An application that is not started yet; whatever it starts is ended with the test."""
    made = make_site(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def make_site(free_port: Callable[[], int], celery_client: CeleryClient) -> Callable[[Path], Site]:
    """Return ``make_site(folder)``, for fixtures of a wider scope."""
    return lambda folder: Site(folder, free_port(), celery_client)


@pytest.fixture(scope="session", name="until")
def until_fixture() -> Callable[..., Any]:
    """See ``until``."""
    return until


@pytest.fixture
def vhost(rabbitmq: RabbitMQ) -> str:
    """The URL of a RabbitMQ with no queue in it; what a test leaves there, no other test sees."""
    return rabbitmq.vhost()


@pytest.fixture
def own_rabbitmq(
    rabbitmq_is_here: None, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[RabbitMQ]:
    """A RabbitMQ of the test's own, to be killed."""
    node = RabbitMQ(tmp_path_factory.mktemp("own-rabbitmq"), free_port(), free_port(), free_port())
    try:
        node.start()
        yield node
    finally:
        node.stop()
