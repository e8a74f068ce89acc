"""Handlers that do what they must not: each call ends in the right status or state, and everything else lives on.

Every call is made over HTTP twice: to be answered at once, and to be run by a worker.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.running import Program, ask, environment, running, until

DOCUMENT = Path(__file__).parent / "bad" / "openapi.yaml"
SECRET = "the secret reason"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Program]:
    """One server and one worker for all of it; in the end Ctrl-C ends them, whatever was left behind in them."""
    folder = tmp_path_factory.mktemp("bad")
    with running("run", DOCUMENT, "--shutdown-timeout", "20", folder=folder, port=free_port()) as program:
        yield program


@pytest.fixture
def server(served: Program) -> Iterator[Program]:
    with served.watched():
        yield served
        assert served.http.get("/well").status_code == 200, "the server lives on"
        assert later(served, "/well")["state"] == "succeeded", "the worker lives on"


def later(server: Program, path: str) -> dict[str, Any]:
    accepted = server.http.get(path, headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202, accepted.text
    return server.ended(accepted.json()["id"])


FAILED = "failed; the log has the reason under this execution"
TIMED_OUT = "did not end in its time"
NOT_JSON = "the answer does not serialise: "
EXITED = "asked the process to exit; only this call was ended"
A_TUPLE = "a tuple must be (value, status), (value, headers) or (value, status, headers)"

FAILURES = [
    ("/call/sleep", 504, "timeout", TIMED_OUT),
    ("/call/spin", 504, "timeout", TIMED_OUT),
    ("/call/fail", 500, "handler", FAILED),
    ("/call/recurse", 500, "handler", FAILED),
    ("/call/nested", 500, "handler", NOT_JSON + "the value is nested too deeply"),
    ("/call/assert", 500, "handler", FAILED),
    ("/call/memory", 500, "handler", FAILED),
    ("/call/odd", 500, "handler", FAILED),
    ("/call/interrupt", 500, "handler", FAILED),
    ("/call/close", 500, "handler", FAILED),
    ("/call/cancel", 500, "handler", FAILED),
    ("/call/stop", 500, "handler", FAILED),
    ("/call/stop-async", 500, "handler", FAILED),
    ("/call/timeout", 500, "handler", FAILED),
    ("/call/object", 500, "handler", NOT_JSON + "/at/0: object does not serialise as JSON"),
    ("/call/cycle", 500, "handler", "holds itself"),
    ("/call/keys", 500, "handler", NOT_JSON),
    ("/call/surrogate", 500, "handler", "lone surrogate"),
    ("/call/four", 500, "handler", A_TUPLE),
    ("/call/words", 500, "handler", "'OK' is not an HTTP status"),
    ("/call/far", 500, "handler", "999 is not an HTTP status"),
    ("/call/header", 500, "handler", "the header X-A has a line break"),
    ("/call/coroutine", 500, "handler", "declare it with async def"),
    ("/call/exit", 500, "handler", EXITED),
    ("/call/quit", 500, "handler", EXITED),
    ("/promise", 500, "handler", "the answer does not fit the document's 200 response: /body/n: must be an integer"),
    ("/await/sleep", 504, "timeout", TIMED_OUT),
    ("/await/fail", 500, "handler", FAILED),
    ("/await/recurse", 500, "handler", FAILED),
    ("/await/odd", 500, "handler", FAILED),
    ("/await/interrupt", 500, "handler", FAILED),
    ("/await/cancel", 500, "handler", FAILED),
    ("/await/stop", 500, "handler", FAILED),
    ("/await/object", 500, "handler", NOT_JSON + "/at/0: object does not serialise as JSON"),
    ("/await/coroutine", 500, "handler", NOT_JSON),
    ("/await/exit", 500, "handler", EXITED),
]


@pytest.mark.parametrize(("path", "status", "failure", "says"), FAILURES, ids=[path for path, *_ in FAILURES])
def test_it_fails(server: Program, path: str, status: int, failure: str, says: str) -> None:
    function = {"call": "bad.call", "await": "bad.wait_for", "promise": "bad.promise"}[path.split("/")[1]]
    answer = server.http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem = answer.json()
    assert problem["status"] == status
    assert function in problem["detail"]
    assert says in problem["detail"]
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    assert f"execution {problem['execution']}" in server.output(), "the log has it"

    record = later(server, path)
    assert (record["state"], record["failure"], record["attempt"]) == ("failed", failure, 2)
    assert record["problem"] == {**problem, "execution": record["id"]}
    assert f"execution {record['id']}" in server.output()
    result = server.http.get(record["links"]["result"])
    assert (result.status_code, result.json()) == (status, record["problem"])


def test_the_log_has_the_traceback(server: Program) -> None:
    before = server.output().count(f"ValueError: {SECRET}")
    assert server.http.get("/call/fail").status_code == 500
    assert server.output().count(f"ValueError: {SECRET}") == before + 1
    assert 'bad.py", line' in server.output()


@pytest.mark.parametrize("how", ["os-exit", "kill", "segfault"])
def test_it_takes_its_process_along(server: Program, how: str) -> None:
    with pytest.raises(httpx.TransportError):
        ask("GET", f"{server.url}/crash/{how}")
    assert ask("GET", f"{server.url}/well").status_code == 200, "another process is in its place"

    record = later(server, f"/crash/{how}")
    assert (record["state"], record["failure"], record["attempt"]) == ("failed", "lost", 2)
    assert record["problem"]["status"] == 500
    assert "was lost in mid-run" in record["problem"]["detail"]
    said = {"os-exit": "ended with code 3", "kill": "was killed by signal 9", "segfault": "was killed by signal 11"}
    assert f"http-1 {said[how]}" in server.output()
    assert server.output().count(f"worker-1 {said[how]}") >= 2


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/call/shout", "said"),
        ("/call/leak", "leaked"),
        ("/call/thread", "the thread failed alone"),
        ("/await/forget", "forgotten"),
        ("/await/stubborn", "in the end"),  # who does not let himself be cancelled has the last word
        ("/await/block", None),
    ],
)
def test_it_ends_well(server: Program, path: str, value: Any) -> None:
    answer = server.http.get(path)
    assert answer.status_code == (204 if value is None else 200), answer.text
    assert value is None or answer.json() == value
    record = later(server, path)
    assert (record["state"], record["result"]) == ("succeeded", value)
    if path == "/call/shout":
        assert "to stdout: grüezi" in server.output()
        assert server.output().count("to stderr\n") >= 2000


def test_it_goes_elsewhere(server: Program) -> None:
    """The working directory belongs to the whole process: records and messages stay where they are."""
    elsewhere = server.http.get("/call/wander").json()
    assert later(server, "/call/wander")["result"] == elsewhere
    for path in ("/call/fail", "/well", "/crash/os-exit"):  # the last one starts a worker anew
        assert later(server, path)["ended_at"]
    assert not (Path(elsewhere) / ".funcatron").exists()


@pytest.mark.parametrize("kind", ["fast", "slow"])
def test_it_never_ends(server: Program, kind: str) -> None:
    def threads() -> int:
        count: int = server.http.get("/well").json()["threads"]
        return count

    before = threads()
    for _ in range(5):
        with httpx.stream("GET", f"{server.url}/endless/{kind}", timeout=60, verify=False) as answer:
            assert answer.status_code == 200
            chunks = answer.iter_bytes()
            assert all(set(next(chunks)) == {ord("x")} for _ in range(3))
    until(lambda: threads() <= before + 2, "the generators to end with their clients")

    record = later(server, f"/endless/{kind}")
    assert (record["state"], record["attempt"]) == ("failed", 2)
    if kind == "fast":
        assert record["problem"]["status"] == 500
        assert "larger than" in record["problem"]["detail"]
    else:
        assert (record["failure"], record["problem"]["status"]) == ("timeout", 504)


def test_a_body_of_the_wrong_type(server: Program) -> None:
    for headers in ({}, {"Prefer": "respond-async"}):
        for body, pointer in (([1], "/body"), ("text", "/body"), ({"n": "seven"}, "/body/n"), ({}, "/body/n")):
            answer = server.http.post("/body", json=body, headers=headers)
            assert answer.status_code == 400, answer.text
            assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_a_huge_body(server: Program) -> None:
    huge = {"n": 1, "text": "x" * 300_000}
    assert server.http.post("/body", json=huge).json() == {"n": 1}
    answer = server.http.post("/body", json=huge, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.json()["limit"]) == (413, 262_144)
    assert "FUNCATRON_MAX_MESSAGE" in answer.json()["detail"]
    answer = server.http.post("/body", json={"n": 1, "text": "x" * 17_000_000})
    assert (answer.status_code, answer.json()["limit"]) == (413, 16_777_216)


CLIENT = """
import json, sys
from celery import Celery
client = Celery("client", broker=sys.argv[1])
client.conf.broker_transport = "funcatron_celery.sqlite:Transport"
print(json.dumps([client.send_task(name, kwargs=kwargs).id for name, kwargs in json.load(sys.stdin)]))
"""


def test_what_a_celery_client_gets_wrong(server: Program) -> None:
    calls = [
        ("bad.nothing", {"n": 1}),
        ("bad.body", {"body": [1]}),
        ("bad.body", {"body": {"n": 1}, "more": 2}),
        ("bad.body", {}),
        ("bad.body", {"body": {"n": 1}}),
    ]
    broker = f"sqlite:///{server.folder / '.funcatron' / 'funcatron.db'}"
    sent = subprocess.run(
        [sys.executable, "-c", CLIENT, broker], input=json.dumps(calls), env=environment(), cwd=server.folder,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    ids = json.loads(sent.stdout)
    until(lambda: server.http.get(f"/_funcatron/executions/{ids[-1]}").status_code == 200, "the last call")
    unknown, *wrong, well = [server.ended(identity) for identity in ids]
    assert (unknown["state"], unknown["failure"], unknown["problem"]["status"]) == ("failed", "infrastructure", 404)
    assert "bad.nothing" in unknown["problem"]["detail"]
    assert {(record["state"], record["failure"], record["attempt"]) for record in wrong} == {("failed", "invalid", 0)}
    pointers = [[error["pointer"] for error in record["problem"]["errors"]] for record in wrong]
    assert pointers == [["/body"], ["/more"], ["/body"]]
    assert (well["state"], well["result"], well["trigger"]) == ("succeeded", {"n": 1}, "celery")
