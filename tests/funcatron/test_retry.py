from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcatron.retry import RetryPolicy


def test_without_jitter_the_delay_doubles_up_to_its_limit() -> None:
    policy = RetryPolicy(attempts=7, backoff=1.5, max_backoff=20, jitter=False)
    assert [policy.delay(attempt) for attempt in range(1, 9)] == [1.5, 3, 6, 12, 20, 20, None, None]


def test_full_jitter_draws_between_nothing_and_the_backoff() -> None:
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high / 2

    policy = RetryPolicy(attempts=4, backoff=2, max_backoff=5)
    assert [policy.delay(attempt, uniform=uniform) for attempt in (1, 2, 3)] == [1, 2, 2.5]
    assert drawn == [(0, 2), (0, 4), (0, 5)]


@given(st.integers(1, 10**9), st.floats(0, 1e6), st.floats(0, 1e6))
def test_no_delay_is_longer_than_its_limit(attempt: int, backoff: float, limit: float) -> None:
    delay = RetryPolicy(attempts=10**9 + 1, backoff=backoff, max_backoff=limit).delay(attempt)
    assert delay is not None
    assert 0 <= delay <= limit


@pytest.mark.parametrize(("after", "delay"), [(0, 0), (7.5, 7.5), (-3, 0), (10_000, 10_000)])
def test_what_the_failure_asks_for_is_honoured(after: float, delay: float) -> None:
    assert RetryPolicy(attempts=2, max_backoff=1).delay(1, after=after) == delay


@pytest.mark.parametrize("after", [None, 5.0])
def test_the_last_attempt_is_the_last(after: float | None) -> None:
    assert RetryPolicy(attempts=1).delay(1, after=after) is None
    assert RetryPolicy(attempts=3).delay(2, after=after) is not None
    assert RetryPolicy(attempts=3).delay(3, after=after) is None
    assert RetryPolicy(attempts=3).delay(9, after=after) is None
