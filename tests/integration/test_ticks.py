"""What the clock calls. These tests come last, so that a minute has passed since the first of the others."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from tests.integration.calling import ALL, CASES, FLAKY, Calls, Doors, Outcome, by_schedule, tick_of
from tests.integration.running import ShopInParts, until

SCHEDULED = [number for number in range(len(CASES)) if by_schedule(number)]


@pytest.fixture(scope="module", autouse=True)
def _clocks(shop_in_parts: ShopInParts, real_doors: Doors) -> None:
    """Start all clocks before any is waited for: one minute does for all."""


@pytest.mark.parametrize("number", SCHEDULED, ids=[f"{n}-{CASES[n][0]}-{CASES[n][2]}" for n in SCHEDULED])
def test_the_clock_is_a_door_like_the_others(real_calls: list[Calls], real_doors: Doors, number: int) -> None:
    function, _, status = CASES[number]
    call, other = tick_of(real_doors, number), real_calls[number]["celery"]
    assert call.outcome == other.outcome
    assert call.outcome.status == status
    assert [(line["arguments"], line["attempt"]) for line in call.seen] == [
        (line["arguments"], line["attempt"]) for line in other.seen
    ]
    assert {(line["function"], line["trigger"]) for line in call.seen} == {(function, "schedule")}


def test_what_asks_the_clock_to_be_tried_again(real_doors: Doors) -> None:
    call = tick_of(real_doors, ALL.index(FLAKY))
    assert call.outcome == Outcome(200, {"key": "k"})
    assert [line["attempt"] for line in call.seen] == [1, 2, 3]


def test_two_clocks_tick_once(shop_in_parts: ShopInParts) -> None:
    shop = shop_in_parts.http

    def ticks() -> list[dict[str, Any]]:
        found = shop.executions(function="shop.import_prices", trigger="schedule")
        return [r for r in found if datetime.fromisoformat(r["event_id"]).timestamp() > shop_in_parts.since]

    until(ticks, "a tick, once a minute", patience=120)
    last = max(datetime.fromisoformat(record["event_id"]).timestamp() for record in ticks())
    until(lambda: time.time() > last + 2.0, "the other clock, should it be late")
    found = ticks()
    assert set(Counter(record["event_id"] for record in found).values()) == {1}
    for record in found:
        ended = shop.ended(record["id"])
        assert (ended["state"], ended["attempt"], ended["input"]["full"]) == ("succeeded", 1, False)
        assert ended["event_source"] == "/schedules/shop.import_prices/0"
        assert len(shop.http.get(record["links"]["logs"]).json()["logs"]) == 1, "and it ran once"
    for clock in shop_in_parts.clocks:
        assert clock.process.poll() is None
        assert "Traceback" not in clock.output()
