from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from funcatron.cli.console import counted, framed, print_table, progress_bar
from funcatron.execution import Execution, new_id
from funcatron.store.sqlite import SQLiteStore


def drawn(width: int, cut: tuple[str, ...] = ()) -> list[str]:
    rows = [("1", "failed", "a function with a long name"), ("2", "queued", "f")]
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(framed(("ID", "STATE", "FUNCTION"), rows, cut=cut))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_state_has_its_colour() -> None:
    assert "\x1b[31mfailed" in "\n".join(drawn(80))


def test_what_is_cut_stays_on_one_line() -> None:
    lines = [line for line in drawn(30, cut=("FUNCTION",)) if "failed" in line or "long" in line]
    assert len(lines) == 1
    assert "…" in lines[0]


def test_without_a_cut_nothing_is_lost() -> None:
    text = " ".join(drawn(30))
    assert all(word in text for word in ("function", "long", "name"))


def test_elsewhere_a_table_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("ID", "NAME"), [("1", "one"), ("200", "")])
    assert capsys.readouterr().out == "ID   NAME\n1    one\n200\n"


def test_no_progress_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("Working", 2) as bar:
        bar.update(2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("number", "text"), [(0, "0 apples"), (1, "1 apple"), (2, "2 apples")])
def test_counted(number: int, text: str) -> None:
    assert counted(number, "apple") == text


class Terminal:
    """A funcatron in a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        os.set_blocking(self._master, False)
        command = [sys.executable, "-m", "funcatron.cli", *arguments]
        environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "30"}
        self.process = subprocess.Popen(command, cwd=folder, stdin=slave, stdout=slave, stderr=slave, env=environ)
        os.close(slave)
        self.text = ""

    def shows(self, text: str) -> None:
        end = time.monotonic() + 20
        while text not in self.text:
            assert time.monotonic() < end, self.text
            self._read()
            time.sleep(0.02)

    def _read(self) -> None:
        try:
            self.text += os.read(self._master, 65536).decode(errors="replace")
        except (BlockingIOError, OSError):
            return

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())


@pytest.fixture
def failed(tmp_path: Path) -> Callable[[], str]:
    (tmp_path / ".funcatron").mkdir()
    store = SQLiteStore(f"sqlite:///{tmp_path}/.funcatron/funcatron.db")

    def add() -> str:
        record = Execution(id=new_id(), function="f", trigger="async", created_at=time.time())
        store.create([record])
        store.fail(record.id, {"title": "No", "status": 400}, "invalid")
        return record.id

    return add


def test_watch_shows_what_comes_until_ctrl_c(tmp_path: Path, failed: Callable[[], str]) -> None:
    first = failed()
    terminal = Terminal(tmp_path, "executions", "list", "--watch")
    terminal.shows(first)
    terminal.shows(failed())
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(10) == 0


def test_redrive_of_many_asks_first_and_shows_progress(tmp_path: Path, failed: Callable[[], str]) -> None:
    execution_id = failed()
    failed()
    terminal = Terminal(tmp_path, "executions", "redrive", "--state", "failed")
    terminal.shows("Queue 2 executions again? [y/N]")
    terminal.type("y\n")
    terminal.shows("Queueing")
    terminal.shows(f"{execution_id} queued")
    assert terminal.process.wait(10) == 0


def test_no_is_no(tmp_path: Path, failed: Callable[[], str]) -> None:
    failed()
    terminal = Terminal(tmp_path, "executions", "redrive", "--state", "failed")
    terminal.shows("[y/N]")
    terminal.type("n\n")
    assert terminal.process.wait(10) == 130
