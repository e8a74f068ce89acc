"""The clock's trigger, on a clock that tests set."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funcatron.errors import InvalidInput, Unavailable, Violation
from funcatron.event import CloudEvent
from funcatron.settings import Settings
from funcatron_celery import schedule
from funcatron_celery.schedule import ScheduleTrigger

PATIENCE = 60.0


class Clock:
    """Shows what it is set to; each look at it moves it ``step`` seconds on."""

    looks = 0

    def __init__(self, text: str, step: float = 0.0) -> None:
        self._step = timedelta(seconds=step)
        self.set(text)

    def set(self, text: str) -> None:
        self._now = datetime.fromisoformat(text).replace(tzinfo=UTC)

    def __call__(self) -> datetime:
        self.looks += 1
        shown, self._now = self._now, self._now + self._step
        return shown

    def wait(self, looks: int = 4) -> None:
        """Wait until it was looked at so often from now on: whoever waits for a tick looks twice each time."""
        last, end = self.looks + looks, time.monotonic() + PATIENCE
        while self.looks < last:
            assert time.monotonic() < end, "nobody looks at the clock"
            time.sleep(0.001)


class Events:
    """Takes events, as the application does; refuses as often as it is told."""

    def __init__(self) -> None:
        self.seen: list[CloudEvent] = []
        self.refusals: list[Exception] = []
        self._changed = threading.Condition()

    def __call__(self, event: CloudEvent) -> None:
        with self._changed:
            if self.refusals:
                raise self.refusals.pop(0)
            self.seen.append(event)
            self._changed.notify_all()

    def wait(self, count: int) -> list[str]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.seen) >= count, PATIENCE), self.seen
            return [event.id for event in self.seen]


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def start(events: Events, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ScheduleTrigger]]:
    monkeypatch.setattr(schedule, "LONGEST_SLEEP", 0.01)
    started: list[ScheduleTrigger] = []

    def make(clock: Clock, **settings: Any) -> ScheduleTrigger:
        trigger = ScheduleTrigger(function="shop.report", settings=settings, config=Settings(), clock=clock)
        trigger.start(events)
        started.append(trigger)
        return trigger

    yield make
    for trigger in started:
        trigger.stop()


def test_a_tick_is_an_event_that_says_when_and_what(start: Callable[..., ScheduleTrigger], events: Events) -> None:
    start(Clock("2026-03-01T09:59:50", step=1), cron="0 10 * * *", input={"full": True}, index=2)
    events.wait(1)
    assert events.seen[0].to_json() == {
        "specversion": "1.0",
        "id": "2026-03-01T10:00:00Z",
        "source": "/schedules/shop.report/2",
        "type": "org.funcatron.schedule.tick",
        "time": "2026-03-01T10:00:00Z",
        "datacontenttype": "application/json",
        "data": {"time": "2026-03-01T10:00:00Z", "full": True},
    }


def test_two_clocks_make_the_same_event(start: Callable[..., ScheduleTrigger], events: Events) -> None:
    clock = Clock("2026-03-01T09:59:50", step=1)
    for _ in range(2):
        start(clock, cron="0 10 * * *")
    events.wait(2)
    first, second = events.seen
    assert (first.source, first.id) == (second.source, second.id)


def test_every_tick_comes_once_and_in_order(start: Callable[..., ScheduleTrigger], events: Events) -> None:
    start(Clock("2026-03-01T10:00:30", step=7), cron="* * * * *")
    ids = events.wait(5)
    assert ids[:5] == [f"2026-03-01T10:0{minute}:00Z" for minute in range(1, 6)]


def test_a_clock_that_is_set_forward_fires_the_tick_it_waited_for_and_no_flood(
    start: Callable[..., ScheduleTrigger], events: Events
) -> None:
    clock = Clock("2026-03-01T10:00:30")
    start(clock, cron="* * * * *")
    clock.wait()
    clock.set("2026-03-05T12:00:30")
    assert events.wait(1) == ["2026-03-01T10:01:00Z"]
    clock.wait()
    clock.set("2026-03-05T12:01:00")
    assert events.wait(2)[1:] == ["2026-03-05T12:01:00Z"]


def test_a_clock_that_is_set_back_does_not_stall(start: Callable[..., ScheduleTrigger], events: Events) -> None:
    clock = Clock("2026-03-01T10:00:30")
    start(clock, cron="0 * * * *")
    clock.wait()
    clock.set("2026-02-01T07:59:59")
    clock.wait()
    clock.set("2026-02-01T08:00:00")
    assert events.wait(1) == ["2026-02-01T08:00:00Z"]


def test_a_tick_that_cannot_be_stored_is_tried_until_it_is(
    start: Callable[..., ScheduleTrigger], events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "FIRST_PAUSE", 0.01)
    events.refusals = [Unavailable("away"), Unavailable("away")]
    start(Clock("2026-03-01T09:59:50", step=1), cron="0 10 * * *")
    assert events.wait(1) == ["2026-03-01T10:00:00Z"]


@pytest.mark.parametrize("refusal", [InvalidInput([Violation("/body", "no")]), KeyError("surprise")])
def test_a_tick_that_is_refused_does_not_stop_the_clock(
    start: Callable[..., ScheduleTrigger], events: Events, refusal: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    events.refusals = [refusal]
    start(Clock("2026-03-01T10:00:30", step=7), cron="* * * * *")
    assert events.wait(1)[0] == "2026-03-01T10:02:00Z"
    assert "2026-03-01T10:01:00Z" in caplog.text


def test_it_ends_at_once_while_it_waits(start: Callable[..., ScheduleTrigger], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "LONGEST_SLEEP", 600.0)
    clock = Clock("2026-03-01T10:00:30")
    trigger = start(clock, cron="0 0 1 1 *")
    stopping = threading.Thread(target=trigger.stop, daemon=True)
    stopping.start()
    stopping.join(PATIENCE)
    assert not stopping.is_alive()


def test_check_says_what_is_wrong() -> None:
    assert ScheduleTrigger.check({"cron": "*/5 * * * *", "timezone": "Europe/Berlin"}) == []
    cron, zone = ScheduleTrigger.check({"cron": "61 * * * *", "timezone": "Nowhere"})
    assert "61" in cron
    assert "'Nowhere'" in zone
    assert len(ScheduleTrigger.check({})) == 1
    (short,) = ScheduleTrigger.check({"cron": "* * * *"})
    assert short.startswith("a cron expression has five fields (minute, hour, ")
    assert short.endswith("not 4: '* * * *'")


def test_it_describes_itself() -> None:
    trigger = ScheduleTrigger(function="f", settings={"cron": "0 1 * * *", "timezone": "Asia/Tokyo"}, config=Settings())
    assert trigger.describe() == "schedule 0 1 * * * Asia/Tokyo"
