"""The store in memory: for tests and for what need not outlive its process. It keeps the contract of the real ones."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from funcatron.clock import SYSTEM_CLOCK, Clock
from funcatron.execution import (
    ENDED,
    WAITING,
    Attempt,
    Execution,
    Failure,
    LogLine,
    Progress,
    Status,
    StoredResult,
    transition,
)
from funcatron.execution import Change as ChangeName
from funcatron.ports import Ending, ExecutionQuery, Message, Reservation
from funcatron.store import changes
from funcatron.store.changes import Change
from funcatron.store.gates import PATIENCE
from funcatron.store.lease import new_owner

__all__ = ["MemoryStore"]

Executions: TypeAlias = list[Execution]  # "list" is a method below


class Here:
    """The lease of the one process that has a MemoryStore."""

    def __init__(self) -> None:
        self.id = new_owner()
        self.held = True

    def release(self) -> None:
        """Give it up."""
        self.held = False


class MemoryStore:
    """An ExecutionStore (``funcatron.ports``) in a dictionary; safe to use from many threads of one process."""

    carries_messages = False

    def __init__(self, url: str = "memory://", *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._records: dict[str, Execution] = {}
        self._identities: dict[tuple[str | None, str | None, str], str] = {}
        self._keys: dict[tuple[str, str, str], Reservation] = {}
        self._attempts: dict[str, list[Attempt]] = {}
        self._published: dict[str, float | None] = {}
        self._logs: dict[str, list[LogLine]] = {}
        self._lines: dict[str, dict[str, None]] = {}

    def carry(self, message_of: Callable[[Execution], Message]) -> None:
        """No messages are carried here."""

    def lease(self) -> Here:
        """Take an id."""
        return Here()

    def alive(self, worker: str) -> bool:
        """Say True: who shares this store shares its process."""
        return True

    def create(self, executions: Sequence[Execution], messages: Sequence[Message] = ()) -> list[bool]:
        """Insert the records; True for each that is new."""
        _refuse(messages)
        with self._lock:
            return [self._insert(execution) for execution in executions]

    def get(self, execution_id: str) -> Execution | None:
        """Return one record."""
        return self._records.get(execution_id)

    def statuses(self, execution_ids: Sequence[str]) -> Sequence[Status]:
        """Return where these executions stand."""
        found = (self._records.get(execution_id) for execution_id in execution_ids)
        return [Status.of(execution) for execution in found if execution is not None]

    def find(self, *, function: str, event_source: str, event_id: str) -> Execution | None:
        """Return the record of this event for this function."""
        return self._records.get(self._identities.get((event_source, event_id, function), ""))

    def reserve(self, wanted: Reservation) -> Reservation | None:
        """Take an idempotency key; None where it is ``wanted``'s now, else the reservation that stands."""
        now = self._clock.time()
        with self._lock:
            standing = self._keys.get(_key(wanted))
            if standing is not None and standing.expires_at > now:
                known = standing.result is not None or standing.execution_id in self._records
                if known or standing.deadline > now:
                    return standing
            self._keys[_key(wanted)] = wanted
            return None

    def settle(self, reservation: Reservation, result: StoredResult | None) -> None:
        """Keep the answer of the call that has the key, or give the key back."""
        with self._lock:
            standing = self._keys.get(_key(reservation))
            if standing is None or standing.execution_id != reservation.execution_id:
                return
            if result is None:
                if standing.result is None:
                    del self._keys[_key(reservation)]
            else:
                self._keys[_key(reservation)] = replace(standing, result=result)

    def list(self, query: ExecutionQuery) -> tuple[Executions, str | None]:
        """Return one page, newest first; a marker that is no longer there gives an empty page."""
        with self._lock:
            found = sorted(filter(_matcher(query), self._records.values()), key=_age, reverse=True)
            if query.marker is not None:
                last = self._records.get(query.marker)
                found = [] if last is None else [one for one in found if _age(one) < _age(last)]
        page = found[: query.limit]
        return page, page[-1].id if len(found) > query.limit and page else None

    def admitted(self, function: str) -> Executions:
        """Return what was let through a gate and is not published yet."""
        with self._lock:
            found = [one for one in self._records.values() if one.gate == "admitted" and one.function == function]
            return [one for one in found if self._published[one.id] is None]

    def admit(self, limits: Mapping[str, int], now: float) -> int:
        """Let through what is held at an open gate."""
        with self._lock:
            held = [one for one in self._records.values() if one.gate == "order" and self._in_turn(one)]
            for function in {one.function for one in self._records.values() if one.gate == "concurrency"}:
                held += self._with_room(function, limits.get(function), now)
            for execution in held:
                self._apply(changes.admit(now), execution.id)
            return len(held)

    def start(
        self, execution_id: str, *, worker: str, deadline: float | None, limit: int | None = None
    ) -> Execution | None:
        """Start the next attempt, or hold it at its gate; None where it runs, has ended, has expired or is unknown."""
        now = self._clock.time()
        with self._lock:
            started = self._apply(changes.start(now, worker, deadline, limit), execution_id)
            found = self._records.get(execution_id)
            if started is not None or found is None:
                return started
            if not self._in_turn(found):
                return self._apply(changes.hold(now, "order"), execution_id)
            return None if limit is None else self._apply(changes.hold(now, "concurrency"), execution_id)

    def finish(self, execution_id: str, attempt: int, ending: Ending) -> Execution | None:
        """End the running attempt; None where this attempt no longer runs."""
        return self._apply(changes.finish(self._clock.time(), attempt, ending), execution_id)

    def lose(self, execution_id: str, attempt: int, ending: Ending) -> Execution | None:
        """End the running attempt of a worker that is gone."""
        return self._apply(changes.lose(self._clock.time(), attempt, ending), execution_id)

    def cancel(self, execution_id: str) -> Execution | None:
        """Cancel what has not ended; raises TransitionError if it has."""
        return self._apply_or_raise(changes.cancel(self._clock.time()), execution_id, "cancel")

    def redrive(self, execution_id: str) -> Execution | None:
        """Queue it anew; raises TransitionError unless it failed, expired or was cancelled."""
        return self._apply_or_raise(changes.redrive(), execution_id, "redrive")

    def fail(self, execution_id: str, problem: dict[str, Any], failure: Failure) -> Execution | None:
        """End what waits; None where it does not wait."""
        return self._apply(changes.fail(self._clock.time(), problem, failure), execution_id)

    def progress(self, execution_id: str, attempt: int, progress: Progress) -> None:
        """Note how far the running attempt is; nothing happens where it no longer runs."""
        self._apply(changes.change(("running",), {"progress": progress}, attempt=attempt), execution_id)

    def log(self, execution_id: str, lines: Sequence[LogLine]) -> None:
        """Append captured log lines."""
        with self._lock:
            self._logs.setdefault(execution_id, []).extend(lines)

    def logs(self, execution_id: str) -> Sequence[LogLine]:
        """Return all captured log lines in the order they were written."""
        with self._lock:
            return tuple(self._logs.get(execution_id, ()))

    def attempts(self, execution_id: str) -> Sequence[Attempt]:
        """Return the attempts that failed, in order."""
        with self._lock:
            return tuple(self._attempts.get(execution_id, ()))

    def due(self, *, now: float, stale: float, limit: int, unpublished: float | None = None) -> Executions:
        """Return what waits and must be published: first what is due, then what was accepted but not published."""
        with self._lock:
            waiting = [(one, self._published[one.id]) for one in self._records.values() if one.state in WAITING]
        since = stale if unpublished is None else unpublished
        silent = [one for one, published in waiting if published is None or published < stale]
        due = sorted((one for one in silent if one.due_at is not None and one.due_at <= now), key=_due_at)
        stuck = sorted(
            (one for one in silent if one.due_at is None and one.gate is None and one.created_at < since), key=_age
        )
        return [*due, *stuck][:limit]

    def published(self, executions: Sequence[Execution], now: float, messages: Sequence[Message] = ()) -> None:
        """Note that these were published, those that have not gone on since."""
        _refuse(messages)
        with self._lock:
            for execution in executions:
                found = self._records.get(execution.id, execution)
                if (found.attempt, found.due_at or 0.0) == (execution.attempt, execution.due_at or 0.0):
                    self._apply(changes.change(WAITING, {"published_at": now}), execution.id)

    def expire(self, now: float) -> int:
        """End what is queued past its time; return how many."""
        with self._lock:
            ids = [one.id for one in self._records.values() if one.expires_at is not None and one.expires_at <= now]
            return sum(self._apply(changes.expire(now), execution_id) is not None for execution_id in ids)

    def running(self) -> Executions:
        """Return every running execution."""
        with self._lock:
            return [one for one in self._records.values() if one.state == "running"]

    def purge(self, before: float) -> int:
        """Delete what ended before ``before``, failed ones excepted, with all that belongs to it; and expired keys."""
        now = self._clock.time()
        with self._lock:
            self._keys = {key: held for key, held in self._keys.items() if held.expires_at > now}
            old = [one for one in self._records.values() if one.ended_at is not None and one.ended_at < before]
            gone = [one for one in old if one.state in ENDED - {"failed"}]
            for execution in gone:
                del self._records[execution.id], self._published[execution.id]
                self._logs.pop(execution.id, None)
                self._attempts.pop(execution.id, None)
                self._identities.pop(_identity(execution), None)
            return len(gone)

    def counts(self) -> Mapping[str, int]:
        """Return the number of executions per state, for the states that have any."""
        with self._lock:
            return dict(Counter(one.state for one in self._records.values()))

    def close(self) -> None:
        """Nothing is open."""

    def _insert(self, execution: Execution) -> bool:
        identity = _identity(execution)
        if execution.id in self._records or identity in self._identities:
            return False
        self._records[execution.id] = execution
        self._published[execution.id] = None
        if execution.event_id is not None:
            self._identities[identity] = execution.id
        self._join(execution)
        return True

    def _join(self, execution: Execution) -> None:
        if execution.order_key is not None:
            self._lines.setdefault(execution.order_key, {})[execution.id] = None

    def _in_turn(self, execution: Execution) -> bool:
        line = self._lines.get(execution.order_key or "", {})
        return execution.id not in line or next(iter(line)) == execution.id

    def _with_room(self, function: str, limit: int | None, now: float) -> Executions:
        mine = [one for one in self._records.values() if one.function == function]
        held = sorted((one for one in mine if one.gate == "concurrency"), key=_age)
        if limit is None:
            return held
        coming = [one for one in mine if one.gate == "admitted" and (one.due_at or 0.0) > now - PATIENCE]
        return held[: max(0, limit - self._running(function) - len(coming))]

    def _follow(self, changed: Execution, now: float) -> None:
        """Keep the gates of an execution whose attempt has ended, or which was redriven."""
        if changed.state == "queued":
            self._join(changed)
            return
        found: Executions = []
        if changed.order_key is not None and changed.ended:
            line = self._lines.get(changed.order_key, {})
            line.pop(changed.id, None)
            first = self._records.get(next(iter(line), ""))
            found += [first] if first is not None and first.gate == "order" else []
            if not line:
                self._lines.pop(changed.order_key, None)
        if changed.concurrency is not None:
            found += self._with_room(changed.function, changed.concurrency, now)
        for execution in found:
            self._apply(changes.admit(now), execution.id)

    def _apply(self, change: Change, execution_id: str) -> Execution | None:
        with self._lock:
            found = self._records.get(execution_id)
            if found is None or not _applies(change, found):
                return None
            if change.kind.in_turn and not self._in_turn(found):
                return None
            if change.limit is not None and self._running(found.function) >= change.limit:
                return None
            changed = self._records[execution_id] = changes.applied(change, found)
            if (attempt := changes.failed_attempt(change, changed)) is not None:
                self._attempts.setdefault(execution_id, []).append(attempt)
            if "published_at" in (sets := change.sets):
                self._published[execution_id] = sets["published_at"]
            if changed.gated and changed.state not in (found.state, "running"):
                self._follow(changed, self._clock.time())
            return changed

    def _running(self, function: str) -> int:
        return sum(one.state == "running" and one.function == function for one in self._records.values())

    def _apply_or_raise(self, change: Change, execution_id: str, name: ChangeName) -> Execution | None:
        with self._lock:
            changed = self._apply(change, execution_id)
            if changed is None and (found := self.get(execution_id)) is not None:
                transition(found.state, name)
            return changed


