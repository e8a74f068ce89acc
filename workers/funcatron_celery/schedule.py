"""The trigger of the kind ``schedule``: a function is called by the clock.

There is no beat process and no lock. Every clock computes the same ticks and names them alike (function, trigger,
time), and the store takes an event of one name once, so a tick fires once however many clocks run. A tick that comes
due while no clock runs is not made up for; one that cannot be stored is tried again until it is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from funcatron.errors import Problem, Unavailable
from funcatron.event import CloudEvent
from funcatron.ports import Publish
from funcatron.settings import Settings
from funcatron_celery.cron import next_tick, parse_cron, parse_timezone

__all__ = ["ScheduleTrigger"]

logger = logging.getLogger("funcatron.schedule")

TICK = "org.funcatron.schedule.tick"
LONGEST_SLEEP = 30.0
"""Seconds after which the clock is read again: it may have been set, or the machine may have slept."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0


def now() -> datetime:
    """Return the present in UTC."""
    return datetime.now(UTC)


class ScheduleTrigger:
    """``schedule: {cron: "*/5 * * * *", timezone: UTC, input: {full: false}}``."""

    kind = "schedule"

    def __init__(
        self, *, function: str, settings: Mapping[str, Any], config: Settings, clock: Callable[[], datetime] = now
    ) -> None:
        self._function = function
        self._cron = str(settings["cron"])
        self._timezone = str(settings.get("timezone", "UTC"))
        self._input = dict(settings.get("input", {}))
        self._index = int(settings.get("index", 0))
        self._clock = clock
        self._told = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """See funcatron.ports.Trigger."""
        mistakes = []
        for parse, value in ((parse_cron, settings.get("cron", "")), (parse_timezone, settings.get("timezone", "UTC"))):
            try:
                parse(str(value))
            except ValueError as error:
                mistakes.append(str(error))
        return mistakes

    @classmethod
    def example(cls, settings: Mapping[str, Any]) -> CloudEvent:
        """Return the event that every tick makes, but for its time."""
        return cls(function="", settings=settings, config=Settings()).to_event(datetime(2000, 1, 1, tzinfo=UTC))

    def describe(self) -> str:
        """See funcatron.ports.Trigger."""
        return f"schedule {self._cron} {self._timezone}"

    def start(self, publish: Publish) -> None:
        """See funcatron.ports.Trigger."""
        self._thread = threading.Thread(
            target=self._run, args=(publish,), name=f"schedule-{self._function}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """See funcatron.ports.Trigger."""
        self._told.set()
        if self._thread is not None:
            self._thread.join()

    def next_after(self, moment: datetime) -> datetime:
        """See funcatron.ports.Timed."""
        return next_tick(self._cron, self._timezone, moment)

    def to_event(self, tick: datetime) -> CloudEvent:
        """Return the event of one tick; the same for whoever makes it."""
        moment = tick.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return CloudEvent(
            id=moment,
            source=f"/schedules/{self._function}/{self._index}",
            type=TICK,
            time=moment,
            datacontenttype="application/json",
            data={"time": moment, **self._input},
        )

    def _run(self, publish: Publish) -> None:
        while (tick := self._wait(self.next_after(self._clock()))) is not None:
            self._fire(publish, self.to_event(tick))

    def _wait(self, tick: datetime) -> datetime | None:
        """Wait for a tick and return it; another, earlier one if the clock was set back; None to end."""
        while (left := (tick - self._clock()).total_seconds()) > 0:
            if self._told.wait(min(left, LONGEST_SLEEP)):
                return None
            tick = min(tick, self.next_after(self._clock()))
        return None if self._told.is_set() else tick

    def _fire(self, publish: Publish, event: CloudEvent) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                publish(event)
            except Unavailable as error:
                logger.warning("the tick %s of %s is not stored yet: %s", event.id, self._function, error)
                if self._told.wait(pause):
                    return
                pause = min(LONGEST_PAUSE, pause * 2)
            except Problem as error:
                logger.error("the tick %s of %s is refused: %s", event.id, self._function, error)
                return
            except Exception:  # the thread's boundary: the clock must go on
                logger.exception("the tick %s of %s failed", event.id, self._function)
                return
            else:
                return
