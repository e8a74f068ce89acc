"""funcatron as a program: started in processes of its own, waited for, drained with Ctrl-C.

Every test of the programs asks them over HTTP, as a client does. What a program has written is printed when a test
that uses it ends, so a test that fails shows it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
import pytest

__all__ = ["SHOP", "Program", "ShopInParts", "ask", "children_of", "environment", "running", "shop_in_parts", "until"]

T = TypeVar("T")

LIBC = ctypes.CDLL(None)

SHOP = Path(__file__).parents[2] / "openapi" / "examples" / "shop" / "openapi.yaml"
PATIENCE = 120.0
"""Seconds that anything may take: the machine may be busy. Nothing waits longer than for its condition."""
READY = "Ctrl-C ends it."


def until(condition: Callable[[], T | None], what: str, *, patience: float = PATIENCE, pause: float = 0.02) -> T:
    """Return what ``condition`` returns once it is true; fails, saying ``what``, after ``patience`` seconds."""
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {patience:g} s in vain for {what}"
        time.sleep(pause)
    return found


def ask(method: str, url: str, **request: Any) -> httpx.Response:
    """Send one request on a connection of its own. What httpx does without being told, to read all the certificates
    of the world for each, takes the time of many requests.
    """
    return httpx.request(method, url, timeout=PATIENCE, verify=False, **request)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment for programs: settings of funcatron are not inherited."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FUNCATRON_", "SHOP_"))}
    return {**kept, "PYTHONUNBUFFERED": "1", **(extra or {})}


def die_with_the_tests() -> None:
    """Have the kernel kill this process when the one that runs the tests is gone, however that ends."""
    LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def children_of(pid: int) -> list[int]:
    """Return the ids of the living child processes of ``pid``."""
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class Program:
    """One started ``funcatron``: its process, its output, and a client of its HTTP."""

    def __init__(self, arguments: Sequence[str], folder: Path, port: int | None, extra: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = port or 9  # the discard port: a part without HTTP is asked for nothing
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE, verify=False)
        self.log = folder / f"{arguments[0]}-{len(list(folder.glob('*.log')))}.log"
        command = [sys.executable, "-m", "funcatron.cli", *arguments]
        command += ["--port", str(port)] if port else []
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment(extra), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_the_tests,
            )  # fmt: skip

    def output(self) -> str:
        """Return everything that it and its children have written."""
        return self.log.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        """Wait until all of its processes serve."""
        until(lambda: READY in self.output() or self.process.poll() is not None, f"{self.log.name} to be ready")
        assert self.process.poll() is None, f"it has ended with code {self.process.returncode}:\n{self.output()}"

    def children(self) -> list[int]:
        """Return the ids of its processes, the supervisor's own left out."""
        return children_of(self.process.pid)

    def interrupt(self) -> None:
        """Send SIGINT to the process group in the foreground, as a terminal does on Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def drain(self) -> str:
        """Press Ctrl-C; returns the whole output. It must exit with 0 and leave no process behind."""
        if self.process.poll() is None:
            before = self.children()
            self.interrupt()
            try:
                code = self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"Ctrl-C did not end it within {PATIENCE:g} s:\n{self.output()}") from None
            assert code == 0, f"the exit code is {code}:\n{self.output()}"
            left = [pid for pid in before if Path(f"/proc/{pid}/exe").exists()]
            assert not left, f"processes {left} are left:\n{self.output()}"
        return self.output()

    def kill(self) -> None:
        """End it and its children at once."""
        for pid in [*self.children(), self.process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def execution(self, execution_id: str) -> dict[str, Any]:
        """Return a record, as the control API shows it."""
        answer = self.http.get(f"/_funcatron/executions/{execution_id}")
        assert answer.status_code == 200, answer.text
        record: dict[str, Any] = answer.json()
        return record

    def ended(self, execution_id: str, *, patience: float = PATIENCE) -> dict[str, Any]:
        """Wait for the end of an execution and return its record."""

        def found() -> dict[str, Any] | None:
            record = self.execution(execution_id)
            return record if record["ended_at"] else None

        return until(found, f"the end of {execution_id}", patience=patience)

    def executions(self, **query: Any) -> list[dict[str, Any]]:
        """Return all records that a query of ``GET /executions`` names, page by page."""
        found: list[dict[str, Any]] = []
        marker: str | None = None
        while True:
            page = self.http.get("/_funcatron/executions", params={"limit": 1000, **query, "marker": marker} if marker
                                 else {"limit": 1000, **query})  # fmt: skip
            assert page.status_code == 200, page.text
            found += page.json()["executions"]
            marker = page.json()["next"]
            if marker is None:
                return found

    @contextmanager
    def watched(self) -> Iterator[Program]:
        """Print, at the end, what it has written meanwhile."""
        begin = len(self.output())
        try:
            yield self
        finally:
            print(self.output()[begin:])


@contextmanager
def running(
    part: str, *arguments: str | Path, folder: Path, port: int | None = None, extra: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Start ``funcatron PART`` in ``folder``, wait until it serves, drain it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    program = Program([part, *map(str, arguments)], folder, port, extra or {})
    try:
        program.wait_until_ready()
        yield program
        program.drain()
    finally:
        program.http.close()
        if program.process.poll() is None:
            program.kill()


class ShopInParts(NamedTuple):
    """The shop's parts, each started alone, on one store; ``since`` is when all of them served."""

    http: Program
    worker: Program
    clocks: tuple[Program, Program]
    since: float


@pytest.fixture(scope="session")
def shop_in_parts(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[ShopInParts]:
    """The shop with two clocks. They tick once a minute: who waits for that is asked last."""
    folder = tmp_path_factory.mktemp("parts")
    with ExitStack() as stack:
        http = stack.enter_context(running("serve", SHOP, folder=folder, port=free_port()))
        worker = stack.enter_context(running("worker", SHOP, folder=folder))
        first, second = (stack.enter_context(running("triggers", SHOP, folder=folder)) for _ in range(2))
        yield ShopInParts(http, worker, (first, second), time.time())
