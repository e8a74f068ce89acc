"""Real services for tests: private instances, on ports and in folders of their own, gone with the tests."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
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

__all__ = ["SERVER", "PostgreSQL", "RabbitMQ", "database", "postgresql", "rabbitmq", "redis"]

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The server itself: /usr/sbin has a wrapper that changes the user."""

POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
"""Where Debian and Ubuntu put the servers, the newest last: they are not on PATH."""

LIBC = ctypes.CDLL(None)
_numbers = count(1)

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
loopback_users = none
default_user = guest
default_pass = guest
disk_free_limit.absolute = 50MB
"""


class RabbitMQ:
    """One RabbitMQ node on the loopback, which may be killed and started again with what it had on disk."""

    def __init__(self, folder: Path, port: int, distribution_port: int, epmd_port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"amqp://guest:guest@127.0.0.1:{port}//"
        self._distribution_port = distribution_port
        self._epmd_port = epmd_port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the node and wait until it takes connections."""
        (self.folder / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port))
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "env.conf").touch()
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [str(SERVER)],
                cwd=self.folder,
                env=self._environment(),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        end = time.monotonic() + 90
        while not self._answers():
            output_so_far = (self.folder / "output").read_text(errors="replace")
            assert self._process.poll() is None, f"RabbitMQ has ended:\n{output_so_far}"
            assert time.monotonic() < end, f"RabbitMQ does not start:\n{output_so_far}"
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        """The process id of the node."""
        assert self._process is not None, "not started"
        return self._beam(self._process.pid)

    def kill(self) -> None:
        """End the node as a power cut would."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """End the node in order, and its port mapper."""
        self._signal(signal.SIGTERM)
        if (epmd := shutil.which("epmd")) is not None:
            subprocess.run([epmd, "-kill"], env=self._environment(), capture_output=True, check=False)

    def clear(self) -> None:
        """Delete every queue; connections that consume them see it as a cancellation."""
        control = [str(SERVER.with_name("rabbitmqctl")), "-n", f"funcatron{self.port}@localhost"]
        expression = '[rabbit_amqqueue:delete(Q, false, false, <<"tests">>) || Q <- rabbit_amqqueue:list()].'
        subprocess.run([*control, "eval", expression], env=self._environment(), capture_output=True, check=True)

    def _signal(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            os.kill(self._beam(process.pid), number)
        process.wait(60)

    def _beam(self, fallback: int) -> int:
        file = self.folder / "pid"
        return int(file.read_text()) if file.exists() else fallback

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                connection.settimeout(5)
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        quiet = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"funcatron{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "env.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "generated"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {{127,0,0,1}} {quiet}",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP": str(self.folder / "erl_crash.dump"),
        }


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


@pytest.fixture(scope="session")
def rabbitmq(
    tmp_path_factory: pytest.TempPathFactory,
    free_port: Callable[[], int],
    required_in_ci: Callable[[str], NoReturn],
) -> Iterator[RabbitMQ]:
    """A running RabbitMQ for all tests that ask; skips at a desk that has none, fails in CI."""
    if not SERVER.exists():
        required_in_ci("rabbitmq-server is not installed (apt-get install rabbitmq-server)")
    node = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"), free_port(), free_port(), free_port())
    try:
        node.start()
        yield node
    finally:
        node.stop()


@pytest.fixture(scope="session")
def redis(
    tmp_path_factory: pytest.TempPathFactory,
    free_port: Callable[[], int],
    required_in_ci: Callable[[str], NoReturn],
) -> Iterator[str]:
    """The URL of a running Redis; skips at a desk that has none, fails in CI."""
    server = shutil.which("redis-server")
    if server is None:
        required_in_ci("redis-server is not installed (apt-get install redis-server)")
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    command = [server, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        end = time.monotonic() + 20
        while not _listens(port):
            assert process.poll() is None, (folder / "output").read_text()
            assert time.monotonic() < end, "Redis does not start"
            time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
