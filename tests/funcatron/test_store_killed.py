"""Workers that were killed for being late."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from funcatron.store.killed import KEPT, Killed


def test_who_was_killed_is_known_to_every_process_of_the_machine(tmp_path: Path) -> None:
    killed = Killed(tmp_path / "killed")
    assert "host-1-a" not in killed
    killed.add("host-1-a")
    assert "host-1-a" in Killed(tmp_path / "killed")
    assert "host-1-b" not in killed


def test_names_that_are_no_ids_name_nobody(tmp_path: Path) -> None:
    killed = Killed(tmp_path / "killed")
    for name in ("", "..", "../killed", "a/b"):
        killed.add(name)
        assert name not in killed
    assert not (tmp_path / "killed").exists()


def test_the_old_are_forgotten(tmp_path: Path) -> None:
    killed = Killed(tmp_path)
    killed.add("old-1")
    long_ago = time.time() - KEPT - 60
    os.utime(tmp_path / "old-1", (long_ago, long_ago))
    killed.add("new-1")
    assert "old-1" not in killed
    assert "new-1" in killed


def test_where_nothing_can_be_written_that_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    Killed(tmp_path / "file").add("host-1-a")
    assert "it cannot be noted that host-1-a is killed" in caplog.text
