"""Headers of answers, once or several times."""

from __future__ import annotations

from typing import Any

import pytest

from funcatron.headers import first, gathered, joined, pairs

COOKIES = [("Set-Cookie", "a=1"), ("X-A", "1"), ("set-cookie", "b=2")]


@pytest.mark.parametrize(
    ("given", "headers"),
    [
        ({}, {}),
        ({"X-A": 1}, {"X-A": "1"}),
        ({"Set-Cookie": ["a=1", "b=2"]}, {"Set-Cookie": ["a=1", "b=2"]}),
        ({"Set-Cookie": ("a=1",)}, {"Set-Cookie": "a=1"}),
        (COOKIES, {"Set-Cookie": ["a=1", "b=2"], "X-A": "1"}),
        ({"Link": ["a", "b"], "link": "c"}, {"Link": ["a", "b", "c"]}),
    ],
)
def test_headers_are_gathered_by_name(given: Any, headers: dict[str, Any]) -> None:
    assert gathered(given) == headers


@pytest.mark.parametrize("given", [[1], ["abc"], [("a",)], 7])
def test_what_are_no_pairs_is_refused(given: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        gathered(given)


def test_every_value_is_sent_under_its_name() -> None:
    headers = gathered(COOKIES)
    assert list(pairs(headers)) == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-A", "1")]
    assert joined(headers) == {"Set-Cookie": "a=1, b=2", "X-A": "1"}
    assert (first(headers, "SET-COOKIE"), first(headers, "x-a"), first(headers, "x-b")) == ("a=1", "1", None)
