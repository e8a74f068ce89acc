from __future__ import annotations

import logging
import time
from typing import Any

import msgspec
import pytest

from funcatron.invocation import Context, Invocation, Principal, Result


def invocation(**members: Any) -> Invocation:
    return Invocation(**{"id": "i", "function": "f", "trigger": "http", "arguments": {}, **members})


@pytest.mark.parametrize(
    ("result", "ok"),
    [
        (Result(), True),
        (Result(status=399), True),
        (Result(status=400), False),
        (Result(status=200, failure="handler"), False),
    ],
)
def test_a_result_is_good_below_400(result: Result, ok: bool) -> None:
    assert result.ok is ok


def test_both_nouns_are_frozen_and_share_nothing() -> None:
    with pytest.raises(AttributeError):
        invocation().id = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Result().status = 500  # type: ignore[misc]
    assert invocation().headers is not invocation().headers
    assert Result().headers is not Result().headers


def test_a_principal_is_small_in_a_record() -> None:
    assert msgspec.json.encode(Principal(id="me")) == b'{"id":"me"}'
    principal = Principal(id="me", project_id="p", roles=("a",))
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(principal)), Principal) == principal


def test_a_deadline_that_has_passed_leaves_less_than_nothing() -> None:
    context = Context(invocation(deadline=time.monotonic() - 5), logging.getLogger())
    remaining = context.remaining()
    assert remaining is not None
    assert -6 < remaining <= -5
    assert context.deadline is not None
    assert context.deadline.timestamp() < time.time()
    assert context.deadline.utcoffset() is not None


def test_a_cloud_is_connected_to_when_it_is_asked_for() -> None:
    made: list[str] = []

    def connect(caller: Invocation) -> str:
        made.append(f"connection of {caller.function}")
        return made[-1]

    context = Context(invocation(function="f"), logging.getLogger(), connect)
    assert made == []
    assert context.openstack == "connection of f"
    with pytest.raises(AttributeError, match=r"install funcatron\[openstack\]"):
        _ = Context(invocation(), logging.getLogger()).openstack
