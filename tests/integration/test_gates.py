"""Concurrency, order and fairness over several workers that die: proved by the handlers, from the inside."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from funcatron.execution import Execution, new_id
from funcatron.settings import load_settings
from funcatron_celery.publisher import CeleryDispatcher

Site = Any
Until = Callable[..., Any]

GATED = Path(__file__).parent / "gated"
BROKERS = [
    "embedded",
    pytest.param("rabbitmq", marks=pytest.mark.service),
    pytest.param("redis", marks=pytest.mark.service),
]
PATIENCE = 120.0
EVENTS = "/_funcatron/events"


@pytest.fixture(params=BROKERS)
def gated(request: pytest.FixtureRequest, site: Site) -> Iterator[Site]:
    """The application of the folder ``gated``, not started yet, on each broker."""
    site.spec = str(GATED / "openapi.yaml")
    site.settings |= {"PYTHONPATH": str(GATED), "GATED": str(site.folder)}
    site.trace_file = site.folder / "notes"
    site.kills = request.param != "redis"  # a killed worker may take messages of Redis along, for ten minutes
    site.events = {"embedded": (20, 20), "rabbitmq": (8, 12), "redis": (4, 12)}[request.param]
    if request.param != "embedded":
        url = request.getfixturevalue("vhost" if request.param == "rabbitmq" else "redis")
        site.settings["FUNCATRON_BROKER"] = url
    yield site
    if any(process.poll() is None for process in site.processes):
        print(site.log())


def kill_a_worker(site: Site, until: Until) -> None:
    victim = until(lambda: site.children("worker"), "a worker")[0]
    os.kill(victim, signal.SIGKILL)


def all_ended(site: Site, count: int, until: Until) -> None:
    def found() -> bool:
        states = site.states()
        return bool(states["succeeded"] + states["failed"] == count)

    until(found, lambda: f"the end of all: {site.states()}\n{site.log()[-4000:]}", PATIENCE)


def accept(site: Site, queue: str, *functions: str, count: int) -> None:
    """Accept so many executions of each function, as a door does."""
    given = {"data_dir": str(site.file.parent)}
    if "FUNCATRON_BROKER" in site.settings:
        given["broker"] = site.settings["FUNCATRON_BROKER"]
    dispatcher = CeleryDispatcher(load_settings(given, environ={}), site.store)
    made = [
        Execution(
            id=new_id(),
            function=function,
            trigger="async",
            queue=queue,
            input={"body": {"n": n}},
            created_at=time.time(),
        )
        for n in range(count)
        for function in functions
    ]
    try:
        for begin in range(0, len(made), 250):
            dispatcher.submit(made[begin : begin + 250])
    finally:
        dispatcher.stop()


@pytest.mark.slow
def test_no_more_than_its_concurrency_run_at_a_time(gated: Site, until: Until) -> None:
    accept(gated, "funcatron", "gated.narrow", "gated.wide", count=100)
    gated.start("run", "--workers", "3")
    for done in (30, 90, 150) if gated.kills else ():
        until(lambda least=done: gated.states()["succeeded"] >= least, "some to be done", PATIENCE)
        kill_a_worker(gated, until)
    all_ended(gated, 200, until)
    assert gated.states() == {"succeeded": 200}
    notes = gated.traces()
    assert not [each for each in notes if "crowded" in each]
    assert len({(each["function"], each["n"]) for each in notes}) == 200
    assert {each["place"] for each in notes if each["function"] == "wide"} == {0, 1}, "two at a time, and no more"
    assert len({each["worker"] for each in notes}) >= 2


def shuffled(subjects: int, count: int) -> list[tuple[str, int]]:
    """Return (subject, number) of every event: each subject's own in order, the subjects' mixed."""
    names = [f"s{subject}" for subject in range(subjects) for _ in range(count)]
    random.Random(7).shuffle(names)
    seen: dict[str, int] = defaultdict(int)
    made = []
    for name in names:
        made.append((name, seen[name]))
        seen[name] += 1
    return made


def moved(events: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    return [
        {
            "specversion": "1.0", "id": f"{subject}-{n}", "source": "/things", "type": "com.example.moved",
            "subject": subject, "data": {"n": n},
        }
        for subject, n in events
    ]  # fmt: skip


@pytest.mark.slow
def test_events_of_a_subject_run_in_order_whatever_becomes_of_them(gated: Site, until: Until) -> None:
    gated.start("run", "--workers", "3")
    subjects, count = gated.events
    events = moved(shuffled(subjects, count))
    if not gated.kills:
        events = [{**each, "subject": f"t{each['subject']}"} for each in events]
    with httpx.Client(base_url=gated.url, timeout=PATIENCE) as http:
        for begin in range(0, len(events), 100):
            batch = json.dumps(events[begin : begin + 100])
            answer = http.post(EVENTS, content=batch, headers={"content-type": "application/cloudevents-batch+json"})
            assert answer.status_code == 202, answer.text
    all_ended(gated, len(events), until)
    assert gated.states() == {"succeeded": (count - 1) * subjects, "failed": subjects}
    notes = gated.traces()
    assert not [each for each in notes if "crowded" in each]
    runs: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for each in notes:
        runs[each["subject"]].append((each["n"], each["attempt"]))
    assert len(runs) == subjects
    for subject, seen in runs.items():
        assert seen == sorted(seen), f"{subject} was out of order"
        assert {n for n, _ in seen} == set(range(count))
        assert max(attempt for n, attempt in seen if n % 6 == 2) >= 3
    assert len({each["worker"] for each in notes}) >= 2


FLOOD = 5000
FLOOD_OVER_THE_NETWORK = 1500
A_FEW = 25
"""Executions of the flood for which a call of another queue may wait; a worker looks into an empty queue again after
as long as a few of these take."""


@pytest.mark.slow
@pytest.mark.parametrize("gated", BROKERS[:2], indirect=True)
def test_a_flood_on_one_queue_does_not_delay_another(gated: Site, until: Until) -> None:
    gated.settings["FUNCATRON_LOG_LEVEL"] = "warning"
    count = FLOOD_OVER_THE_NETWORK if "FUNCATRON_BROKER" in gated.settings else FLOOD
    accept(gated, "flooded", "gated.flood", count=count)
    gated.start("run", "--workers", "1")

    def of(function: str) -> list[int]:
        return [place for place, each in enumerate(gated.traces()) if each["function"] == function]

    with httpx.Client(base_url=gated.url, timeout=PATIENCE) as http:
        for n in range(3):
            until(lambda at_least=50 * (n + 1): len(of("flood")) >= at_least, "the flood to be under way")
            assert http.post("/beside", json={"n": n}).status_code == 202
            before = len(of("flood"))
            done = until(lambda count=n + 1: of("beside")[count - 1 : count], "the call beside it")
            delay = len([place for place in of("flood") if place < done[0]]) - before
            assert delay <= A_FEW
            assert len(of("flood")) < count, "the flood goes on meanwhile"