def _applies(change: Change, execution: Execution) -> bool:
    expired = (
        change.unexpired is not None
        and execution.state == "queued"
        and (execution.expires_at is not None and execution.expires_at <= change.unexpired)
    )
    return execution.state in change.kind.before and change.attempt in (None, execution.attempt) and not expired


def _identity(execution: Execution) -> tuple[str | None, str | None, str]:
    return execution.event_source, execution.event_id, execution.function


def _key(reservation: Reservation) -> tuple[str, str, str]:
    return reservation.function, reservation.key, reservation.principal_id


def _matcher(query: ExecutionQuery) -> Callable[[Execution], bool]:
    names = [name for name in ("function", "state", "trigger", "project_id") if getattr(query, name) is not None]
    since = float("-inf") if query.since is None else query.since
    until = float("inf") if query.until is None else query.until

    def matches(execution: Execution) -> bool:
        if not since <= execution.created_at < until:
            return False
        return all(getattr(execution, name) == getattr(query, name) for name in names)

    return matches


def _age(execution: Execution) -> tuple[float, str]:
    return execution.created_at, execution.id


def _due_at(execution: Execution) -> float:
    return execution.due_at or 0.0


def _refuse(messages: Sequence[Message]) -> None:
    if messages:
        raise ValueError("this store carries no messages")
