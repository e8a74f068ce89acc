"""Programs that answer each line with a line: one process serves many tests, for starting one takes a second."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import environment

__all__ = ["CeleryClient", "Talk", "celery_client", "talking"]

HERE = Path(__file__).parent / "doors"


class Talk:
    """A program that answers each line with a line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def say(self, message: Any) -> str:
        """Say it as JSON; returns the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer, "it has ended"
        return answer


@contextmanager
def talking(script: str, *arguments: str, folder: Path) -> Iterator[Talk]:
    """Run a script of the folder ``doors`` in a folder of the tests' own."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(HERE / script), *arguments], cwd=folder, env=environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        yield Talk(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


class CeleryClient:
    """A process with nothing but Celery: it knows the names of tasks and the URL of a broker."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    def send(self, broker: str, calls: Sequence[dict[str, Any]]) -> list[str]:
        """Call tasks: each ``name`` with what else ``send_task`` takes. Returns the task ids."""
        ids: list[str] = json.loads(self._talk.say([broker, calls]))
        return ids


@pytest.fixture(scope="session")
def celery_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CeleryClient]:
    """A client for every application of these tests; it connects anew for each."""
    with talking("celery_client.py", folder=tmp_path_factory.mktemp("client")) as talk:
        yield CeleryClient(talk)
