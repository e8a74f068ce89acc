"""When a cron expression comes due: pure, with time zones.

The expression is read by Celery's own crontab parser, so it means what it means in a Celery beat schedule: minute,
hour, day of the month, month, day of the week; day of the month **and** day of the week must match.

Where clocks are changed:

- A time that does not exist that day (02:30 when clocks go from 02:00 to 03:00) comes due as long after midnight as on
  any other day: at 03:30 by the new time.
- A time that exists twice comes due once, the first time; where the hour is ``*`` or ``*/n`` it comes due both times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from celery.schedules import ParseException, crontab

__all__ = ["Cron", "next_tick", "parse_cron", "parse_timezone"]

FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
LONGEST = 366 * 41
"""Days to look ahead: a 29 February on a given weekday may be 40 years away."""

_PART = re.compile(r"(\*|[a-z0-9]+(-[a-z0-9]+)?)(/[0-9]+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression: the numbers that match, and whether every hour is meant."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    hourly: bool

    def matches(self, day: date) -> bool:
        """Whether the expression comes due on this day at all."""
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays


@lru_cache(maxsize=256)
def parse_cron(expression: str) -> Cron:
    """Read five fields; raises ValueError that says what is wrong with which."""
    fields = expression.split()
    if len(fields) != len(FIELDS):
        raise ValueError(f"a cron expression has five fields ({', '.join(FIELDS)}), not {len(fields)}: {expression!r}")
    for name, field in zip(FIELDS, fields, strict=True):
        _check_field(name, field)
    minute, hour, day, month, weekday = fields
    try:
        parsed = crontab(minute, hour, weekday, day, month)
    except (ValueError, KeyError) as error:  # each field is good; together they name no day
        raise ValueError(f"{expression!r}: {error}") from None
    return Cron(
        tuple(sorted(parsed.minute)),
        tuple(sorted(parsed.hour)),
        frozenset(parsed.day_of_month),
        frozenset(parsed.month_of_year),
        frozenset(parsed.day_of_week),
        hour.startswith("*"),
    )


def parse_timezone(name: str) -> tzinfo:
    """Return the time zone of the IANA data base; raises ValueError if there is none of this name."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}; names are like Europe/Berlin or UTC") from None


def next_tick(cron: str, timezone: str, after: datetime) -> datetime:
    """Return the first time after ``after`` (an aware datetime) that the expression comes due, in UTC.

    Raises ValueError for a bad expression or time zone, or one that never comes due.
    """
    parsed, zone = parse_cron(cron), parse_timezone(timezone)
    first = after.astimezone(zone).date() - timedelta(days=1)
    for offset in range(LONGEST):
        day = first + timedelta(days=offset)
        if parsed.matches(day):
            ticks = [tick for tick in _ticks(parsed, zone, day) if tick > after]
            if ticks:
                return min(ticks)
    raise ValueError(f"{cron!r} never comes due")


def _ticks(cron: Cron, zone: tzinfo, day: date) -> list[datetime]:
    return [tick for hour in cron.hours for minute in cron.minutes for tick in _moments(cron, zone, day, hour, minute)]


def _moments(cron: Cron, zone: tzinfo, day: date, hour: int, minute: int) -> list[datetime]:
    """Return when a wall clock shows this time: once, in an hour that is repeated twice, in a gap never."""
    local = datetime.combine(day, time(hour, minute), zone)
    early, late = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    if early == late:
        return [early]
    if early < late:  # the hour is repeated
        return [early, late] if cron.hourly else [early]
    return [] if cron.hourly else [early]  # a gap; with the offset of before it is as long after midnight as ever


def _check_field(name: str, field: str) -> None:
    sample = dict(zip(FIELDS, "*****", strict=True))
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None or match[3] == "/0":
            raise ValueError(f"the {name} is {field!r}: {part!r} is none of *, 5, 1-5, */15, 1-30/2, mon")
    sample[name] = field
    if name in {"day of the month", "month"}:
        sample["month" if name != "month" else "day of the month"] = "1-12" if name != "month" else "1"
    minute, hour, day, month, weekday = (sample[each] for each in FIELDS)
    try:
        crontab(minute, hour, weekday, day, month)
    except (ValueError, KeyError, ParseException) as error:
        raise ValueError(f"the {name} is {field!r}: {error}") from None
