"""Who is killed, and how often: workers, their children, and now and then the other parts."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.integration.running import Program, children_of, die_with_the_tests, environment

__all__ = ["Kills", "PreforkWorker", "supervised"]

ROLE = re.compile(r"((?:worker|http)-\d+|triggers) is process (\d+)")


def supervised(program: Program, role: str) -> int | None:
    """Return the process of a role that began first (worker, http, triggers); None where none lives."""
    living = set(program.children())
    found = [int(pid) for name, pid in ROLE.findall(program.output()) if name.startswith(role)]
    return next((pid for pid in found if pid in living), None)


class PreforkWorker:
    """Celery's own worker with two children, started again whenever it has ended."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self._folder = folder
        self._settings = settings
        self._told = threading.Event()
        self._process = self._started()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The id of the main process."""
        return self._process.pid

    def child(self) -> int | None:
        """Return the id of one of its children."""
        return next(iter(children_of(self.pid)), None)

    def stop(self) -> None:
        """Let it finish, and end it."""
        self._told.set()
        self._thread.join()
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "funcatron_celery.app", "worker"]
        command += ["--concurrency", "2", "--pool", "prefork", "-l", "INFO"]
        with (self._folder / "celery.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=self._folder, env=environment(self._settings), stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_the_tests,
            )  # fmt: skip

    def _keep(self) -> None:
        while not self._told.wait(0.1):
            if self._process.poll() is not None:
                self._process = self._started()


class Kills:
    """Sends SIGKILL to one victim after the other, ``every`` so many seconds, in a thread of its own."""

    def __init__(self, victims: Sequence[tuple[str, Callable[[], int | None]]], *, every: float) -> None:
        self.count: Counter[str] = Counter()
        self._victims = victims
        self._every = every
        self._told = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._told.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        for kind, find in itertools.cycle(self._victims):
            due += self._every
            if self._told.wait(max(0.0, due - time.monotonic())):
                return
            with suppress(ProcessLookupError):
                if (pid := find()) is not None:
                    os.kill(pid, signal.SIGKILL)
                    self.count[kind] += 1
