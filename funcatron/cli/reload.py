"""``--reload``: the whole server again whenever a document, a handler or a setting is saved."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from watchfiles import Change, DefaultFilter, watch

from funcatron.cli.console import note

__all__ = ["Sources", "run_reloading"]

SUFFIXES = {".py", ".yaml", ".yml", ".json", ".toml"}
DELAY = 200
"""Milliseconds in which changes are one change: an editor writes more than once."""


class Sources(DefaultFilter):
    """Lets through what a server is made of, and nothing that it writes itself."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(ignore_paths=[data_dir.resolve()])

    def __call__(self, change: Change, path: str) -> bool:
        """Return whether this file counts."""
        return Path(path).suffix in SUFFIXES and super().__call__(change, path)


def run_reloading(arguments: Sequence[str], folders: Sequence[Path], sources: Sources, timeout: float) -> int:
    """Run ``funcatron ARGUMENTS`` as a child, and again after each change in ``folders``, until SIGINT or SIGTERM.

    ``timeout`` is how many seconds a child may take to end before it is killed.
    """
    stop = threading.Event()

    def heard(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, heard)
    child = _start(arguments)
    try:
        for changes in watch(
            *folders, watch_filter=sources, stop_event=stop, step=DELAY, rust_timeout=500, raise_interrupt=False
        ):
            note(f"Changed: {', '.join(sorted({Path(path).name for _, path in changes}))}; starting again")
            _end(child, timeout)
            child = _start(arguments)
    finally:
        _end(child, timeout)
    return 0


def _start(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    # In a process group of its own: Ctrl-C reaches us alone, and the child is told once.
    command = [sys.executable, "-m", "funcatron.cli", *arguments]
    return subprocess.Popen(command, process_group=0)  # noqa: S603 - our own program, with the arguments it was given


def _end(child: subprocess.Popen[bytes], timeout: float) -> None:
    child.terminate()
    try:
        child.wait(timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
