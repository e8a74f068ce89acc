"""The disk is full, the store is locked, the broker is away, the network swallows, the clock jumps.

Each time: a clear error or a patient yes at the door, a log line that says what is wrong, recovery without a restart,
nothing lost and nothing stuck.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.integration.running import ask
from tests.integration.surroundings import BlackHole, Clock, fill, small_disk

Site = Any
Until = Callable[..., Any]
HOUR = 3600.0


def post(site: Site, n: int, **body: Any) -> httpx.Response:
    return ask("POST", f"{site.url}/note", json={"n": n, **body})


def accepted(site: Site, n: int, **body: Any) -> str:
    answer = post(site, n, **body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def check_refusal(answer: httpx.Response) -> None:
    """A 503 that says when to come again."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["status"] == 503
    assert "/" not in answer.json()["detail"], "where the store is, is for the log"


@pytest.fixture
def on_a_small_disk(site: Site) -> Iterator[Site]:
    with small_disk(site.folder / "data", "4m") as mounted:
        if not mounted:
            pytest.skip("file systems may not be mounted here")
        yield site
        site.close()


def test_a_full_disk_refuses_and_recovers(on_a_small_disk: Site, until: Until) -> None:
    site = on_a_small_disk
    site.start("run")
    ids = [accepted(site, n) for n in range(5)]
    assert {site.ended(each).state for each in ids} == {"succeeded"}  # so the worker is up before the disk is full
    ballast = fill(site.folder / "data")
    for n in range(5, 2000):  # the log of the file may have room for some
        answer = post(site, n)
        if answer.status_code != 202:
            break
        ids.append(answer.json()["id"])
    check_refusal(answer)
    until(lambda: "the disk is full: free some space" in site.log(), "the log to say so")
    ballast.unlink()
    until(lambda: post(site, 5000).status_code == 202, "calls to be taken again")
    assert {site.ended(each).state for each in ids} == {"succeeded"}
    assert "is started again" not in site.log()


def test_a_locked_store_refuses_and_recovers(site: Site, until: Until) -> None:
    site.start("run")
    ids = [accepted(site, 1)]
    site.ended(ids[0])
    with closing(sqlite3.connect(site.file, isolation_level=None)) as hanging:
        hanging.execute("begin immediate")
        check_refusal(post(site, 2))
        hanging.execute("rollback")
    ids += [accepted(site, n) for n in range(3, 6)]
    assert {site.ended(each).state for each in ids} == {"succeeded"}
    assert "another process keeps it locked" in site.log()


def test_a_data_folder_that_is_away_refuses_and_recovers(site: Site, until: Until) -> None:
    site.start("run")
    ids = [accepted(site, 1)]
    site.ended(ids[0])
    data, away = site.folder / "data", site.folder / "away"
    data.rename(away)
    data.touch()  # so that nobody makes it anew
    check_refusal(post(site, 2))
    data.unlink()
    away.rename(data)
    ids += [accepted(site, n) for n in range(3, 6)]
    assert {site.ended(each).state for each in ids} == {"succeeded"}
    shutil.rmtree(data)
    assert site.ended(accepted(site, 6)).state == "succeeded", "what is deleted is made anew"
    assert "is started again" not in site.log()


@pytest.mark.service
def test_a_broker_that_is_away_at_the_start_is_waited_for(site: Site, own_rabbitmq: Any, until: Until) -> None:
    own_rabbitmq.kill()
    site.broker = site.settings["FUNCATRON_BROKER"] = own_rabbitmq.url
    site.command(*site_command(site))
    until(lambda: answers(site), "HTTP to be served")
    ids = [accepted(site, n) for n in range(5)]
    own_rabbitmq.start()
    assert {site.ended(each).state for each in ids} == {"succeeded"}
    assert "publishing to the broker failed, what is on record is published later" in site.log()


@pytest.mark.service
def test_a_network_that_swallows_loses_nothing(
    site: Site, vhost: str, until: Until, free_port: Callable[[], int]
) -> None:
    target, port = urlsplit(vhost).port, free_port()
    assert target is not None
    with closing(BlackHole(port, target)) as hole:
        site.broker = site.settings["FUNCATRON_BROKER"] = vhost.replace(f":{target}/", f":{port}/")
        site.start("run")
        ids = [accepted(site, 0)]
        site.ended(ids[0])
        hole.swallow()
        ids += [accepted(site, n) for n in range(1, 4)]
        hole.pass_on()
        ids += [accepted(site, n) for n in range(4, 7)]
        states = {until(lambda each=each: ended(site, each), f"{each} to end", 90) for each in ids}
        assert states == {"succeeded"}
        site.close()


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
def test_a_clock_that_jumps_an_hour_loses_nothing(site: Site, tmp_path: Path, ahead: float) -> None:
    with closing(Clock(tmp_path / "clock")) as clock:
        site.settings.update(clock.environment)
        site.settings["PYTHONPATH"] += os.pathsep + str(Path(site.spec).parent)
        site.start("run")
        ids = [accepted(site, 0)]
        site.ended(ids[0])
        ids.append(accepted(site, 1, sleep=1.5))
        clock.set(ahead)
        ids += [accepted(site, n) for n in range(2, 12)]
        records = [site.ended(each) for each in ids]
        clock.set(0.0)
        records += [site.ended(accepted(site, n)) for n in range(12, 22)]
        assert {record.state for record in records} == {"succeeded"}
        runs = [(trace["n"], trace["attempt"]) for trace in site.traces()]
        assert len(runs) == len(set(runs)), "whatever ran again says so"
        site.close()


def site_command(site: Site) -> list[str]:
    return [sys.executable, "-m", "funcatron.cli", "run", site.spec]


def answers(site: Site) -> bool:
    try:
        return bool(ask("GET", f"{site.url}/_funcatron/health/live").status_code == 200)
    except httpx.TransportError:
        return False


def ended(site: Site, execution_id: str) -> str | None:
    record = site.store.get(execution_id)
    return record.state if record is not None and record.ended else None
