"""A private Redis: on a port and in a folder of its own, gone with the tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

__all__ = ["redis"]


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
