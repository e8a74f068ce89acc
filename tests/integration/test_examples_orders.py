"""The orders example: a Celery client that knows nothing of funcatron, on the embedded broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from funcatron.store.sqlite import SQLiteStore

ORDERS = Path(__file__).parents[2] / "openapi" / "examples" / "orders"


class Served:
    """The example, served in a folder of its own with a broker of the test's choice."""

    def __init__(self, folder: Path, broker: str | None) -> None:
        self.folder = folder
        self.environ = {**os.environ, **({"FUNCATRON_BROKER": broker} if broker else {})}
        self.log = folder / "run.log"

    @contextmanager
    def running(self) -> Iterator[Served]:
        command = [sys.executable, "-m", "funcatron.cli", "run", str(ORDERS / "openapi.yaml"), "--port", "0"]
        with self.log.open("w") as out:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environ, stdout=out, stderr=out, process_group=0
            )
        try:
            end = time.monotonic() + 60
            while "Ctrl-C ends it." not in self.log.read_text():
                assert time.monotonic() < end, self.log.read_text()
                assert process.poll() is None, self.log.read_text()
                time.sleep(0.05)
            yield self
        finally:
            self.store.close()
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(30) == 0, self.log.read_text()

    def run(self, *command: str) -> str:
        """Run Python in the folder, with the same broker; returns what it writes."""
        done = subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def send(self, producer: str, *arguments: str) -> str:
        return self.run(str(ORDERS / producer), *arguments)

    def executions(self, *arguments: str) -> Any:
        return json.loads(self.run("-m", "funcatron.cli", "executions", *arguments, "--json"))

    def ended(self, execution_id: str) -> Any:
        self.until(lambda: (found := self.store.get(execution_id)) is not None and found.ended)
        return self.executions("show", execution_id)

    @cached_property
    def store(self) -> SQLiteStore:
        return SQLiteStore(f"sqlite:///{self.folder / '.funcatron' / 'funcatron.db'}")

    def until(self, found: Callable[[], Any]) -> Any:
        end = time.monotonic() + 60
        while not (value := found()):
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)
        return value


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Served]:
    with Served(tmp_path, None).running() as served:
        yield served


@pytest.fixture
def on_rabbitmq(tmp_path: Path, vhost: str) -> Iterator[Served]:
    with Served(tmp_path, vhost).running() as served:
        yield served


def test_a_celery_client_on_the_embedded_broker(embedded: Served) -> None:
    a_celery_client(embedded)


@pytest.mark.service
def test_a_celery_client_on_rabbitmq(on_rabbitmq: Served) -> None:
    a_celery_client(on_rabbitmq)


def a_celery_client(served: Served) -> None:
    paid = served.send("producer_celery.py", "A-1", "2580", "4242")
    declined = served.send("producer_celery.py", "A-2", "1290", "0000")
    flaky = served.send("producer_celery.py", "A-3", "990", "9999")
    invalid = served.send("producer_celery.py", "A-4", "-5", "42")

    first = served.ended(paid)
    assert (first["state"], first["attempt"], first["trigger"]) == ("succeeded", 1, "celery")
    assert first["result"] == {"id": paid, "order": "A-1", "amount": 2580, "attempt": 1}

    second = served.ended(declined)
    assert (second["state"], second["attempt"], second["problem"]["status"]) == ("failed", 1, 402)

    third = served.ended(flaky)
    assert (third["state"], third["attempt"], third["result"]["attempt"]) == ("succeeded", 3, 3)

    fourth = served.ended(invalid)
    assert (fourth["state"], fourth["failure"], fourth["attempt"]) == ("failed", "invalid", 0)
    assert {error["pointer"] for error in fourth["problem"]["errors"]} == {"/body/amount", "/body/card"}


@pytest.mark.service
def test_an_amqp_producer(on_rabbitmq: Served) -> None:
    on_rabbitmq.send("producer_amqp.py", "B-1", "100", "4242")
    on_rabbitmq.send("producer_amqp.py", "B-2", "200", "4242", "--as", "structured", "--id", "event-2")
    for _ in range(2):
        on_rabbitmq.send("producer_amqp.py", "B-3", "300", "4242", "--as", "binary", "--id", "event-3")
    on_rabbitmq.send("producer_amqp.py", "B-4", "400", "0000")

    on_rabbitmq.until(lambda: on_rabbitmq.store.counts().get("succeeded") == 3)
    on_rabbitmq.until(lambda: on_rabbitmq.store.counts().get("failed") == 1)
    executions = on_rabbitmq.executions("list")
    by_order = {execution["input"]["body"]["order"]: execution for execution in executions}
    assert len(executions) == len(by_order) == 4
    assert {order: execution["state"] for order, execution in by_order.items()} == {
        "B-1": "succeeded",
        "B-2": "succeeded",
        "B-3": "succeeded",
        "B-4": "failed",
    }
    assert {execution["trigger"] for execution in executions} == {"queue"}
    assert (by_order["B-2"]["event_source"], by_order["B-2"]["event_id"]) == ("/shop", "event-2")
    assert (by_order["B-3"]["event_source"], by_order["B-3"]["event_id"]) == ("/shop", "event-3")
