"""The supervisor, on processes of every temper."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCRIPT = str(Path(__file__).parent / "supervised.py")


class Running:
    """A supervisor in a process of its own, and what it and its children have said."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, SCRIPT, *arguments], stdout=output, stderr=output, start_new_session=True
            )

    def said(self) -> str:
        return self.log.read_text()

    def hears(self, pattern: str, count: int = 1) -> list[str]:
        end = time.monotonic() + 60
        while len(found := re.findall(pattern, self.said(), re.MULTILINE)) < count:
            assert time.monotonic() < end, f"{pattern} is not in:\n{self.said()}"
            assert self.process.poll() is None or re.search(pattern, self.said()), self.said()
            time.sleep(0.01)
        return found

    def pids(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"^up \S+ (\d+)$", self.said(), re.MULTILINE)]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids: list[int]) -> bool:
    end = time.monotonic() + 60
    while any(alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.01)
    return not any(alive(pid) for pid in pids)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*roles: str, timeout: float = 5.0) -> Running:
        started.append(Running(tmp_path / "log", str(timeout), *roles))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_children_serve_until_a_signal_and_end_in_order(run: Callable[..., Running], number: int) -> None:
    running = run("serve", "serve")
    running.hears("^ready$")
    assert running.end(number) == 0
    assert len(re.findall("^down serve", running.said(), re.MULTILINE)) == 2
    assert gone(running.pids())


def test_ready_is_said_once_when_all_are(run: Callable[..., Running]) -> None:
    running = run("serve", "crash")
    running.hears("^up crash", 3)
    assert "ready" not in running.said().splitlines()
    assert running.end() == 0


def test_a_child_that_was_serving_is_started_again_at_once(run: Callable[..., Running]) -> None:
    running = run("die_serving", "serve")
    running.hears("^up die_serving", 4)
    assert set(re.findall(r"killed by signal 9; it is started again in (\S+) s", running.said())) == {"0.1"}
    assert running.said().count("up serve") == 1, "the other is left alone"
    assert running.end() == 0


def test_one_that_never_gets_ready_is_given_growing_pauses(run: Callable[..., Running]) -> None:
    running = run("crash")
    running.hears("^up crash", 4)
    assert re.findall(r"ended with code 3; it is started again in (\S+) s", running.said())[:3] == ["0.2", "0.4", "0.8"]
    assert running.end() == 0


def test_one_past_its_hard_limit_is_killed_and_says_where_it_was_stuck(run: Callable[..., Running]) -> None:
    running = run("overdue", "in_time")
    running.hears("runs past its time limit and is killed")
    running.hears("^up overdue", 2)
    assert "in overdue" in running.said(), "the traceback"
    running.hears("^done in_time")
    assert running.said().count("up in_time") == 1
    assert running.end() == 0


def test_one_that_does_not_stop_is_killed_after_the_timeout(run: Callable[..., Running]) -> None:
    running = run("deaf", "serve", timeout=0.5)
    running.hears("^ready$")
    began = time.monotonic()
    assert running.end() == 0
    assert time.monotonic() - began > 0.4
    assert "down serve" in running.said()
    assert gone(running.pids())


def test_a_second_signal_does_not_wait(run: Callable[..., Running]) -> None:
    running = run("deaf", timeout=600)
    running.hears("^ready$")
    end = time.monotonic() + 60
    while running.process.poll() is None and time.monotonic() < end:  # two that come at once may be one
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert running.process.poll() in (0, -signal.SIGINT)  # the last one may come when Python is on its way out
    assert gone(running.pids())


def test_what_a_child_started_goes_with_it(run: Callable[..., Running]) -> None:
    running = run("parent")
    running.hears("^ready$")
    running.hears("^up grandchild")
    pids = running.pids()
    assert running.end() == 0
    assert gone(pids)


def test_no_child_outlives_a_supervisor_that_is_killed(run: Callable[..., Running]) -> None:
    running = run("serve", "deaf")
    running.hears("^ready$")
    running.process.kill()
    running.process.wait()
    assert gone(running.pids())


def test_one_that_can_never_work_ends_all_with_its_code(run: Callable[..., Running]) -> None:
    running = run("misconfigured", "serve")
    assert running.process.wait(15) == 78
    assert "misconfigured-0: the broker is a teapot" in running.said()
    assert running.said().count("teapot") == 1
    assert gone(running.pids())


def test_a_mistake_of_ours_is_logged_and_tried_again(run: Callable[..., Running]) -> None:
    running = run("broken")
    running.hears("RuntimeError: a mistake of ours", 2)
    assert running.end() == 0


def test_an_exit_code_is_told(run: Callable[..., Running]) -> None:
    running = run("quits")
    running.hears("ended with code 5; it is started again in 0.1 s", 2)
    assert running.end() == 0
