"""``python -m tests.integration.swift_chaos``: uploads while everything around them is killed.

Clients overwrite each other's objects, and somebody without a password pretends to. Meanwhile RabbitMQ is killed for 30
seconds, funcatron with all its processes, and Keystone for 20 seconds. In the end the last version of each object was
seen, each version once, in their order, and nothing that never was.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from funcatron.execution import Execution
from funcatron.ports import ExecutionQuery
from funcatron.store.sqlite import SQLiteStore
from tests.integration.running import until
from tests.integration.uploading import Uploads, uploads
from tests.ports import free_ports
from tests.services.openstack import MINI, OpenStack, Swift, environ_of, mini

CLIENTS = 4
BUS_AWAY, KEYSTONE_AWAY = 30.0, 20.0
TRIGGERS = {"uploads.note": [{"container": "chaos", "poll": 10}]}


class Stack:
    """A stack whose parts may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        sys.path.insert(0, str(MINI))
        from mini_openstack import broker, keystone  # type: ignore[import-not-found]
        from mini_openstack.layout import Layout  # type: ignore[import-not-found]
        from mini_openstack.packages import Programs  # type: ignore[import-not-found]
        from mini_openstack.processes import Processes  # type: ignore[import-not-found]

        self._layout = Layout(folder)
        self._ports = self._layout.known_ports()
        self._processes = Processes(self._layout.pids, self._layout.logs)
        self._start: dict[str, Callable[[], None]] = {
            "rabbitmq": lambda: broker.start(self._layout, self._ports, self._processes),
            "keystone": lambda: keystone.start(self._layout, self._ports, Programs(), self._processes),
        }

    def away(self, name: str, seconds: float) -> None:
        """Kill a part, and start it again after so many seconds."""
        told(f"{name} is killed for {seconds:g} s")
        pid = int((self._layout.pids / name).read_text().split()[0])
        os.killpg(pid, signal.SIGKILL)
        time.sleep(seconds)
        self._start[name]()
        told(f"{name} starts again")


class Traffic:
    """What clients do: ``stored`` are the (name, ETag) of uploads that Swift has taken."""

    def __init__(self, stack: OpenStack, number: int) -> None:
        self._stack = stack
        self._left = iter(range(number))
        self._names = max(1, number // 4)
        self._lock = threading.Lock()
        self.stored: list[tuple[str, str]] = []
        self.number = number
        self.forged = 0
        self.over = threading.Event()

    def upload(self, client: int) -> None:
        """Upload until there is nothing left; each object again and again until Swift has it."""
        swift, drawn = self._stack.swift(), random.Random(client)
        while (number := self._next()) is not None:
            name, content = str(drawn.randrange(self._names)), f"{number}".encode()
            while not self._put(swift, name, content):
                time.sleep(0.5)
            with self._lock:
                self.stored.append((name, hashlib.md5(content).hexdigest()))

    def pretend(self) -> None:
        """Send requests that Swift refuses, about objects that are there and some that are not."""
        swift, drawn = self._stack.swift(), random.Random(0)
        while not self.over.wait(0.3):
            name = drawn.choice(["forged", str(drawn.randrange(self._names))])
            answer = swift.ask(drawn.choice(["PUT", "POST", "DELETE"]), f"chaos/{name}", b"x", anonymous=True)
            assert answer.status_code == 401, answer.status_code
            self.forged += 1

    def _next(self) -> int | None:
        with self._lock:
            return next(self._left, None)

    def _put(self, swift: Swift, name: str, content: bytes) -> bool:
        try:
            return bool(swift.ask("PUT", f"chaos/{name}", content).status_code == 201)
        except Exception as error:  # noqa: BLE001 - whatever the client raises while Keystone is away
            told(f"an upload is tried again: {type(error).__name__}")
            return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Try it; returns 1 where anything is not as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.integration.swift_chaos", description=__doc__)
    parser.add_argument("--uploads", type=int, default=1000, metavar="N", help="how many (1000)")
    options = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="funcatron-swift-chaos-"))
    done = mini("up", folder / "stack")
    if done.returncode:
        print(done.stderr)
        return 1
    try:
        wrong = run_trial(OpenStack(folder / "stack", environ_of(folder / "stack")), options.uploads, folder / "app")
    finally:
        mini("down", folder / "stack", "--delete")
    print("\n".join(wrong) or "Nothing was lost or doubled.")
    return 1 if wrong else 0


