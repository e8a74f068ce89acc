from __future__ import annotations

import pytest

from funcatron.http.prefer import MAX_WAIT, Preferences, parse_prefer


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, Preferences()),
        ("", Preferences()),
        ("respond-async", Preferences(respond_async=True)),
        ("Respond-Async", Preferences(respond_async=True)),
        ("respond-async, wait=10", Preferences(respond_async=True, wait=10.0)),
        ("wait=10,respond-async", Preferences(respond_async=True, wait=10.0)),
        ("wait=0", Preferences(wait=0.0)),
        ('wait="7"', Preferences(wait=7.0)),
        ("wait = 7", Preferences(wait=7.0)),
        ("wait=99999999999999999999", Preferences(wait=MAX_WAIT)),
        ("wait=1, wait=5", Preferences(wait=1.0)),
        ("wait=-1", Preferences()),
        ("wait=1.5", Preferences()),
        ("wait=soon", Preferences()),
        ("wait", Preferences()),
        ("wait=٣", Preferences()),
        ('return=minimal; foo="a, respond-async", wait=3', Preferences(wait=3.0)),
        ('foo="a, respond-async"', Preferences()),
        ("respond-async; x=1", Preferences(respond_async=True)),
        ("priority=5, @@, respond-async", Preferences(respond_async=True)),
        (",,respond-async", Preferences(respond_async=True)),
        ("handling=lenient", Preferences()),
    ],
)
def test_reads_rfc_7240(header: str | None, expected: Preferences) -> None:
    assert parse_prefer(header) == expected


def test_says_what_was_applied() -> None:
    assert parse_prefer("respond-async, wait=10").applied == "respond-async, wait=10"
    assert parse_prefer("wait=2").applied == "wait=2"
    assert parse_prefer(None).applied is None


def test_a_hostile_header_is_read_in_no_time() -> None:
    assert parse_prefer('a="' + "\\" * 20_000) == Preferences()
    assert parse_prefer(";" * 20_000 + '"') == Preferences()
