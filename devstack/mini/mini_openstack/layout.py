"""Where one stack keeps its files, and on which ports it listens."""

from __future__ import annotations

import json
import os
import socket
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

from mini_openstack.errors import MiniError

__all__ = ["CACHE", "DEFAULT", "Layout", "Ports"]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "funcatron-mini"
"""What every stack of this user shares: the environment with the programs, and Keystone's first database."""
DEFAULT = CACHE / "stack"

BASES = range(21_000, 32_000, 100)
"""First ports to try. All lie below the range from which the kernel takes the ports of outgoing connections: a client
that calls a server which is not up yet could otherwise be given the server's own port.
"""


@dataclass(frozen=True)
class Ports:
    """The ports of one stack, all on 127.0.0.1."""

    object: int
    container: int
    account: int
    proxy: int
    keystone: int
    rabbitmq: int
    distribution: int
    epmd: int
    aodh: int

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """Return the ports from ``base`` on, in a row."""
        return cls(*range(base, base + len(cls.__dataclass_fields__)))

    @classmethod
    def free(cls, name: str) -> Ports:
        """Return ports on which nobody listens. Raises MiniError where there are none.

        ``name`` says where the search begins, so that two stacks that start at once find different ones.
        """
        first = zlib.crc32(name.encode()) % len(BASES)
        for base in (*BASES[first:], *BASES[:first]):
            ports = cls.from_base(base)
            if not ports.taken():
                return ports
        raise MiniError(f"too few free ports in a row between {BASES.start} and {BASES.stop}")

    def taken(self) -> list[int]:
        """Return those on which somebody listens."""
        return [port for port in asdict(self).values() if _is_taken(port)]


def _is_taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


class Layout:
    """The folder of one stack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()
        self.logs = self.folder / "log"
        self.pids = self.folder / "pids"
        self.swift = self.folder / "swift"
        self.devices = self.folder / "devices"
        self.keystone = self.folder / "keystone"
        self.rabbitmq = self.folder / "rabbitmq"
        self.telemetry = self.folder / "telemetry"
        self.clouds = self.folder / "clouds.yaml"
        self._ports = self.folder / "ports.json"

    def make(self) -> None:
        """Make the folders."""
        for folder in (self.logs, self.pids, self.swift, self.devices / "d1", self.keystone, self.rabbitmq):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def made(self) -> bool:
        """Whether a stack was ever started here."""
        return self._ports.exists()

    def ports(self, base: int | None = None) -> Ports:
        """Return the stack's ports: those of last time, else from ``base``, else free ones.

        Raises MiniError where somebody listens on them.
        """
        if self.made:
            ports = self.known_ports()
            if base is not None and ports != Ports.from_base(base):
                raise MiniError(f"the stack in {self.folder} has other ports; give another --dir, or --fresh")
        else:
            ports = Ports.from_base(base) if base is not None else Ports.free(str(self.folder))
        if taken := ports.taken():
            raise MiniError(f"the ports {', '.join(map(str, taken))} are taken: is the stack up already? Try down")
        self._ports.write_text(json.dumps(asdict(ports)))
        return ports

    def known_ports(self) -> Ports:
        """Return the ports of a stack that was started. Raises MiniError where there is none."""
        if not self.made:
            raise MiniError(f"there is no stack in {self.folder}: start one with devstack/mini/up --dir {self.folder}")
        return Ports.from_base(json.loads(self._ports.read_text())["object"])
