"""A private PostgreSQL: on a port and in a folder of its own, gone with the tests."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = ["POSTGRESQL", "PostgreSQL", "database", "postgresql", "private_postgresql"]

POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
"""Where Debian and Ubuntu put the servers, the newest last: they are not on PATH."""

LIBC = ctypes.CDLL(None)
_numbers = count(1)


class PostgreSQL:
    """One PostgreSQL server on the loopback, which may be killed, held and started again with what it had on disk.

    The superuser has no server that is his: then the user ``postgres`` of the package has it.
    """

    def __init__(self, folder: Path, port: int, *, safe: bool = False) -> None:
        self.port = port
        self.url = f"postgresql://postgres:secret@127.0.0.1:{port}/postgres"
        self._folder = folder
        self._safe = safe  # whether what was committed is on the disk
        self._user = "postgres" if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Make an empty database cluster."""
        self._folder.mkdir()
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        command = ["initdb", "--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust", "--username=postgres"]
        assert self._started(*command, f"--pgdata={self._data}").wait(60) == 0, self._output()

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 100,
            "fsync": "on" if self._safe else "off",
            "log_line_prefix": "%m %p ",
        }
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self._process = self._started("postgres", "-D", str(self._data), *given)
        end = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, f"PostgreSQL has ended:\n{self._output()}"
            assert time.monotonic() < end, f"PostgreSQL does not start:\n{self._output()}"
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server in order, whoever is connected."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server as a crash would."""
        self._end(signal.SIGQUIT)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep all processes of the server from running."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        processes = [self._process.pid, *map(int, children)]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _started(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / "output").open("ab") as output:
            return subprocess.Popen(
                [str(POSTGRESQL[-1] / name), *arguments],
                cwd=self._folder,
                user=self._user,
                group=self._user,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_quit_with_this_thread if threading.current_thread() is threading.main_thread() else None,
            )

    def _output(self) -> str:
        return (self._folder / "output").read_text(errors="replace")

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(number)
            process.wait(60)

    def _answers(self) -> bool:
        return self._started("pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}").wait(60) == 0


def _quit_with_this_thread() -> None:
    """Have the kernel end a server when whoever started it is gone, however that ends (Linux)."""
    LIBC.prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG


@contextmanager
def private_postgresql(port: int, *, safe: bool = False) -> Iterator[PostgreSQL]:
    """Run a server of one's own, in a folder that its user can reach."""
    with tempfile.TemporaryDirectory(prefix="funcatron-postgresql-") as folder:
        Path(folder).chmod(0o755)
        server = PostgreSQL(Path(folder) / "server", port, safe=safe)
        server.make()
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgresql(free_port: Callable[[], int], required_in_ci: Callable[[str], NoReturn]) -> Iterator[PostgreSQL]:
    """A running PostgreSQL for all tests that ask; skips at a desk that has none, fails in CI."""
    if not POSTGRESQL:
        required_in_ci("PostgreSQL is not installed (apt-get install postgresql)")
    with private_postgresql(free_port()) as server:
        yield server


@pytest.fixture
def database(postgresql: PostgreSQL) -> str:
    """The URL of a store that nobody has used: a schema of its own."""
    return f"{postgresql.url}?options=-csearch_path%3Dtest{next(_numbers)}"
