"""Concurrency, order and fairness over several workers that die: proved by the handlers, from the inside."""

from __future__ import annotations

import json
import os
import random
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

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


@pytest.mark.slow
def test_no_more_than_its_concurrency_run_at_a_time(gated: Site, until: Until) -> None:
    gated.start("run", "--workers", "3")
    with httpx.Client(base_url=gated.url) as http:
        for n in range(100):
            for path in ("/narrow", "/wide"):
                assert http.post(path, json={"n": n}).status_code == 202
            if gated.kills and n in (20, 50, 80):
                kill_a_worker(gated, until)
    all_ended(gated, 200, until)
    assert gated.states() == {"succeeded": 200}
    notes = gated.traces()
    assert not [each for each in notes if "crowded" in each]
    done = {(each["function"], each["n"]) for each in notes}
    assert len(done) == 200
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
    events = moved(shuffled(20, 20))
    if not gated.kills:
        events = [{**each, "subject": f"t{each['subject']}"} for each in events]
    with httpx.Client(base_url=gated.url, timeout=PATIENCE) as http:
        for begin in range(0, len(events), 100):
            batch = json.dumps(events[begin : begin + 100])
            answer = http.post(EVENTS, content=batch, headers={"content-type": "application/cloudevents-batch+json"})
            assert answer.status_code == 202, answer.text
    all_ended(gated, 400, until)
    assert gated.states() == {"succeeded": 380, "failed": 20}
    notes = gated.traces()
    assert not [each for each in notes if "crowded" in each]
    runs: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for each in notes:
        runs[each["subject"]].append((each["n"], each["attempt"]))
    assert len(runs) == 20
    for subject, seen in runs.items():
        assert seen == sorted(seen), f"{subject} was out of order"
        assert {n for n, _ in seen} == set(range(20))
        assert max(attempt for n, attempt in seen if n % 6 == 2) >= 3
    assert len({each["worker"] for each in notes}) >= 2
