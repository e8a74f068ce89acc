"""Workers on the embedded broker: real processes, a real Celery client, every way a handler can go wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.running import ask

Site = Any
CALL = {"name": "tried.note", "queue": "funcatron"}


def test_a_plain_celery_client_gets_validation_execution_and_record(site: Site) -> None:
    site.start("worker")
    good, bad, positional, unknown = site.send(
        {**CALL, "kwargs": {"body": {"n": 7}}},
        {**CALL, "kwargs": {"body": {"n": "seven"}}},
        {**CALL, "args": [{"n": 7}]},
        {"name": "tried.nothing", "queue": "funcatron", "kwargs": {"a": 1}},
    )
    record = site.ended(good)
    assert (record.state, record.attempt, record.trigger) == ("succeeded", 1, "celery")
    assert record.result.body == {"n": 7}
    assert record.input == {"body": {"n": 7}}
    refused = site.ended(bad)
    assert (refused.state, refused.failure, refused.problem["status"]) == ("failed", "invalid", 400)
    assert refused.problem["errors"][0]["pointer"] == "/body/n"
    refused = site.ended(positional)
    assert (refused.state, refused.failure) == ("failed", "invalid")
    assert "keyword arguments" in refused.problem["detail"]
    refused = site.ended(unknown)
    assert (refused.state, refused.failure) == ("failed", "infrastructure")
    assert "tried.nothing" in refused.problem["detail"]
    (letter,) = site.dead("funcatron")
    assert letter["headers"]["x-funcatron-reason"] == "unknown-function"
    (trace,) = site.traces()
    assert trace["main"], "sync handlers run in the main thread, where their time limit can interrupt them"


def test_a_client_that_names_no_queue_is_heard_on_the_embedded_broker(site: Site) -> None:
    site.start("worker")
    (task,) = site.send({"name": "tried.note", "kwargs": {"body": {"n": 1}}})
    assert site.ended(task).state == "succeeded"


def test_queues_of_functions_are_consumed_and_async_handlers_share_a_loop(site: Site) -> None:
    site.start("worker")
    tasks = site.send(*({"name": "tried.anote", "queue": "other", "kwargs": {"body": {"n": n}}} for n in range(5)))
    assert {site.ended(task).state for task in tasks} == {"succeeded"}
    assert len({trace["loop"] for trace in site.traces()}) == 1


@pytest.mark.parametrize(
    ("how", "times", "state", "attempt", "failure", "says"),
    [
        ("well", 1, "succeeded", 1, None, ""),
        ("raise", 1, "succeeded", 2, None, ""),
        ("raise", 9, "failed", 3, "handler", "tried.behave failed"),
        ("refuse", 9, "failed", 1, "handler", "taken"),
        ("again", 1, "succeeded", 2, None, ""),
        ("again", 9, "failed", 3, "handler", "not yet"),
        ("unserialisable", 9, "failed", 3, "handler", "object"),
        ("exit", 9, "failed", 3, "handler", "asked the process to exit"),
        ("sleep", 1, "succeeded", 2, None, ""),
        ("sleep", 9, "failed", 3, "timeout", "did not end in its time"),
        ("spin", 1, "succeeded", 2, None, ""),
        ("os_exit", 1, "succeeded", 2, None, ""),
        ("os_exit", 9, "failed", 3, "lost", "was lost in mid-run"),
        ("kill", 1, "succeeded", 2, None, ""),
        ("segfault", 9, "failed", 3, "lost", "was lost in mid-run"),
    ],
)
def test_every_way_to_misbehave_ends_in_the_right_state(
    worker_site: Site, how: str, times: int, state: str, attempt: int, failure: str | None, says: str
) -> None:
    (task,) = worker_site.send({"name": "tried.behave", "queue": "funcatron", "kwargs": {"how": how, "times": times}})
    record = worker_site.ended(task)
    assert (record.state, record.attempt, record.failure) == (state, attempt, failure)
    assert says in str(record.problem)
    runs = [trace["attempt"] for trace in worker_site.traces() if trace.get("id") == task]
    assert runs == list(range(1, attempt + 1))
    (after,) = worker_site.send({**CALL, "kwargs": {"body": {"n": 1}}})
    assert worker_site.ended(after).state == "succeeded", "the worker lives on"


def test_a_handler_that_no_signal_reaches_is_killed_at_the_hard_limit(site: Site) -> None:
    site.start("run", "--workers", "2")
    (task,) = site.send({"name": "tried.behave", "queue": "funcatron", "kwargs": {"how": "stuck", "times": 1}})
    record = site.ended(task)
    assert (record.state, record.attempt) == ("succeeded", 2)
    assert "runs past its time limit and is killed; where it is stuck" in site.log()
    assert "tried.py" in site.log(), "the traceback says where it was stuck"


def test_http_accepts_and_workers_run_and_ctrl_c_ends_everything_with_zero(site: Site) -> None:
    process = site.start("run")
    answer = ask("POST", f"{site.url}/note", json={"n": 3})
    assert answer.status_code == 202
    record = site.ended(answer.json()["id"])
    assert (record.state, record.result.body, record.trigger) == ("succeeded", {"n": 3}, "async")
    pids = [pid for role in ("http", "worker", "triggers") for pid in site.children(role)]
    assert len(pids) == 3
    assert site.stop(process, signal.SIGINT) == 0
    assert [pid for role in ("http", "worker", "triggers") for pid in site.children(role)] == []


def test_what_was_accepted_while_no_worker_ran_is_run_after_a_restart(site: Site) -> None:
    server = site.start("serve")
    ids = [ask("POST", f"{site.url}/note", json={"n": n}).json()["id"] for n in range(20)]
    assert site.stop(server) == 0
    site.start("worker")
    assert {site.ended(each).state for each in ids} == {"succeeded"}
    assert sorted(trace["n"] for trace in site.traces()) == list(range(20))


def test_running_work_is_finished_and_no_other_begun_when_a_worker_is_told_to_stop(site: Site) -> None:
    process = site.start("worker")
    first, second = site.send(*({**CALL, "kwargs": {"body": {"n": n, "sleep": 1}}} for n in (1, 2)))
    until_traced(site, 1)
    assert site.stop(process) == 0
    assert site.store.get(first).state == "succeeded"
    assert site.store.get(second) is None or site.store.get(second).state == "queued"
    site.start("worker")
    assert site.ended(second).state == "succeeded"
    assert len(site.traces()) == 2


def test_children_die_with_a_supervisor_that_is_killed(site: Site, until: Callable[..., Any]) -> None:
    process = site.start("run", "--workers", "2", "--processes", "2")
    pids = [pid for role in ("http", "worker", "triggers") for pid in site.children(role)]
    assert len(pids) == 5
    process.kill()
    process.wait()
    until(lambda: not any(site.children(role) for role in ("http", "worker", "triggers")), "all children to die")


def until_traced(site: Site, count: int) -> None:
    end = time.monotonic() + 20
    while len(site.traces()) < count:
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def worker_site(tmp_path_factory: pytest.TempPathFactory, make_site: Callable[[Any], Any]) -> Any:
    """One application with two workers, shared by the tests that misbehave."""
    made = make_site(tmp_path_factory.mktemp("workers"))
    made.start("run", "--workers", "2")
    yield made
    made.close()


@pytest.mark.parametrize("name", ["tried.note", "tried.anote"])
def test_a_running_handler_is_interrupted_when_its_execution_is_cancelled(
    site: Site, name: str, until: Callable[..., Any]
) -> None:
    site.start("run")
    path = name.partition(".")[2]
    execution = ask("POST", f"{site.url}/{path}", json={"n": 1, "sleep": 95}).json()["id"]
    control = f"{site.url}/_funcatron/executions/{execution}"
    until(lambda: ask("GET", control).json()["state"] == "running", "it to run")
    assert ask("POST", f"{control}/cancel").json()["state"] == "cancelled"
    after = ask("POST", f"{site.url}/{path}", json={"n": 2}).json()["id"]
    assert site.ended(after).state == "succeeded", "the worker does not sit out what was cancelled"
    assert site.store.get(execution).state == "cancelled"
    assert "is started again" not in site.log(), "no process was killed for it"


def test_a_killed_http_process_refuses_no_connection(site: Site, until: Callable[..., Any]) -> None:
    site.start("run")
    (first,) = site.children("http")
    os.kill(first, signal.SIGKILL)
    assert ask("POST", f"{site.url}/note", json={"n": 1}).status_code == 202
    assert site.children("http") != [first]
