"""What a change of state does to a record, said once for every store.

A Change is a compare-and-set: the states (and the attempt) it may find, and the fields it then sets. A store applies
it in one step or not at all. The states themselves come from the table in ``funcatron.execution``.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Any, cast

import msgspec

from funcatron import execution as lifecycle
from funcatron.execution import Attempt, Execution, Failure, Gate, State, before, transition
from funcatron.ports import Ending

__all__ = [
    "Change",
    "Kind",
    "admit",
    "applied",
    "cancel",
    "change",
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


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What all changes of one kind have in common. One object stands for it, under which stores keep what they make of
    it.

    ``before``: the states it starts from. ``fixed``: fields to what they are always set to, the state or null.
    ``sets``: the fields that are set to values. ``counts``: fields that grow by one. ``in_turn``: no other with its
    ``order_key`` that was accepted earlier may be there, not ended. ``asks``: whether a change says ``attempt``,
    ``unexpired``, ``limit``.
    """

    before: tuple[State, ...]
    fixed: Mapping[str, Any]
    sets: tuple[str, ...]
    counts: tuple[str, ...]
    in_turn: bool
    asks: tuple[bool, bool, bool]


class Change(msgspec.Struct, frozen=True):
    """A compare-and-set of one record.

    ``values`` are those of its kind's ``sets``, in order; beyond the fields of Execution a store keeps
    ``published_at`` (when a message was last published, None: not since it waits) and ``lost`` (attempts that ended
    with their worker). ``attempt``: the attempt that must be running. ``unexpired``: the time (seconds since the epoch)
    at which a queued record must not have expired. ``limit``: fewer of its function than this must be running.
    ``failed_at``: when the attempt failed that ends so; a store then adds ``failed_attempt`` to the record's history.
    """

    kind: Kind
    values: tuple[Any, ...]
    attempt: int | None = None
    unexpired: float | None = None
    limit: int | None = None
    failed_at: float | None = None

    @property
    def sets(self) -> dict[str, Any]:
        """All fields that it sets, to their values."""
        return {**self.kind.fixed, **dict(zip(self.kind.sets, self.values, strict=True))}


_FIELDS = frozenset(Execution.__struct_fields__)
_NO_ATTEMPT = {"deadline": None, "due_at": None}
_NO_GATE = {"gate": None}
_OUTCOME = ("result", "problem", "failure")
_NO_OUTCOME = dict.fromkeys((*_OUTCOME, "progress"))
_is_given = functools.partial(operator.is_not, None)


def start(now: float, worker: str, deadline: float | None, limit: int | None = None) -> Change:
    """``queued|retrying`` to ``running``, its gates being open; what the attempt before left is cleared."""
    kind = _started(deadline is not None, limit is not None)
    values = tuple(filter(_is_given, (now, worker, deadline, limit)))
    return Change(kind, values, unexpired=now, limit=limit)


@functools.cache
def _started(timed: bool, limited: bool) -> Kind:
    found, state = _found("start", None)
    sets = ("started_at", "worker", *(["deadline"] * timed), *(["concurrency"] * limited))
    cleared = {**_NO_OUTCOME, **_NO_GATE, **_NO_ATTEMPT}
    fixed = {"state": state, **{name: None for name in cleared if name not in sets}}
    return Kind(found, fixed, sets, ("attempt",), True, (False, True, limited))


def hold(now: float, gate: Gate) -> Change:
    """What waits stays as it is, without a message, until its gate opens."""
    return change(lifecycle.WAITING, {"gate": gate, "due_at": None, "published_at": None}, unexpired=now)


def admit(now: float) -> Change:
    """What waits is let through its gate: it is due."""
    return change(lifecycle.WAITING, {"gate": "admitted", "due_at": now, "published_at": None})


def finish(now: float, attempt: int, ending: Ending) -> Change:
    """``running`` to what ``ending`` says; raises TransitionError where it names no end of an attempt."""
    return _finish(now, attempt, ending, lost=False)


def lose(now: float, attempt: int, ending: Ending) -> Change:
    """As ``finish``, for an attempt whose worker is gone."""
    return _finish(now, attempt, ending, lost=True)


def _finish(now: float, attempt: int, ending: Ending, *, lost: bool) -> Change:
    result, problem, failure = ending.result, ending.problem, ending.failure
    kind = _finished(ending.change, result is not None, problem is not None, failure is not None, lost)
    moment = ending.due_at if ending.change == "retry" and ending.due_at is not None else now
    values = tuple(filter(_is_given, (result, problem, failure, moment)))
    return Change(kind, values, attempt=attempt, failed_at=None if ending.change == "succeed" else now)


@functools.cache
def _finished(change: str, result: bool, problem: bool, failure: bool, lost: bool) -> Kind:
    retried = change == "retry"
    found, state = _found(cast("lifecycle.Change", change), ("running",))  # the table is asked whether it is one
    sets = (*compress(_OUTCOME, (result, problem, failure)), "due_at" if retried else "ended_at")
    cleared = (*_NO_ATTEMPT, *_OUTCOME, *(["published_at"] * retried))
    fixed = {"state": state, **{name: None for name in cleared if name not in sets}}
    return Kind(found, fixed, sets, ("lost",) if lost else (), False, (True, False, False))


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
    sets |= {name: getattr(execution, name) + 1 for name in change.kind.counts if name in _FIELDS}
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
    sets: Mapping[str, Any],
    *,
    states: tuple[State, ...] | None = None,
    failed_at: float | None = None,
) -> Change:
    found, state = _found(name, states)
    return change(found, {"state": state, **sets}, failed_at=failed_at)


def change(
    before: tuple[State, ...],
    sets: Mapping[str, Any],
    *,
    attempt: int | None = None,
    unexpired: float | None = None,
    failed_at: float | None = None,
) -> Change:
    """Return the change from these states that sets these fields."""
    given = tuple(name for name, value in sets.items() if value is not None and name != "state")
    fixed = tuple((name, value) for name, value in sets.items() if name not in given)
    kind = _kind(before, fixed, given, (attempt is not None, unexpired is not None, False))
    return Change(kind, tuple(sets[name] for name in given), attempt, unexpired, None, failed_at)


@functools.cache
def _kind(
    before: tuple[State, ...], fixed: tuple[tuple[str, Any], ...], sets: tuple[str, ...], asks: tuple[bool, bool, bool]
) -> Kind:
    return Kind(before, dict(fixed), sets, (), False, asks)


@functools.cache
def _found(name: lifecycle.Change, states: tuple[State, ...] | None) -> tuple[tuple[State, ...], State]:
    """Return the states that the change starts from, and the one state that it leads to."""
    found = states or before(name)
    (state,) = {transition(one, name) for one in found}
    return found, state
