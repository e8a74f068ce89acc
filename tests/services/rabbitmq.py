"""A private RabbitMQ: on ports and in a folder of its own, gone with the tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from tests.services.sharing import common_folder, shared

__all__ = ["SERVER", "RabbitMQ", "rabbitmq", "rabbitmq_is_here"]

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The server itself: /usr/sbin has a wrapper that changes the user."""

VHOSTS = 40
"""Virtual hosts of the node that tests share: each takes one that is empty, and leaves what it likes there. They cost
next to nothing (0.05 s) in the definitions of a node that starts, and a second each by rabbitmqctl, as would deleting
queues."""

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
loopback_users = none
disk_free_limit.absolute = 50MB
load_definitions = {definitions}
"""


class RabbitMQ:
    """One RabbitMQ node on the loopback, which may be killed and started again with what it had on disk."""

    def __init__(self, folder: Path, port: int, distribution_port: int, epmd_port: int, *, vhosts: int = 0) -> None:
        self.folder = folder
        self.port = port
        self.url = f"amqp://guest:guest@127.0.0.1:{port}//"
        self._distribution_port = distribution_port
        self._epmd_port = epmd_port
        self._vhosts = vhosts
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the node and wait until it takes connections."""
        definitions = self.folder / "definitions.json"
        definitions.write_text(json.dumps(self._definitions()))
        (self.folder / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port, definitions=definitions))
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
        end = time.monotonic() + 180
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

    def vhost(self) -> str:
        """Return the URL of a virtual host that nobody has used, in whatever process."""
        for number in range(self._vhosts):
            try:
                (self.folder / f"test{number}-is-taken").touch(exist_ok=False)
            except FileExistsError:
                continue
            return f"{self.url.removesuffix('//')}/test{number}"
        raise AssertionError(f"all {self._vhosts} virtual hosts are taken: see VHOSTS")

    def _definitions(self) -> dict[str, list[dict[str, str]]]:
        vhosts = ["/", *(f"test{number}" for number in range(self._vhosts))]
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        return {
            "users": [{"name": "guest", "password": "guest", "tags": "administrator"}],
            "vhosts": [{"name": name} for name in vhosts],
            "permissions": [{"user": "guest", "vhost": name, **everything} for name in vhosts],
        }

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


@pytest.fixture(scope="session")
def rabbitmq_is_here(required_in_ci: Callable[[str], NoReturn]) -> None:
    """Skip at a desk that has no RabbitMQ, fail in CI."""
    if not SERVER.exists():
        required_in_ci("rabbitmq-server is not installed (apt-get install rabbitmq-server)")


@pytest.fixture(scope="session")
def rabbitmq(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int], rabbitmq_is_here: None
) -> Iterator[RabbitMQ]:
    """A running RabbitMQ for all tests that ask, in whatever process: each takes a ``vhost()``."""

    @contextmanager
    def started() -> Iterator[tuple[str, int, int, int]]:
        ports = (free_port(), free_port(), free_port())
        folder = tmp_path_factory.mktemp("rabbitmq")
        node = RabbitMQ(folder, *ports, vhosts=VHOSTS)
        try:
            node.start()
            yield (str(folder), *ports)
        finally:
            node.stop()

    with shared(common_folder(tmp_path_factory) / "shared-rabbitmq", started()) as (folder, *ports):
        yield RabbitMQ(Path(folder), *ports, vhosts=VHOSTS)
