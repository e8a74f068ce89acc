"""The command line as people use it: real processes, real ports, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.running import ask

SHOP = Path(__file__).parents[2] / "openapi" / "examples" / "shop" / "openapi.yaml"
ORDER = {"customer": "ada@example.com", "lines": [{"sku": "TEA-001", "quantity": 1}, {"sku": "CUP-001", "quantity": 1}]}


class Serving:
    """A ``funcatron`` that serves, in a folder of its own."""

    def __init__(self, folder: Path, arguments: Sequence[str], url: str, environ: dict[str, str]) -> None:
        self.folder, self.url = folder, url
        self.environ = {**os.environ, **environ, "PYTHONUNBUFFERED": "1"}
        self.log = folder / f"{arguments[0]}.log"
        command = [sys.executable, "-m", "funcatron.cli", *arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=self.environ, stdout=log, stderr=log, process_group=0
            )

    def wait_for(self, condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, f"{what} within {seconds} s\n{self.log.read_text()}"
            assert self.process.poll() is None, f"ended while waiting for {what}\n{self.log.read_text()}"
            time.sleep(0.05)
        return found

    def ready(self, times: int = 1) -> None:
        self.wait_for(lambda: self.log.read_text().count("Ctrl-C ends it.") >= times, "ready")

    def interrupt(self) -> int:
        """End it as Ctrl-C in a terminal does: SIGINT to the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(60)

    def executions(self, *arguments: str) -> Any:
        code, out, err = self.funcatron("executions", *arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    def funcatron(self, *arguments: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "funcatron.cli", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def ended(self, execution_id: str) -> Any:
        """Wait for the end of an execution, and return it as the command line shows it."""
        url = f"{self.url}/_funcatron/executions/{execution_id}"
        self.wait_for(lambda: ask("GET", url).json()["ended_at"], "the end of the execution")
        return self.executions("show", execution_id)


Start = Callable[..., Any]


@pytest.fixture
def start(tmp_path: Path, free_port: Callable[[], int]) -> Start:
    @contextmanager
    def starting(*arguments: str, ready: bool = True, **environ: str) -> Iterator[Serving]:
        port = free_port()
        http = ("--port", str(port)) if arguments[0] in ("run", "serve") else ()
        serving = Serving(tmp_path, [*arguments, *http], f"http://127.0.0.1:{port}", environ)
        try:
            if ready:
                serving.ready()
            yield serving
        finally:
            if serving.process.poll() is None:
                os.killpg(serving.process.pid, signal.SIGKILL)
                serving.process.wait()

    return starting


def order(url: str) -> str:
    created = ask("POST", f"{url}/shop/orders", json=ORDER)
    assert created.status_code == 201, created.text
    identity: str = created.json()["id"]
    return identity


def fulfil(url: str, order_id: str, **headers: str) -> httpx.Response:
    return ask("POST", f"{url}/shop/orders/{order_id}/fulfilment", json={"carrier": "bike"}, headers=headers)


def test_the_shop(start: Start) -> None:
    with start("run", str(SHOP)) as shop:
        assert ask("GET", f"{shop.url}/shop/items", params={"limit": 2}).json()["next"] == "COF-002"
        assert "swagger" in ask("GET", f"{shop.url}/shop/ui", follow_redirects=True).text.lower()
        assert ask("GET", f"{shop.url}/shop/openapi.json").json()["info"]["title"] == "A small shop"

        order_id = order(shop.url)
        accepted = fulfil(shop.url, order_id)
        assert accepted.status_code == 202
        ended = shop.ended(accepted.json()["id"])
        assert (ended["state"], ended["attempt"]) == ("succeeded", 1)
        assert ended["result"]["order"] == order_id
        assert ended["progress"] == {"done": 2, "total": 2, "note": "picked CUP-001"}
        assert [line["message"] for line in shop.executions("logs", ended["id"])] == [
            "picking 1 x TEA-001",
            "picking 1 x CUP-001",
        ]
        assert ask("GET", f"{shop.url}/shop/orders/{order_id}").json()["state"] == "shipped"

        waited = fulfil(shop.url, order_id, Prefer="wait=20")
        assert (waited.status_code, waited.json()) == (200, ended["result"])

        unknown = fulfil(shop.url, "01890a5d-ac96-774b-bcce-b302099a8057")
        assert shop.ended(unknown.json()["id"])["state"] == "failed"
        (failed,) = shop.executions("list", "--state", "failed", "--url", shop.url)
        assert failed["problem"]["status"] == 404
        (again,) = shop.executions("redrive", failed["id"], "--url", shop.url)
        assert (again["id"], again["state"]) == (failed["id"], "queued")
        assert shop.ended(failed["id"])["problem"]["status"] == 404

        assert shop.executions("show", ended["id"], "--url", shop.url)["state"] == "succeeded"
        assert len(shop.executions("logs", ended["id"], "--url", shop.url)) == 2
        code, out, err = shop.funcatron("executions", "result", ended["id"], "--url", shop.url)
        assert (code, json.loads(out)) == (0, ended["result"])
        code, out, err = shop.funcatron("executions", "result", failed["id"], "--url", shop.url)
        assert (code, out, json.loads(err)["status"]) == (1, "", 404)
        code, out, err = shop.funcatron("executions", "cancel", ended["id"], "--url", shop.url)
        assert (code, out) == (1, "")
        assert err.startswith(f"{ended['id']}: ")

        assert shop.interrupt() == 0
        shown = shop.log.read_text()
        assert "POST /shop/orders/{orderId}/fulfilment" in shown
        assert f"{shop.url}/shop/ui" in shown
        assert "Traceback" not in shown


def test_ctrl_c_lets_what_runs_come_to_its_end(start: Start) -> None:
    with start("run", str(SHOP)) as shop:
        execution_id = fulfil(shop.url, order(shop.url)).json()["id"]
        shop.wait_for(lambda: "picking 1 x TEA-001" in shop.log.read_text(), "running")
        assert shop.interrupt() == 0
        assert shop.executions("show", execution_id)["state"] == "succeeded"


def test_the_parts_alone(start: Start) -> None:
    with start("serve", str(SHOP)) as http, start("triggers", str(SHOP)) as triggers:
        execution_id = fulfil(http.url, order(http.url)).json()["id"]
        assert http.executions("show", execution_id)["state"] == "queued"
        with start("worker", str(SHOP)) as worker:
            assert http.ended(execution_id)["state"] == "succeeded"
            assert [part.interrupt() for part in (worker, triggers, http)] == [0, 0, 0]


def test_a_port_that_is_taken(start: Start) -> None:
    with start("serve", str(SHOP)) as first:
        port = first.url.rpartition(":")[2]
        command = [sys.executable, "-m", "funcatron.cli", "run", str(SHOP), "--port", port]
        done = subprocess.run(command, cwd=first.folder, capture_output=True, text=True, check=False, timeout=30)
        assert (done.returncode, done.stdout) == (1, "")
        taken = f"cannot listen on 127.0.0.1:{port}: Address already in use; another port: --port, FUNCATRON_PORT"
        assert done.stderr == f"Error: {taken}\n"


def test_a_control_token(start: Start) -> None:
    with start("serve", str(SHOP), "--host", "0.0.0.0", FUNCATRON_CONTROL_TOKEN="s3cret") as shop:
        assert shop.executions("list", "--url", shop.url) == []
        code, _, err = shop.funcatron("executions", "list", "--url", shop.url, "--token", "other")
        assert code == 1
        assert "give the server's control token with --token" in err
        assert "s3cret" not in shop.log.read_text()


def test_mocks(start: Start, tmp_path: Path) -> None:
    copy = tmp_path / "mocked.yaml"
    copy.write_text(
        SHOP.read_text().replace("operationId: shop.", "operationId: not_there.").replace("mode: async", "")
    )
    with start("run", str(copy), "--mock", "missing") as shop:
        assert ask("GET", f"{shop.url}/shop/items/TEA-009").json()["name"] == "Darjeeling First Flush"
        shipped = fulfil(shop.url, "01890a5d-ac96-774b-bcce-b302099a8057", Prefer="respond-async, wait=20")
        assert shipped.json()["tracking"] == "BIKE-01890A5D"
        assert shop.interrupt() == 0


HELLO = """\
openapi: 3.0.3
info: {title: Hello, version: "1"}
paths:
  /hello:
    get: {operationId: hello.greet, responses: {"200": {description: fine}}}
"""


def test_reload(start: Start, tmp_path: Path) -> None:
    (tmp_path / "hello.yaml").write_text(HELLO)
    (tmp_path / "hello.py").write_text("def greet(): return 'first'\n")
    with start("run", "hello.yaml", "--reload") as hello:
        assert ask("GET", f"{hello.url}/hello").text == "first"
        (tmp_path / "hello.py").write_text("def greet(): return 'a second'\n")
        hello.ready(times=2)
        assert ask("GET", f"{hello.url}/hello").text == "a second"

        (tmp_path / "hello.yaml").write_text(HELLO.replace("hello.greet", "hello.nothing"))
        hello.wait_for(lambda: "has no 'nothing'" in hello.log.read_text(), "the mistake")
        (tmp_path / "hello.yaml").write_text(HELLO.replace("/hello:", "/hi:"))
        hello.ready(times=3)
        assert ask("GET", f"{hello.url}/hi").text == "a second"
        assert hello.interrupt() == 0


def test_new_runs(start: Start, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "funcatron.cli", "new", "hello"], cwd=tmp_path, check=True, capture_output=True
    )
    with start("run", "hello/openapi.yaml") as hello:
        assert ask("GET", f"{hello.url}/greetings/Ada", params={"times": 2}).json() == {
            "greeting": "Hello, Ada! Hello, Ada!"
        }
        accepted = ask("POST", f"{hello.url}/letters", json={"to": "Ada", "lines": ["How are you?"]})
        assert hello.ended(accepted.json()["id"])["result"] == {"letter": "Dear Ada,\nHow are you?"}
