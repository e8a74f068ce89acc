"""An application behind uvicorn's own command line, in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.running import die_with_the_tests, until

__all__ = ["uvicorn"]


@contextmanager
def uvicorn(
    folder: Path, name: str, app: str, port: int, *, quiet: bool = True, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Serve the ``app`` of a module's text from ``folder``, where the server's ``log`` is: empty in the end if
    ``quiet``. It must end cleanly when it is asked to.
    """
    (folder / f"{name}.py").write_text(app)
    command = [sys.executable, "-W", "error", "-m", "uvicorn", f"{name}:app", "--port", str(port)]
    command += ["--log-level", "warning"]
    surroundings = {**os.environ, "PYTHONPATH": str(folder), "TMPDIR": str(folder), **environment}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=surroundings, stderr=log, preexec_fn=die_with_the_tests)
        try:
            until(lambda: _listens(port, process), "the server listens")
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) in (0, -signal.SIGINT)
    assert not quiet or (folder / "log").read_text() == ""


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
