"""Bodies larger than memory should be: what they cost a real server, and what they leave."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.large import BOUNDARY, HEAD, MIB, Server, serving, transfers
from tests.integration.running import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("large")
    with serving(folder, 64 * MIB, free_port()) as server:
        yield server
    left = {path.name for path in folder.iterdir()} - {"__pycache__"}
    assert left == {"large.bin", "large_app.py", "log"}


def test_a_server_does_not_grow_with_what_it_receives_and_sends(server: Server) -> None:
    before = server.peak()
    for name, _ in transfers(server):
        assert server.peak() < 150 * MIB, name
    assert server.peak() - before < 32 * MIB


@pytest.mark.parametrize("kind", ["stored", "form"])
def test_of_a_client_that_goes_away_in_mid_upload_nothing_stays(server: Server, kind: str) -> None:
    form = kind == "form"
    typed = b"multipart/form-data; boundary=" + BOUNDARY if form else b"application/octet-stream"
    head = b"POST /%b HTTP/1.1\r\nHost: test\r\nContent-Type: %b\r\n" % (kind.encode(), typed)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % (64 * MIB) + HEAD * form + bytes(3 * MIB))
        until(lambda: temporary(server), "the body is on disk")
    until(lambda: not temporary(server), "its file is gone")


def temporary(server: Server) -> list[str]:
    """The open files of the server that have no name any more, or never had one."""
    links = []
    for one in Path(f"/proc/{server.pid}/fd").iterdir():
        with suppress(OSError):
            links.append(str(one.readlink()))
    return [link for link in links if link.startswith(str(server.file.parent)) and link.endswith("(deleted)")]
