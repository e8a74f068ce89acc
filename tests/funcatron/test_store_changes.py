"""What a change of state does to a record, before any store applies it."""

from __future__ import annotations

import pytest

from funcatron.errors import TransitionError
from funcatron.execution import StoredResult
from funcatron.ports import Ending
from funcatron.store import changes, sql

DONE = Ending(change="succeed", result=StoredResult(body=1))


def test_alike_changes_are_of_one_kind() -> None:
    assert changes.start(1.0, "a", 2.0).kind is changes.start(3.0, "b", 4.0).kind
    assert changes.finish(1.0, 1, DONE).kind is changes.finish(2.0, 7, DONE).kind
    assert changes.cancel(1.0).kind is changes.cancel(2.0).kind


def test_what_is_asked_and_what_is_null_makes_another_kind() -> None:
    starts = [changes.start(1.0, "a", deadline, limit) for deadline in (None, 2.0) for limit in (None, 3)]
    failed = Ending(change="fail", problem={}, failure="handler")
    ends = [changes.finish(1.0, 1, DONE), changes.finish(1.0, 1, failed), changes.lose(1.0, 1, failed)]
    kinds = [change.kind for change in starts + ends]
    assert len(set(kinds)) == len(kinds)
    assert len({sql.update(change, "x", returning=False)[0] for change in starts + ends}) == len(kinds)


def test_a_start_clears_what_the_attempt_before_left() -> None:
    started = changes.start(1.0, "a", None, 5)
    assert started.sets == {
        "state": "running",
        **dict.fromkeys(("result", "problem", "failure", "progress", "gate", "deadline", "due_at")),
        "started_at": 1.0,
        "worker": "a",
        "concurrency": 5,
    }
    assert (started.unexpired, started.limit, started.kind.counts) == (1.0, 5, ("attempt",))


def test_a_retry_is_due_and_not_published() -> None:
    ending = Ending(change="retry", problem={"status": 500}, failure="handler", due_at=9.0)
    assert changes.finish(1.0, 1, ending).sets == {
        "state": "retrying",
        **dict.fromkeys(("deadline", "result", "published_at")),
        "problem": {"status": 500},
        "failure": "handler",
        "due_at": 9.0,
    }


def test_only_ends_end_an_attempt() -> None:
    with pytest.raises(TransitionError):
        changes.finish(1.0, 1, Ending(change="expire"))


def test_the_parameters_stand_in_the_order_of_the_statement() -> None:
    text, values = sql.update(changes.start(1.0, "a", 2.0, 3), "x")
    assert text.count("?") == len(values)
    assert values == [1.0, "a", 2.0, 3, "x", 1.0, 3]
    text, values = sql.update(changes.finish(1.0, 4, DONE), "x")
    assert text.count("?") == len(values)
    assert values == ['{"body":1}', 1.0, "x", 4]
