from __future__ import annotations

import os
import time
import uuid
from datetime import datetime
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcatron.errors import TransitionError
from funcatron.execution import (
    ENDED,
    TRANSITIONS,
    WAITING,
    Execution,
    Progress,
    State,
    StoredResult,
    before,
    new_id,
    rfc3339,
    transition,
)

STATES: tuple[State, ...] = ("queued", "running", "retrying", "succeeded", "failed", "cancelled", "expired")
CHANGES = ("start", "succeed", "fail", "retry", "cancel", "expire", "redrive")


@given(st.lists(st.sampled_from(CHANGES), max_size=30))
def test_no_path_leaves_the_table(path: list[str]) -> None:
    state: State = "queued"
    for change in path:
        if (state, change) not in TRANSITIONS:
            with pytest.raises(TransitionError, match=f"^an execution that is {state} cannot (be )?{change[:4]}"):
                transition(state, change)  # type: ignore[arg-type]
            continue
        after = transition(state, change)  # type: ignore[arg-type]
        if state in ENDED:
            assert (change, after) == ("redrive", "queued")
        state = after
        assert state in STATES


def test_the_table_is_the_lifecycle() -> None:
    assert {(one, to) for (one, _), to in TRANSITIONS.items()} == {
        ("queued", "running"),
        ("queued", "cancelled"),
        ("queued", "expired"),
        ("queued", "failed"),
        ("running", "succeeded"),
        ("running", "failed"),
        ("running", "retrying"),
        ("running", "cancelled"),
        ("retrying", "running"),
        ("retrying", "cancelled"),
        ("retrying", "failed"),
        ("failed", "queued"),
        ("expired", "queued"),
        ("cancelled", "queued"),
    }


def test_every_state_is_reached_and_every_waiting_one_left() -> None:
    assert {*TRANSITIONS.values()} == {*STATES}
    assert {state for state in STATES if (state, "start") in TRANSITIONS} == {*WAITING}
    assert {state for state in STATES if not any(one == state for one, _ in TRANSITIONS)} == {"succeeded"}


@pytest.mark.parametrize("change", CHANGES)
def test_before_is_what_a_compare_and_set_compares_with(change: str) -> None:
    assert {*before(change)} == {state for state in STATES if (state, change) in TRANSITIONS}  # type: ignore[arg-type]
    assert before(change)  # type: ignore[arg-type]


def execution(**members: object) -> Execution:
    return Execution(id="1", function="shop.f", trigger="async", created_at=0.0, **members)  # type: ignore[arg-type]


def test_a_record_in_json_has_every_member_of_the_contract() -> None:
    shown = execution(
        state="failed",
        attempt=2,
        input={"body": {"a": 1}},
        result=StoredResult(status=500, body={"b": 2}),
        problem={"status": 500},
        failure="handler",
        principal={"id": "me"},
        project_id="p",
        event_source="/s",
        event_id="e",
        started_at=1.0,
        ended_at=2.5,
        worker=None,
        progress=Progress(1, 2),
    ).to_json("/control")
    assert shown == {
        "id": "1",
        "function": "shop.f",
        "trigger": "async",
        "state": "failed",
        "attempt": 2,
        "input": {"body": {"a": 1}},
        "result": {"b": 2},
        "problem": {"status": 500},
        "failure": "handler",
        "principal": {"id": "me"},
        "project_id": "p",
        "event_source": "/s",
        "event_id": "e",
        "created_at": "1970-01-01T00:00:00.000000Z",
        "started_at": "1970-01-01T00:00:01.000000Z",
        "ended_at": "1970-01-01T00:00:02.500000Z",
        "duration": 1.5,
        "worker": None,
        "progress": {"done": 1, "total": 2},
        "gate": None,
        "links": {
            "self": "/control/executions/1",
            "result": "/control/executions/1/result",
            "logs": "/control/executions/1/logs",
            "events": "/control/executions/1/events",
            "cancel": "/control/executions/1/cancel",
        },
    }


def test_duration_counts_from_the_last_start() -> None:
    assert execution().duration is None
    assert execution(started_at=10.0, ended_at=9.0).duration == 0.0
    running = execution(started_at=time.time() - 5).duration
    assert running is not None
    assert 5 <= running < 10


@pytest.mark.parametrize("state", STATES)
def test_ended_is_what_only_a_redrive_leaves(state: State) -> None:
    assert execution(state=state).ended == all(change == "redrive" for one, change in TRANSITIONS if one == state)


def test_ids_are_uuids_of_version_7_and_sort_by_time() -> None:
    made = []
    for _ in range(5):
        made.append(new_id())
        until = time.time_ns() // 1_000_000 + 1
        while time.time_ns() // 1_000_000 <= until:
            pass
    for text in made:
        value = uuid.UUID(text)
        assert (value.version, value.variant) == (7, uuid.RFC_4122)
        assert abs((value.int >> 80) / 1000 - time.time()) < 60
        assert str(value) == text
    assert all(one < other for one, other in pairwise(made))
    assert len({new_id() for _ in range(1000)}) == 1000


def test_ids_of_a_forked_child_are_its_own() -> None:
    new_id()  # some randomness is read ahead
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, b"".join(new_id()[14:].encode() for _ in range(100)))
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    theirs = {told[at : at + 22] for at in range(0, len(told), 22)}
    assert len(theirs) == 100
    assert theirs.isdisjoint(new_id()[14:].encode() for _ in range(200))


@pytest.mark.parametrize(
    ("stored", "content"),
    [
        (StoredResult(), b""),
        (StoredResult(content_type="application/json", body={"a": "ü"}), '{"a":"ü"}'.encode()),
        (StoredResult(content_type="application/json; charset=utf-8", body="text"), b'"text"'),
        (StoredResult(content_type="application/problem+json", body={"a": 1}), b'{"a":1}'),
        (StoredResult(content_type="Application/JSON", body="text"), b'"text"'),
        (StoredResult(body=0), b"0"),
        (StoredResult(body=False), b"false"),
        (StoredResult(content_type="application/json", body=2**70), str(2**70).encode()),
        (StoredResult(content_type="text/plain; charset=utf-8", body="ü"), "ü".encode()),
        (StoredResult(content_type="image/png", base64="AP8="), b"\x00\xff"),
    ],
)
def test_a_stored_result_gives_the_bytes_again(stored: StoredResult, content: bytes) -> None:
    assert stored.to_bytes() == content
    again = msgspec.json.decode(msgspec.json.encode(stored), type=StoredResult)
    assert again.to_bytes() == content


def test_times_are_rfc_3339_in_utc() -> None:
    assert rfc3339(None) is None
    assert rfc3339(1_700_000_000.25) == "2023-11-14T22:13:20.250000Z"


def test_a_time_is_never_shown_later_than_it_was() -> None:
    for tick in range(1000):
        seconds = 1_700_000_000.0 + tick * 2.0**-22  # as exact as a time of these years can be: a quarter microsecond
        shown = rfc3339(seconds)
        assert shown is not None
        assert seconds - 1.3e-6 < datetime.fromisoformat(shown).timestamp() <= seconds
