"""Large bodies up and down through a real server in a process of its own, and how much memory that took it.

``python -m tests.integration.large --size 2048`` (MiB; ``make large``) shows it for 2 GiB.
"""

from __future__ import annotations

import argparse
import http.client
import os
import resource
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tests.served import uvicorn

__all__ = ["BOUNDARY", "HEAD", "MIB", "Server", "call", "serving", "transfers"]

MIB = 1024 * 1024
APP = """
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

from starlette.responses import FileResponse

from funcatron.testing import application

FILE = Path(os.environ["LARGE_FILE"])
BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
FORM = {"content": {"multipart/form-data": {"schema": {
    "type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}}}}
ANSWER = {"responses": {"200": {"description": ""}}, "x-funcatron": {"timeout": 3600}}

async def arriving(body: AsyncIterator[bytes]):
    return sum([len(piece) async for piece in body])

def blocking(body: Iterator[bytes]):
    return sum(len(piece) for piece in body)

def stored(body: BinaryIO):
    return body.seek(0, os.SEEK_END)

def form(file):
    return file.size

def download():
    return FileResponse(FILE)

async def generated():
    with FILE.open("rb") as file:
        while piece := file.read(65536):
            yield piece

handlers = {f.__name__: f for f in (arriving, blocking, stored, form, download, generated)}
paths = {f"/{name}": {"post": {"operationId": name, "requestBody": BYTES, **ANSWER}}
         for name in ("arriving", "blocking", "stored")}
paths |= {"/form": {"post": {"operationId": "form", "requestBody": FORM, **ANSWER}}}
paths |= {f"/{name}": {"get": {"operationId": name, "responses": {"200": {"description": "", **BYTES}}}}
          for name in ("download", "generated")}
app = application({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths},
                  handlers=handlers, max_upload=8 * 2**30)
"""
BOUNDARY = b"a-boundary"
HEAD = b'--%b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' % BOUNDARY
TAIL = b"\r\n--%b--\r\n" % BOUNDARY


class Server(NamedTuple):
    """A uvicorn that serves the application above, and the sparse file that it offers."""

    port: int
    pid: int
    file: Path

    def peak(self) -> int:
        """Return the most memory that it ever had, in bytes."""
        return self._status("VmHWM:")

    def memory(self) -> int:
        """Return the memory that it has, in bytes."""
        return self._status("VmRSS:")

    def _status(self, name: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition(name)[2].split()[0]) * 1024

    def cpu(self) -> float:
        """Return the processor time that it has used, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(folder: Path, size: int, port: int) -> Iterator[Server]:
    """Serve a file of ``size`` bytes, and take bodies."""
    file = folder / "large.bin"
    with file.open("wb") as sparse:
        sparse.truncate(size)
    with uvicorn(folder, "large_app", APP, port, LARGE_FILE=str(file)) as process:
        yield Server(port, process.pid, file)


def call(
    port: int, method: str, path: str, body: BinaryIO | Iterator[bytes] | None = None, **headers: str
) -> tuple[int, bytes]:
    """Make a request; return its status and the end of its answer's body, whose bytes are counted before."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120, blocksize=256 * 1024)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        size, last = 0, b""
        while piece := answer.read(256 * 1024):
            size, last = size + len(piece), piece
        return answer.status, last if size < 1000 else b"%d" % size
    finally:
        connection.close()


def _form(file: BinaryIO) -> Iterator[bytes]:
    yield HEAD
    while piece := file.read(256 * 1024):
        yield piece
    yield TAIL


def transfers(server: Server) -> Iterator[tuple[str, float]]:
    """Send the file in every way there is and fetch it in every way there is; yield each with its processor time."""
    size = server.file.stat().st_size
    ways: list[tuple[str, Callable[[BinaryIO], tuple[int, bytes]]]] = [
        (kind, lambda file, kind=kind: call(  # type: ignore[misc]
            server.port, "POST", f"/{kind}", file, Content_Type="application/octet-stream", Content_Length=str(size)
        ))
        for kind in ("arriving", "blocking", "stored")
    ]  # fmt: skip
    ways += [
        ("form", lambda file: call(
            server.port, "POST", "/form", _form(file),
            Content_Type=f"multipart/form-data; boundary={BOUNDARY.decode()}",
        )),
        ("download", lambda _: call(server.port, "GET", "/download")),
        ("generated", lambda _: call(server.port, "GET", "/generated")),
    ]  # fmt: skip
    for name, transfer in ways:
        before = server.cpu()
        with server.file.open("rb") as file:
            status, answer = transfer(file)
        if (status, answer) != (200, b"%d" % size):
            raise AssertionError(f"{name}: {status} {answer!r}")
        yield name, server.cpu() - before


def main() -> None:
    """Show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2048, help="MiB")
    size = parser.parse_args().size * MIB
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), size, port) as server:
        print(f"before: peak {server.peak() / MIB:.0f} MiB")
        started = time.monotonic()
        for name, cpu in transfers(server):
            print(f"{name:10} {size / MIB:.0f} MiB: {cpu:.1f} s CPU; peak {server.peak() / MIB:.0f} MiB", flush=True)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        print(f"all in {time.monotonic() - started:.0f} s (the client used {own:.0f} s CPU)")


if __name__ == "__main__":
    main()
