"""Whether a process has ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from funcatron.store import process
from funcatron.store.process import has_ended, this_process

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell")

NAME = "from funcatron.store.process import this_process; print(this_process(), flush=True); input()"


def test_this_process_runs() -> None:
    name = this_process()
    assert name is not None
    assert name == this_process()
    assert not has_ended(name)


def test_another_one_has_ended_when_it_was_killed_whether_or_not_anybody_waited_for_it() -> None:
    with subprocess.Popen([sys.executable, "-c", NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as another:
        assert another.stdout is not None
        name = another.stdout.readline().decode().strip()
        assert not has_ended(name)
        another.kill()
        os.waitid(os.P_PID, another.pid, os.WEXITED | os.WNOWAIT)  # not reaped
        assert has_ended(name)
    assert has_ended(name)


def test_who_has_the_id_of_another_one_is_not_that_one() -> None:
    name = this_process()
    assert name is not None
    assert has_ended(name + "0")


def test_nothing_is_known_of_processes_that_cannot_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    name = this_process()
    assert name is not None
    assert not has_ended(f"x{name}0"), "another boot, or machine"
    assert not has_ended(None)
    monkeypatch.setattr(process, "_here", lambda pid: None)
    assert this_process() is None
    assert not has_ended(name + "0")
