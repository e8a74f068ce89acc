"""What a change of state does to a record, said once for every store.

A Change is a compare-and-set: the states (and the attempt) it may find, and the fields it then sets. A store applies
it in one step or not at all. The states themselves come from the table in ``funcatron.execution``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from funcatron import execution as lifecycle
from funcatron.execution import Attempt, Execution, Failure, Gate, State, before, transition
from funcatron.ports import Ending

__all__ = [
    "Change",
    "admit",
    "applied",
    "cancel",
    "expire",
    "fail",
    "failed_attempt",
    "finish",
    "hold",
    "lose",
    "redrive",
    "start",
]

LONGEST_DETAIL = 500
"""Characters of a problem's detail that the history keeps."""


class Change(msgspec.Struct, frozen=True):
    """A compare-and-set of one record.

    ``before``: the states it starts from. ``sets``: field to value; beyond the fields of Execution a store keeps
    ``published_at`` (when a message was last published, None: not since it waits) and ``lost`` (attempts that ended
    with their worker). ``counts``: fields that grow by one. ``attempt``: the attempt that must be running.
    ``unexpired``: the time (seconds since the epoch) at which a queued record must not have expired. ``failed_at``:
    when the attempt failed that ends so; a store then adds ``failed_attempt`` to the record's history. ``in_turn``: no
    other with its ``order_key`` that was accepted earlier may be there, not ended. ``limit``: fewer of its function
    than this must be running.
    """

    before: tuple[State, ...]
    sets: Mapping[str, Any]
    counts: tuple[str, ...] = ()
    attempt: int | None = None
    unexpired: float | None = None
    failed_at: float | None = None
    in_turn: bool = False
    limit: int | None = None


_FIELDS = frozenset(Execution.__struct_fields__)
_NO_ATTEMPT = {"deadline": None, "due_at": None}
_NO_GATE = {"gate": None}
_NO_OUTCOME = {"result": None, "problem": None, "failure": None, "progress": None}


def start(now: float, worker: str, deadline: float | None, limit: int | None = None) -> Change:
    """``queued|retrying`` to ``running``, its gates being open; what the attempt before left is cleared."""
    sets = {**_NO_OUTCOME, **_NO_GATE, "started_at": now, "worker": worker, "deadline": deadline, "due_at": None}
    if limit is not None:
        sets["concurrency"] = limit
    found, state = _found("start", None)
    return Change(found, {"state": state, **sets}, ("attempt",), unexpired=now, in_turn=True, limit=limit)


def hold(now: float, gate: Gate) -> Change:
    """What waits stays as it is, without a message, until its gate opens."""
    return Change(lifecycle.WAITING, {"gate": gate, "due_at": None, "published_at": None}, unexpired=now)


def admit(now: float) -> Change:
    """What waits is let through its gate: it is due."""
    return Change(lifecycle.WAITING, {"gate": "admitted", "due_at": now, "published_at": None})


def finish(now: float, attempt: int, ending: Ending) -> Change:
    """``running`` to what ``ending`` says; raises TransitionError where it names no end of an attempt."""
    sets: dict[str, Any] = {
        **_NO_ATTEMPT,
        "result": ending.result,
        "problem": ending.problem,
        "failure": ending.failure,
    }
    if ending.change == "retry":
        sets |= {"due_at": now if ending.due_at is None else ending.due_at, "published_at": None}
    else:
        sets |= {"ended_at": now}
    name = cast("lifecycle.Change", ending.change)  # the table is asked whether it is one
    failed_at = None if name == "succeed" else now
    return _change(name, sets, states=("running",), attempt=attempt, failed_at=failed_at)


def lose(now: float, attempt: int, ending: Ending) -> Change:
    """As ``finish``, for an attempt whose worker is gone."""
    ended = finish(now, attempt, ending)
    return msgspec.structs.replace(ended, counts=("lost",))


def cancel(now: float) -> Change:
    """Whatever has not ended to ``cancelled``."""
    return _change("cancel", {**_NO_ATTEMPT, **_NO_GATE, "ended_at": now})


def redrive() -> Change:
    """An end state but ``succeeded`` to ``queued``, as if it had just been accepted."""
    fresh = dict.fromkeys(("worker", "started_at", "ended_at", "expires_at", "published_at", "concurrency"))
    return _change("redrive", {**_NO_ATTEMPT, **_NO_GATE, **_NO_OUTCOME, **fresh, "attempt": 0, "lost": 0})


def fail(now: float, problem: dict[str, Any], failure: Failure) -> Change:
    """``queued|retrying`` to ``failed``."""
    sets = {**_NO_ATTEMPT, **_NO_GATE, "ended_at": now, "problem": problem, "failure": failure}
    return _change("fail", sets, states=lifecycle.WAITING, failed_at=now)


def applied(change: Change, execution: Execution) -> Execution:
    """Return the record as ``change`` leaves it."""
    sets = change.sets
    if not sets.keys() <= _FIELDS:
        sets = {name: value for name, value in sets.items() if name in _FIELDS}
    if change.counts:
        sets = {**sets, **{name: getattr(execution, name) + 1 for name in change.counts if name in _FIELDS}}
    return msgspec.structs.replace(execution, **sets)


def failed_attempt(change: Change, after: Execution) -> Attempt | None:
    """Return what ``change`` adds to the history of the record ``after`` it, or None."""
    if change.failed_at is None:
        return None
    return Attempt(
        attempt=after.attempt,
        started_at=after.started_at,
        ended_at=change.failed_at,
        worker=after.worker,
        failure=after.failure,
        problem=_in_short(after.problem or {}),
    )


def _in_short(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a problem says, bounded. Of violations only the places: their messages quote what may be secret."""
    told = {name: problem[name] for name in ("title", "status", "detail") if name in problem}
    if isinstance(errors := problem.get("errors"), list) and errors:
        told["detail"] = ", ".join(str(error.get("pointer")) for error in errors if isinstance(error, Mapping))
    if isinstance(detail := told.get("detail"), str) and len(detail) > LONGEST_DETAIL:
        told["detail"] = detail[:LONGEST_DETAIL] + "..."
    return told


def expire(now: float) -> Change:
    """``queued`` to ``expired``."""
    return _change("expire", {**_NO_ATTEMPT, **_NO_GATE, "ended_at": now})


def _change(
    name: lifecycle.Change,
    sets: dict[str, Any],
    *,
    states: tuple[State, ...] | None = None,
    counts: tuple[str, ...] = (),
    attempt: int | None = None,
    failed_at: float | None = None,
) -> Change:
    found, state = _found(name, states)
    return Change(found, {"state": state, **sets}, counts, attempt, failed_at=failed_at)


@functools.cache
def _found(name: lifecycle.Change, states: tuple[State, ...] | None) -> tuple[tuple[State, ...], State]:
    """Return the states that the change starts from, and the one state that it leads to."""
    found = states or before(name)
    (state,) = {transition(one, name) for one in found}
    return found, state
