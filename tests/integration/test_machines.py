"""More than one machine: supervisors that share RabbitMQ and PostgreSQL and nothing else, and what befalls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.integration.running import Program, environment, running, until
from tests.services import POSTGRESQL, PostgreSQL, RabbitMQ, private_postgresql

pytestmark = pytest.mark.service

SITE = Path(__file__).parent / "site"


@pytest.fixture(scope="module")
def server(free_port: Callable[[], int], required_in_ci: Callable[[str], NoReturn]) -> Iterator[PostgreSQL]:
    """A PostgreSQL that is killed."""
    if not POSTGRESQL:
        required_in_ci("PostgreSQL is not installed (apt-get install postgresql)")
    with private_postgresql(free_port(), safe=True) as made:
        yield made


class Machines:
    """Two machines; each has its folder, its workers, its HTTP and its clock."""

    def __init__(self, folder: Path, settings: dict[str, str], ports: tuple[int, int], stack: ExitStack) -> None:
        self._traces = folder / "traces"
        self._folder = folder
        self.settings = {**settings, "TRACE": str(self._traces), "PYTHONPATH": str(SITE)}
        self._ports = ports
        self._stack = stack
        self.first, self.second = (self.start(number) for number in range(2))

    def start(self, number: int) -> Program:
        """Start the machine of this number."""
        folder = self._folder / f"machine-{number}"
        return self._stack.enter_context(
            running("run", SITE / "openapi.yaml", "--workers", "2", folder=folder, port=self._ports[number],
                    extra={**self.settings, "FUNCATRON_DATA_DIR": str(folder / "data")})
        )  # fmt: skip

    def traces(self) -> list[dict[str, Any]]:
        """Return what handlers have noted."""
        return [json.loads(line) for line in self._traces.read_text().splitlines()] if self._traces.exists() else []

    def runs(self, ids: list[str]) -> list[dict[str, Any]]:
        """Return what the handlers of these executions have noted."""
        return [trace for trace in self.traces() if trace["id"] in ids]


@pytest.fixture(scope="module")
def machines(
    tmp_path_factory: pytest.TempPathFactory, server: PostgreSQL, rabbitmq: RabbitMQ, free_port: Callable[[], int]
) -> Iterator[Machines]:
    settings = {"FUNCATRON_STORE": server.url, "FUNCATRON_BROKER": rabbitmq.vhost(), "FUNCATRON_LOG_LEVEL": "debug"}
    with ExitStack() as stack:
        yield Machines(tmp_path_factory.mktemp("machines"), settings, (free_port(), free_port()), stack)


@pytest.fixture(autouse=True)
def shown(machines: Machines) -> Iterator[None]:
    """Print what the machines have written."""
    with machines.first.watched(), machines.second.watched():
        yield


def accepted(program: Program, count: int, **body: Any) -> list[str]:
    answers = [program.http.post("/note", json={"n": n, **body}) for n in range(count)]
    assert {answer.status_code for answer in answers} == {202}
    return [answer.json()["id"] for answer in answers]


def ends(program: Program, ids: list[str]) -> list[tuple[str, int]]:
    return [(record["state"], record["attempt"]) for record in map(program.ended, ids)]


def command(machines: Machines, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of funcatron where it knows the store by its settings alone."""
    return subprocess.run(
        [sys.executable, "-m", "funcatron.cli", *arguments],
        env=environment(machines.settings), cwd="/", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def all_run(machines: Machines, ids: list[str]) -> Callable[[], bool]:
    return lambda: len(machines.runs(ids)) == len(ids)


def test_what_one_machine_accepts_is_run_by_all(machines: Machines) -> None:
    ids = accepted(machines.first, 24, sleep=0.1)
    assert ends(machines.second, ids) == [("succeeded", 1)] * 24
    runners = {trace["pid"] for trace in machines.runs(ids)}
    assert runners & set(machines.first.children())
    assert runners & set(machines.second.children())


def test_the_command_line_reads_the_same_records(machines: Machines) -> None:
    (execution_id,) = accepted(machines.first, 1)
    machines.first.ended(execution_id)
    shown = command(machines, "executions", "show", execution_id, "--json")
    assert json.loads(shown.stdout)["state"] == "succeeded", shown.stderr
    listed = command(machines, "executions", "list", "--limit", "1", "--json")
    assert execution_id in listed.stdout, listed.stderr
    unfit = command(machines, "run", str(SITE / "openapi.yaml"), "--store", "postgresql://host/d?colour=blue")
    assert unfit.returncode == 2
    assert "the store's URL cannot be read: write postgresql://" in unfit.stderr


def test_a_server_that_was_away_for_seconds_has_lost_nothing(machines: Machines, server: PostgreSQL) -> None:
    ids = accepted(machines.first, 4, sleep=3)
    until(all_run(machines, ids), "all of them to run")
    server.stop()
    try:
        for program in (machines.first, machines.second):
            refused = program.http.post("/note", json={"n": 1})
            assert refused.status_code == 503, refused.text
            assert refused.headers["content-type"] == "application/problem+json"
            assert int(refused.headers["retry-after"]) >= 1
            assert program.http.get("/_funcatron/health/ready").status_code == 503
            assert program.http.get("/_funcatron/health/live").status_code == 200
        both = (machines.first, machines.second)
        until(lambda: any("the store is out of reach, trying" in p.output() for p in both), "an end without a store")
    finally:
        server.start()
    assert ends(machines.second, ids) == [("succeeded", 1)] * 4
    after = accepted(machines.second, 4)
    assert ends(machines.first, after) == [("succeeded", 1)] * 4
    assert len(machines.runs(ids)) == 4


def test_nobody_is_given_up_for_a_restart_of_the_server(machines: Machines, server: PostgreSQL) -> None:
    ids = accepted(machines.first, 4, sleep=5)
    until(all_run(machines, ids), "all of them to run")
    server.kill()
    server.start()
    assert ends(machines.second, ids) == [("succeeded", 1)] * 4
    assert len(machines.runs(ids)) == 4


def test_what_a_dead_machine_had_in_hand_is_run_by_the_other(machines: Machines) -> None:
    ids = accepted(machines.second, 24, sleep=0.5)
    dead = set(machines.first.children())
    until(lambda: dead & {trace["pid"] for trace in machines.runs(ids)}, "the first machine to run something")
    os.kill(machines.first.process.pid, signal.SIGKILL)  # the kernel ends its children
    machines.first.process.wait()
    found = ends(machines.second, ids)
    assert {state for state, _ in found} == {"succeeded"}
    assert {attempt for _, attempt in found} == {1, 2}, "what was lost is told from what was not"
    assert len(ids) <= len(machines.runs(ids)) <= sum(attempt for _, attempt in found)


def test_a_machine_that_starts_while_the_server_is_away_serves_when_it_is_back(
    machines: Machines, server: PostgreSQL
) -> None:
    if machines.first.process.poll() is None:
        machines.first.kill()
    server.stop()
    try:
        machines.first = machines.start(0)
        assert "the store is out of reach" in machines.first.output()
        assert machines.first.http.post("/note", json={"n": 1}).status_code == 503
    finally:
        server.start()
    (execution_id,) = accepted(machines.first, 1)
    assert ends(machines.second, [execution_id]) == [("succeeded", 1)]
