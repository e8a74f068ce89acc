"""Processes that a benchmark starts, on ports of their own, and always ends."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.benchmarks.machine import pinned

__all__ = [
    "ROOT",
    "BenchmarkError",
    "accepts",
    "answer_of",
    "environment",
    "free_port",
    "python",
    "started",
    "wait_until",
]

ROOT = Path(__file__).parents[2]
PORTS = range(20_000, 32_768)  # below the range from which the kernel takes the ports of outgoing connections
PATIENCE = 60.0
"""Seconds that a process may take to start, or to do what it was asked for."""


class BenchmarkError(Exception):
    """A benchmark that cannot be trusted: a process that failed, an answer that is wrong."""


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this repository with this Python."""
    return [sys.executable, "-m", module, *arguments]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for children: this repository is importable, settings of funcatron are not inherited."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FUNCATRON_")}
    return {**kept, "PYTHONPATH": str(ROOT), **(extra or {})}


@contextmanager
def started(
    command: Sequence[str], *, folder: Path, extra: Mapping[str, str] | None = None, place: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in ``folder`` while the context lasts; its output is in ``<folder>/<program>-<n>.log``."""
    log = folder / f"{Path(command[0]).name}-{len(list(folder.glob('*.log')))}.log"
    with log.open("wb") as output, pinned(place):
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(extra),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield process
        if process.poll() is not None:
            raise BenchmarkError(f"{' '.join(command)} has ended ({process.returncode})")
    except BenchmarkError as error:
        if process.poll() is not None:
            error.add_note(log.read_text(errors="replace")[-2000:])
        raise
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end; kill it, and whatever is left of its session, if it does not."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def answer_of(
    command: Sequence[str], *, folder: Path, extra: Mapping[str, str] | None = None, place: int | None = None
) -> bytes:
    """Run a program to its end and return what it wrote; raises BenchmarkError where it fails."""
    with pinned(place):
        done = subprocess.run(
            command, cwd=folder, env=environment(extra), capture_output=True, check=False, timeout=PATIENCE * 10
        )
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def wait_until(true: Callable[[], bool], what: str, process: subprocess.Popen[bytes], *, pause: float = 0.02) -> None:
    """Wait for what a process is to bring about; raises BenchmarkError saying ``what`` did not come."""
    end = time.monotonic() + PATIENCE
    while not true():
        if process.poll() is not None:
            raise BenchmarkError(f"{what}: the process has ended ({process.returncode})")
        if time.monotonic() > end:
            raise BenchmarkError(f"{what}: not within {PATIENCE:g} s")
        time.sleep(pause)


def accepts(port: int) -> bool:
    """Whether something listens on a port of the loopback."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def free_port() -> int:
    """Return a port of the loopback that nobody uses."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
