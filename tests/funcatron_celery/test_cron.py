"""When a cron expression comes due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from funcatron_celery.cron import next_tick, parse_cron, parse_timezone


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if "+" not in text else datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("* * * * *", "2026-03-01T10:00:00", "2026-03-01T10:01:00"),
        ("* * * * *", "2026-03-01T10:00:59.999", "2026-03-01T10:01:00"),
        ("*/5 * * * *", "2026-03-01T10:00:00", "2026-03-01T10:05:00"),
        ("*/7 * * * *", "2026-03-01T10:56:00", "2026-03-01T11:00:00"),
        ("*/7 * * * *", "2026-03-01T10:50:00", "2026-03-01T10:56:00"),
        ("59 23 31 12 *", "2026-12-31T23:59:00", "2027-12-31T23:59:00"),
        ("0 0 1 * *", "2026-01-31T12:00:00", "2026-02-01T00:00:00"),
        ("0 0 31 * *", "2026-04-01T00:00:00", "2026-05-31T00:00:00"),
        ("30 4 * * sun", "2026-11-23T00:00:00", "2026-11-29T04:30:00"),
        ("30 4 * * 0", "2026-11-23T00:00:00", "2026-11-29T04:30:00"),
        ("0 9 * * mon-fri", "2026-11-27T09:00:00", "2026-11-30T09:00:00"),
        ("0 0 1 jan,jul *", "2026-01-01T00:00:00", "2026-07-01T00:00:00"),
        ("1,13,30-45,50-59/2 * * * *", "2026-01-01T00:45:00", "2026-01-01T00:50:00"),
        ("0 22-2 * * *", "2026-01-01T23:30:00", "2026-01-02T00:00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 29 2 *", "2096-03-01T00:00:00", "2104-02-29T00:00:00"),
        ("0 0 29 2 mon", "2026-01-01T00:00:00", "2044-02-29T00:00:00"),
        ("0 12 13 * fri", "2026-01-01T00:00:00", "2026-02-13T12:00:00"),
    ],
)
def test_next_tick_in_utc(cron: str, after: str, expected: str) -> None:
    assert next_tick(cron, "UTC", at(after)) == at(expected)


@pytest.mark.parametrize(
    ("cron", "timezone", "after", "expected"),
    [
        # Berlin: 02:00 to 03:00 on 29 March 2026 does not exist (02:00+01:00 is 03:00+02:00)
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00", "2026-03-29T01:30:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T01:30:00", "2026-03-30T00:30:00"),
        ("0 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00", "2026-03-29T01:00:00"),
        ("30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00", "2026-03-29T01:30:00"),
        ("*/20 * * * *", "Europe/Berlin", "2026-03-29T00:40:00", "2026-03-29T01:00:00"),
        # Berlin: 02:00 to 03:00 on 25 October 2026 is there twice
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00", "2026-10-25T00:30:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00", "2026-10-26T01:30:00"),
        ("30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00", "2026-10-25T01:30:00"),
        ("30 * * * *", "Europe/Berlin", "2026-10-25T01:30:00", "2026-10-25T02:30:00"),
        # where clocks change at midnight
        ("30 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00", "2026-04-23T22:30:00"),
        # half an hour is changed, and the offset is not whole hours
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00", "2026-10-03T15:45:00"),
        ("0 9 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00", "2026-01-01T03:15:00"),
        ("0 0 1 1 *", "Pacific/Kiritimati", "2026-12-30T00:00:00", "2026-12-31T10:00:00"),
    ],
)
def test_next_tick_where_clocks_change(cron: str, timezone: str, after: str, expected: str) -> None:
    assert next_tick(cron, timezone, at(after)) == at(expected)


def test_next_tick_takes_any_offset_and_answers_in_utc() -> None:
    tick = next_tick("0 12 * * *", "UTC", at("2026-01-01T23:30:00+14:00"))
    assert tick == at("2026-01-01T12:00:00")
    assert tick.utcoffset() == timedelta(0)


def test_an_hourly_job_comes_due_every_hour_of_a_summer_in_berlin() -> None:
    tick, end = at("2026-03-01T00:00:00"), at("2026-11-01T00:00:00")
    ticks = []
    while tick < end:
        ticks.append(tick)
        tick = next_tick("0 * * * *", "Europe/Berlin", tick)
    assert {later - earlier for earlier, later in pairwise(ticks)} == {timedelta(hours=1)}
    assert len(ticks) == (end - ticks[0]).days * 24


def test_a_daily_job_comes_due_once_every_day_of_a_year_in_new_york() -> None:
    tick = at("2025-12-31T12:00:00")
    days = []
    for _ in range(365):
        tick = next_tick("30 1 * * *", "America/New_York", tick)
        days.append(tick.astimezone(parse_timezone("America/New_York")).date())
    assert len(set(days)) == 365


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("", "five fields"),
        ("* * * *", "not 4"),
        ("@daily", "five fields"),
        ("* * * * * *", "not 6"),
        ("60 * * * *", "the minute is '60': Invalid end range: 60 > 59"),
        ("* 24 * * *", "the hour is '24'"),
        ("* * 0 * *", "the day of the month is '0'"),
        ("* * 32 * *", "the day of the month is '32'"),
        ("* * * 13 *", "the month is '13'"),
        ("* * * * 7", "the day of the week is '7'"),
        ("* * * * someday", "the day of the week is 'someday'"),
        ("*/0 * * * *", "the minute is '*/0'"),
        ("*/x * * * *", "is none of *, 5"),
        ("*5 * * * *", "is none of *, 5"),
        ("1-5/2/3 * * * *", "is none of *, 5"),
        ("-5 * * * *", "is none of *, 5"),
        ("1,,2 * * * *", "the minute is '1,,2'"),
        ("0 0 30 2 *", "'0 0 30 2 *'"),
        ("0 0 31 2,4,6 *", "'0 0 31 2,4,6 *'"),
    ],
)
def test_a_bad_expression_is_refused_with_what_is_wrong(cron: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_cron(cron)
    assert message in str(refused.value)


@pytest.mark.parametrize("name", ["Europe/Nowhere", "", "../etc/passwd", "/etc/localtime", "Europe"])
def test_a_bad_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="there is no time zone"):
        parse_timezone(name)
