"""Processes that go on after the command has ended, known by their pid files."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mini_openstack.errors import MiniError

__all__ = ["Processes"]

PATIENCE = 90.0  # seconds for a port to open; a few on a machine that is idle
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}  # whatever the shell says: who keeps no bytecode compiles all at each start
TAIL = 12  # lines of a log that are shown when its process has failed


class Processes:
    """The servers of one stack."""

    def __init__(self, pids: Path, logs: Path) -> None:
        self._pids = pids
        self._logs = logs

    def start(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Start a server in a session of its own; what it prints goes to ``log/<name>.log``."""
        with (self._logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env={**os.environ, **COMPILED, **(env or {})},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self._pids / name).write_text(f"{process.pid} {_started(process.pid)}")

    def wait_for(self, name: str, port: int, greeting: bytes = b"") -> None:
        """Wait until the server answers. Raises MiniError with the end of its log where it has died, or does not."""
        self.wait_until(name, lambda: _answers(port, greeting), f"does not listen on port {port}")

    def wait_until(self, name: str, ready: Callable[[], bool], otherwise: str) -> None:
        """Wait until the server is ready; ``otherwise`` says what is wrong where it never is. Raises MiniError with the
        end of its log then, or where it has died.
        """
        end = time.monotonic() + PATIENCE
        while not ready():
            if not self.runs(name):
                raise MiniError(f"{name} has ended; {self._tail(name)}")
            if time.monotonic() > end:
                raise MiniError(f"{name} {otherwise}; {self._tail(name)}")
            time.sleep(0.03)

    def runs(self, name: str) -> bool:
        """Whether the server of this name runs."""
        return self._pid(self._pids / name) is not None

    def running(self) -> list[str]:
        """Return the names of all that run."""
        return sorted(file.name for file in self._pids.glob("*") if self._pid(file) is not None)

    def stop(self, patience: float = 15.0) -> None:
        """End all of them, by force where they take longer than ``patience`` seconds."""
        self._signal(signal.SIGTERM)
        end = time.monotonic() + patience
        while self.running() and time.monotonic() < end:
            time.sleep(0.03)
        self._signal(signal.SIGKILL)
        for file in self._pids.glob("*"):
            file.unlink()

    def _signal(self, number: int) -> None:
        for file in self._pids.glob("*"):
            if (pid := self._pid(file)) is not None:
                try:
                    os.killpg(pid, number)
                except (ProcessLookupError, PermissionError):
                    continue

    def _pid(self, file: Path) -> int | None:
        """Return the pid of a process of ours that lives; a number may have gone to another process since."""
        try:
            pid, _, started = file.read_text().partition(" ")
            return int(pid) if _started(int(pid)) == started and started else None
        except (OSError, ValueError):
            return None

    def _tail(self, name: str) -> str:
        log = self._logs / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines()[-TAIL:]
        return "\n".join([f"the end of {log}:", *lines])


def _started(pid: int) -> str:
    """Return when a process was started, in the kernel's ticks; empty where there is none, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _answers(port: int, greeting: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            if not greeting:
                return True
            connection.settimeout(5)
            connection.sendall(greeting)
            return bool(connection.recv(1))
    except OSError:
        return False
