"""Celery's own command line: workers, inspection, result backends, pools."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import ask

Site = Any
SPEC = str(Path(__file__).parent / "site" / "openapi.yaml")
CALL = {"name": "tried.note", "queue": "funcatron"}

WAITING_CLIENT = """
import json, sys
from celery import Celery
app = Celery(broker=sys.argv[1], backend=sys.argv[2])
app.conf.broker_transport = "funcatron_celery.sqlite:Transport"
good = app.send_task("tried.note", kwargs={"body": {"n": 4}}, queue="funcatron")
bad = app.send_task("tried.note", kwargs={"body": {"n": "x"}}, queue="funcatron")
again = app.send_task("tried.behave", kwargs={"how": "raise", "times": 1}, queue="funcatron")
print(json.dumps([good.get(timeout=20), str(bad.get(timeout=20, propagate=False)), again.get(timeout=20)]))
"""


def celery(site: Site, *arguments: str, until: Callable[..., Any]) -> subprocess.Popen[bytes]:
    """Start ``celery -A funcatron_celery.app worker`` and wait until it is ready."""
    site.settings["FUNCATRON_SPEC"] = SPEC
    process: subprocess.Popen[bytes] = site.command(
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "celery",
        "-A",
        "funcatron_celery.app",
        "worker",
        "-l",
        "INFO",
        *arguments,
        name="celery.log",
    )
    until(lambda: " ready." in site.log("celery.log") or process.poll() is not None, "celery to be ready")
    assert process.poll() is None, site.log("celery.log")
    return process


def test_celerys_own_command_starts_a_worker(site: Site, until: Callable[..., Any]) -> None:
    process = celery(site, until=until)
    (task,) = site.send({**CALL, "kwargs": {"body": {"n": 1}}})
    assert site.ended(task).state == "succeeded"
    assert "tried.behave" in site.log("celery.log"), "the banner lists the functions as tasks"
    assert site.stop(process) == 0


def test_celery_inspect_sees_the_worker_and_its_tasks(site: Site, until: Callable[..., Any]) -> None:
    celery(site, "-n", "w1@here", until=until)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "celery", "-A", "funcatron_celery.app", "inspect", "registered", "-j"],
        env=site.environment(),
        cwd=site.folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert {"tried.note", "tried.anote"} <= set(json.loads(done.stdout)["w1@here"])


def test_the_prefork_pool_is_refused_where_it_would_hang(site: Site) -> None:
    site.settings["FUNCATRON_SPEC"] = SPEC
    site.settings["FUNCATRON_POOL"] = "prefork"
    process = site.command(
        sys.executable, "-W", "ignore", "-m", "celery", "-A", "funcatron_celery.app", "worker", name="celery.log"
    )
    assert process.wait(30) != 0
    assert "the prefork pool cannot be used with sqlite://" in site.log("celery.log")


def test_without_documents_it_says_which_setting_is_missing(site: Site) -> None:
    process = site.command(
        sys.executable, "-W", "ignore", "-m", "celery", "-A", "funcatron_celery.app", "worker", name="celery.log"
    )
    assert process.wait(30) != 0
    assert "set FUNCATRON_SPEC" in site.log("celery.log")


def test_threads_run_executions_side_by_side(site: Site, until: Callable[..., Any]) -> None:
    site.settings["FUNCATRON_POOL"] = "threads"
    site.settings["FUNCATRON_CONCURRENCY"] = "4"
    celery(site, until=until)
    tasks = site.send(*({**CALL, "kwargs": {"body": {"n": n, "sleep": 0.5}}} for n in range(4)))
    records = [site.ended(task) for task in tasks]
    assert {record.state for record in records} == {"succeeded"}
    assert max(r.started_at for r in records) < min(r.ended_at for r in records)


def test_results_reach_a_celery_client_that_waits_for_them(site: Site) -> None:
    backend = f"file://{site.folder}/results"
    site.folder.joinpath("results").mkdir()
    site.settings["FUNCATRON_RESULT_BACKEND"] = backend
    site.start("run")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WAITING_CLIENT, site.broker, backend],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    good, bad, again = json.loads(done.stdout)
    assert good == {"n": 4}
    assert "400 Invalid input: /body/n" in bad
    assert again == {"attempt": 2}, "the result of the retry, not of the first attempt"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_celery_worker_that_dies_loses_nothing(site: Site, until: Callable[..., Any], number: int) -> None:
    process = celery(site, until=until)
    bodies = ({"n": 0, "sleep": 4}, {"n": 1})  # long enough to be in mid-run on a busy machine too
    first, second = site.send(*({**CALL, "kwargs": {"body": body}} for body in bodies))
    until(lambda: site.traces(), "the first to run")
    os.kill(process.pid, number)
    process.wait()
    celery(site, until=until)
    assert [site.ended(each).state for each in (first, second)] == ["succeeded", "succeeded"]
    assert site.ended(first).attempt == 2
    assert site.ended(second).attempt == 1


def test_a_call_that_was_revoked_is_cancelled_on_record(site: Site, until: Callable[..., Any]) -> None:
    server = site.start("serve")
    execution = ask("POST", f"{site.url}/note", json={"n": 1}).json()["id"]
    site.stop(server)
    celery(site, "-Q", "nothing", "-n", "w1@here", until=until)
    control = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "funcatron_celery.app", "control"]
    for command in (["revoke", execution], ["add_consumer", "funcatron"]):
        done = subprocess.run(
            [*control, *command], env=site.environment(), cwd=site.folder, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
    assert site.ended(execution).state == "cancelled"
    (after,) = site.send({**CALL, "kwargs": {"body": {"n": 2}}})
    assert site.ended(after).state == "succeeded"
    assert [trace["n"] for trace in site.traces()] == [2]
