"""Leases: the kernel says who lives."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from funcatron.errors import SettingsError, Unavailable
from funcatron.store import lease as module
from funcatron.store.lease import Lease, held, is_held

OWNER = """
import os, sys
from funcatron.store.lease import Lease
lease = Lease.acquire(sys.argv[1])
{then}
print(lease.id, flush=True)
sys.stdin.read()
"""


@contextmanager
def owner(folder: Path, then: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that holds a lease."""
    command = [sys.executable, "-c", OWNER.format(then=then), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_a_lease_is_held_until_it_is_released(tmp_path: Path) -> None:
    lease = Lease.acquire(tmp_path / "new" / "folder")
    assert lease.held
    assert is_held(lease.folder, lease.id)
    assert str(os.getpid()) in lease.id
    lease.release()
    lease.release()
    assert not lease.held
    assert not is_held(lease.folder, lease.id)
    assert list(lease.folder.iterdir()) == []


def test_a_lease_ends_with_its_object(tmp_path: Path) -> None:
    lease = Lease.acquire(tmp_path)
    lease_id = lease.id
    del lease
    assert not is_held(tmp_path, lease_id)


def test_ids_are_never_used_twice(tmp_path: Path) -> None:
    leases = [Lease.acquire(tmp_path) for _ in range(20)]
    assert len({lease.id for lease in leases}) == 20
    assert set(held(tmp_path)) == {lease.id for lease in leases}
    for lease in leases:
        lease.release()


def test_asking_does_not_disturb_the_owner_or_another_who_asks(tmp_path: Path) -> None:
    lease = Lease.acquire(tmp_path)
    assert all(is_held(tmp_path, lease.id) for _ in range(100))
    with (tmp_path / "dead").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # someone else asks at this very moment
        assert not is_held(tmp_path, "dead")
    lease.release()


@pytest.mark.parametrize("killed_by", [signal.SIGKILL, signal.SIGTERM])
def test_the_kernel_ends_the_lease_of_a_killed_process(tmp_path: Path, killed_by: signal.Signals) -> None:
    with owner(tmp_path) as (process, lease_id):
        assert is_held(tmp_path, lease_id)
        (tmp_path / f"{lease_id}.wake").touch()
        process.send_signal(killed_by)
        process.wait()
        assert not is_held(tmp_path, lease_id)
        assert list(tmp_path.iterdir()) == [], "its files are gone"


def test_a_forked_child_does_not_keep_the_lease_of_its_dead_parent(tmp_path: Path) -> None:
    fork = "if os.fork() == 0:\n    sys.stdin.read()\n    os._exit(0)"
    with owner(tmp_path, then=fork) as (process, lease_id):
        assert is_held(tmp_path, lease_id)
        process.kill()
        process.wait()
        until = time.monotonic() + 30
        while is_held(tmp_path, lease_id) and time.monotonic() < until:
            time.sleep(0.001)  # the child was born this very moment, and closes its copy first of all
        assert not is_held(tmp_path, lease_id)


def test_a_started_program_does_not_keep_the_lease_of_its_dead_parent(tmp_path: Path) -> None:
    start = "import subprocess\nsubprocess.Popen(['cat'], close_fds=False, stdout=subprocess.DEVNULL)"
    with owner(tmp_path, then=start) as (process, lease_id):
        process.kill()
        process.wait()
        assert not is_held(tmp_path, lease_id)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_in_a_forked_child_the_lease_is_the_parents(tmp_path: Path) -> None:
    lease = Lease.acquire(tmp_path)
    child = os.fork()
    if child == 0:
        mine = Lease.acquire(tmp_path)
        right = not lease.held and is_held(tmp_path, lease.id) and mine.held
        lease.release()
        right = right and is_held(tmp_path, lease.id)
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert lease.held
    assert is_held(tmp_path, lease.id)
    lease.release()


def test_a_lease_whose_file_was_deleted_is_not_held(tmp_path: Path) -> None:
    lease = Lease.acquire(tmp_path)
    (tmp_path / lease.id).unlink()
    assert not lease.held


@pytest.mark.parametrize("name", ["", ".", "..", "../lease", "a/b", "nobody", "a\0b", "x" * 300])
def test_what_is_no_lease_is_not_held(tmp_path: Path, name: str) -> None:
    assert not is_held(tmp_path, name)
    assert not is_held(tmp_path / "missing", name)


def test_there_are_no_leases_where_there_is_no_folder(tmp_path: Path) -> None:
    assert list(held(tmp_path / "missing")) == []


def test_the_dead_are_swept_away(tmp_path: Path) -> None:
    lease = Lease.acquire(tmp_path)
    (tmp_path / "dead-1").touch()
    (tmp_path / "dead-1.wake").touch()
    assert list(held(tmp_path)) == [lease.id]
    assert [path.name for path in tmp_path.iterdir()] == [lease.id]
    lease.release()


def test_a_lease_swept_away_while_it_was_made_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, swept = fcntl.flock, list[str]()

    def sweeping(file: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and not swept:
            swept.extend(path.name for path in tmp_path.iterdir())
            (tmp_path / swept[0]).unlink()
        real(file, operation)

    monkeypatch.setattr(module.fcntl, "flock", sweeping)
    lease = Lease.acquire(tmp_path)
    assert lease.held
    assert lease.id not in swept
    lease.release()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, None])
def test_a_file_system_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    def flock(file: int, operation: int) -> None:
        if code is not None:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module.fcntl, "flock", flock)
    with pytest.raises(SettingsError, match=r"does not lock files.*local disk"):
        Lease.acquire(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=r"no lease can be made in .*/file/leases: Not a directory"):
        Lease.acquire(tmp_path / "file" / "leases")


def test_leases_leave_no_trace_in_the_fork_hooks(tmp_path: Path) -> None:
    before = len(Lease._live)
    for _ in range(50):
        Lease.acquire(tmp_path).release()
    assert len(Lease._live) == before