def run_trial(stack: OpenStack, number: int, folder: Path) -> list[str]:
    """Run it all and return what was wrong."""
    swift, traffic, parts, port = stack.swift(), Traffic(stack, number), Stack(stack.folder), free_ports()()
    swift.put("chaos")
    with ExitStack() as clients, ThreadPoolExecutor(CLIENTS + 1) as pool:
        clients.callback(traffic.over.set)
        with uploads(stack, folder, port, TRIGGERS) as app:
            until(lambda: "listening to swift" in app.program.output(), "the queue")
            began = time.monotonic()
            working = [pool.submit(traffic.upload, client) for client in range(CLIENTS)]
            working.append(pool.submit(traffic.pretend))
            reach(traffic, 0.15)
            parts.away("rabbitmq", BUS_AWAY)
            reach(traffic, 0.5)
            told("funcatron is killed")
            app.program.kill()
        with uploads(stack, folder, port, TRIGGERS) as app:
            told("funcatron is there again")
            reach(traffic, 0.7)
            parts.away("keystone", KEYSTONE_AWAY)
            for one in working[:-1]:
                one.result()
            took = time.monotonic() - began
            traffic.over.set()
            working[-1].result()
            last = {name: swift.ask("HEAD", f"chaos/{name}").headers["X-Timestamp"] for name, _ in traffic.stored}
            told(f"{len(traffic.stored)} uploads of {len(last)} objects in {took:.0f} s, {traffic.forged} refused")
            until(lambda: seen_last(app) == last, "the last version of each object", patience=180, pause=0.5)
            app.succeeded()
            calls = app.seen("chaos")
            print(app.program.output())
        wrong = list(complaints(traffic, calls, executions(folder)))
    versions = len({line["event"] for line in calls})
    attempts = dict(Counter(line["attempt"] for line in calls))
    told(f"{versions} versions were seen, {len(calls)} calls, attempts {attempts}")
    return wrong


def reach(traffic: Traffic, part: float) -> None:
    until(lambda: len(traffic.stored) >= part * traffic.number, f"{part:.0%} of the uploads", patience=600, pause=0.2)


def seen_last(app: Uploads) -> dict[str, str]:
    return {line["object"]: line["timestamp"] for line in app.seen("chaos")}


def complaints(traffic: Traffic, calls: list[dict[str, Any]], records: list[Execution]) -> Iterator[str]:
    """Yield what is not as promised."""
    states = Counter(record.state for record in records)
    if set(states) != {"succeeded"}:
        yield f"executions are {dict(states)}"
    doubled = [event for event, count in Counter(record.event_id for record in records).items() if count > 1]
    if doubled:
        yield f"{len(doubled)} versions have two executions"
    again = [line for line in calls if line["attempt"] > 1]
    if len(calls) - len(again) > len(records):
        yield f"{len(calls)} calls for {len(records)} executions"
    stored = set(traffic.stored)
    for line in calls:
        if (line["object"], line["etag"]) not in stored:
            yield f"{line['object']} with {line['etag']} was never stored"
    by_object: dict[str, list[str]] = defaultdict(list)
    for line in calls:
        by_object[line["object"]].append(line["timestamp"])
    for name, versions in by_object.items():
        if versions != sorted(versions):
            yield f"the versions of {name} were taken in the order {versions}"


def executions(folder: Path) -> list[Execution]:
    store = SQLiteStore(f"sqlite:///{folder / '.funcatron' / 'funcatron.db'}")
    found: list[Execution] = []
    marker = None
    while True:
        page, marker = store.list(ExecutionQuery(limit=500, marker=marker))
        found += page
        if marker is None:
            store.close()
            return found


def told(what: str) -> None:
    print(time.strftime("%H:%M:%S"), what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
