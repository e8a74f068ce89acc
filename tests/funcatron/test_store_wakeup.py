"""Wake-ups between processes and threads."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from funcatron.store.lease import Lease
from funcatron.store.wakeup import Listener, wake

LONG = 30.0  # seconds: nobody waits so long, unless the wake-up does not come


@pytest.fixture(params=["short", "x" * 200])
def lease(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lease]:
    made = Lease.acquire(tmp_path / request.param)
    yield made
    made.release()


@pytest.fixture
def listener(lease: Lease) -> Iterator[Listener]:
    made = Listener(lease)
    yield made
    made.close()


def test_a_call_that_came_before_is_heard(lease: Lease, listener: Listener) -> None:
    assert listener.works
    wake(lease.folder)
    wake(lease.folder)
    assert listener.wait(LONG)
    assert not listener.wait(0), "both calls were taken together"


def test_another_process_wakes(lease: Lease, listener: Listener) -> None:
    program = "import sys, pathlib; from funcatron.store.wakeup import wake; wake(pathlib.Path(sys.argv[1]))"
    with subprocess.Popen([sys.executable, "-c", program, str(lease.folder)]) as caller:
        assert listener.wait(LONG)
    assert caller.returncode == 0


def test_another_thread_nudges(listener: Listener) -> None:
    began = time.monotonic()
    threading.Timer(0.05, listener.nudge).start()
    assert listener.wait(LONG)
    assert time.monotonic() - began < LONG / 2


def test_silence_is_false(listener: Listener) -> None:
    assert not listener.wait(0)
    assert not listener.wait(0.01)
    assert not listener.wait(-1)


def test_any_number_of_calls_does_no_harm(lease: Lease, listener: Listener) -> None:
    for _ in range(2000):
        wake(lease.folder)
        listener.nudge()
    assert listener.wait(LONG)
    assert not listener.wait(0)


def test_the_dead_and_the_missing_are_not_waited_for(lease: Lease) -> None:
    listener = Listener(lease)
    listener.close()
    wake(lease.folder)
    wake(lease.folder / "missing")


def test_where_no_socket_can_be_the_listener_says_so(lease: Lease) -> None:
    first = Listener(lease)
    second = Listener(lease)  # the name is taken
    assert first.works
    assert not second.works
    second.nudge()
    assert second.wait(LONG)
    first.close()
    second.close()
