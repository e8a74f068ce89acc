"""What surrounds an application, made to fail: a disk that is full, a network that swallows, a clock that jumps."""

from __future__ import annotations

import contextlib
import errno
import mmap
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

__all__ = ["BlackHole", "Clock", "Passage", "fill", "small_disk"]

CLOCK = """
import mmap, os, struct, time
with open(os.environ["TESTS_CLOCK"], "rb") as file:
    _ahead = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
_real = time.time
time.time = lambda: _real() + struct.unpack("d", _ahead[:8])[0]
"""
"""The sitecustomize module of processes whose wall clock the tests set; their monotonic clock is the kernel's."""


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[bool]:
    """Mount a file system of this size there; gives False where that is not allowed."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill the disk to its last byte; returns the file to delete."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (65536, 1024, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size):
                    pass
    return ballast


class Passage:
    """A TCP proxy that may be closed: who is connected is cut off, who comes is refused."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._listening: socket.socket | None = None
        self._sockets: list[socket.socket] = []
        self.open()

    def open(self) -> None:
        """Let everybody pass."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def close(self) -> None:
        """Let nobody pass."""
        listening, self._listening = self._listening, None
        sockets, self._sockets = self._sockets, []
        for each in (*sockets, *([listening] if listening else [])):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class BlackHole:
    """A TCP proxy that may swallow: connections stay open and are accepted, and nothing passes."""

    def __init__(self, port: int, target: int) -> None:
        self._target = target
        self._passing = threading.Event()
        self._passing.set()
        self._listening = socket.create_server(("127.0.0.1", port))
        self._sockets: list[socket.socket] = [self._listening]
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow(self) -> None:
        """Let nothing pass."""
        self._passing.clear()

    def pass_on(self) -> None:
        """Let everything pass, also what was held."""
        self._passing.set()

    def close(self) -> None:
        """Drop everything."""
        self._passing.set()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._passing.wait()
                sink.sendall(data)
        except OSError as error:
            if error.errno not in {errno.EBADF, errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN}:
                raise
        finally:
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_RDWR)


class Clock:
    """The wall clock of processes started with ``environment``: ahead of the true one by what is set."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(CLOCK)
        file = folder / "ahead"
        file.write_bytes(bytes(8))
        self._file = file.open("r+b")
        self._ahead = mmap.mmap(self._file.fileno(), 8)
        self.environment = {"TESTS_CLOCK": str(file), "PYTHONPATH": str(folder)}

    def set(self, ahead: float) -> None:
        """Jump: to so many seconds ahead of the true time."""
        self._ahead[:8] = struct.pack("d", ahead)

    def close(self) -> None:
        """Close the file."""
        self._ahead.close()
        self._file.close()
