"""The conformance functions through real doors: other processes, real HTTP, a real broker file.

What tests/conformance shows in one process is shown here of ``funcatron run``: HTTP answered now and later, a Celery
client and a kombu producer that know nothing of funcatron. The handler sees the same arguments, and the call comes to
the same, through each of them. The clock's door is in test_ticks.py, when it has ticked.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.calling import CASES, LATER, Calls, Doors, Outcome
from tests.integration.running import until

AT_ONCE = {"functions.parameters"}
"""Functions that take a cookie: HTTP answers them now, whatever a client prefers, for no record may keep it."""


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{n}-{case[0]}-{case[2]}" for n, case in enumerate(CASES)])
def test_the_same_on_every_door(real_calls: list[Calls], number: int) -> None:
    function, _, status = CASES[number]
    made = real_calls[number]
    assert set(made) == {"http", *LATER}
    reference = made["http"]
    assert reference.outcome.status == status
    for door, call in made.items():
        assert call.outcome == reference.outcome, f"{door} came to something else"
        given = [line["arguments"] for line in call.seen]
        assert given[-1:] == [line["arguments"] for line in reference.seen[-1:]], f"{door} gave something else"
        assert all(again == given[0] for again in given), "each attempt is given the same"
        trigger = "http" if door == "async" and function in AT_ONCE else door
        assert {(line["function"], line["trigger"]) for line in call.seen} <= {(function, trigger)}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{n}-{case[0]}-{case[2]}" for n, case in enumerate(CASES)])
def test_the_records_tell(real_calls: list[Calls], number: int) -> None:
    function, _, status = CASES[number]
    invalid = status == 400 and function != "functions.refuse"
    for door, call in real_calls[number].items():
        if call.record is None:
            assert door == "http" or (door == "async" and (invalid or function in AT_ONCE))
            continue
        state = "succeeded" if status < 400 else "failed"
        assert (call.record["function"], call.record["trigger"], call.record["state"]) == (function, door, state)
        attempts = [line["attempt"] for line in call.seen]
        if invalid:
            assert (call.record["failure"], attempts) == ("invalid", [])
        elif status >= 500 and function != "functions.slow_async":  # which may not be tried again
            assert attempts == [1, 2, 3]
            assert call.record["attempt"] == 3
        else:
            assert attempts == [call.record["attempt"]] == [1]


def test_what_asks_to_be_tried_again(real_calls: list[Calls]) -> None:
    made = real_calls[len(CASES)]
    assert made["http"].outcome.status == 503
    for door in LATER:
        assert made[door].outcome == Outcome(200, {"key": "k"})
        assert [line["attempt"] for line in made[door].seen] == [1, 2, 3]


def test_services_end_on_every_door(real_calls: list[Calls], real_doors: Doors) -> None:
    noted = [json.loads(line) for line in (real_doors.program.folder / "seen").read_text().splitlines()]
    used = [line["arguments"]["outcome"] for line in noted if line.get("function") == "functions.with_service"]
    ends = [line["ledger"] for line in noted if "ledger" in line]
    assert used.count("good") >= 4
    assert used.count("bad") >= 4
    assert (ends.count("committed"), ends.count("rolled back")) == (used.count("good"), used.count("bad"))


@pytest.mark.parametrize("form", ["structured", "binary"])
def test_a_cloud_event_on_the_queue(real_doors: Doors, form: str) -> None:
    order = {"name": "tea", "count": 3}
    attributes = {"specversion": "1.0", "id": f"event-{form}", "source": "/shop", "type": "com.example.order"}
    message: dict[str, Any] = {"id": f"{form}", "queue": "calls.functions.body"}
    if form == "structured":
        message |= {"content_type": "application/cloudevents+json", "body": {**attributes, "data": order}}
    else:
        message |= {"headers": {f"cloudEvents_{name}": value for name, value in attributes.items()}, "body": order}

    def records() -> list[dict[str, Any]]:
        return real_doors.program.executions(function="functions.body", trigger="queue")

    plain = {"id": f"behind-{form}", "queue": "calls.functions.body", "body": order}
    for each in (message, message, plain):
        real_doors.producer.say(each)
    until(lambda: [r for r in records() if r["event_id"] == plain["id"]], "the message behind them")
    (event,) = (r for r in records() if (r["event_source"], r["event_id"]) == ("/shop", attributes["id"]))
    call = real_doors.ended(event["id"])
    assert call.outcome == Outcome(201, order)
    assert [line["arguments"] for line in call.seen] == [{"body": order}]
