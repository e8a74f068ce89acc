"""The store for more than one machine: a PostgreSQL database."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from funcatron.errors import Unavailable
from funcatron.execution import Attempt, Execution, Failure, LogLine, Progress, Status, StoredResult, transition
from funcatron.execution import Change as ChangeName
from funcatron.extras import needs
from funcatron.ports import Ending, ExecutionQuery, Lease, Message, Reservation
from funcatron.store import changes, gates, sql
from funcatron.store import postgres_sql as own
from funcatron.store.changes import Change

with needs("postgres"):
    from funcatron.store import postgres_changes as transactions
    from funcatron.store.postgres_presence import Attendance, Presence
    from funcatron.store.postgres_sessions import Session, Sessions

__all__ = ["PostgresStore"]

Executions: TypeAlias = list[Execution]  # "list" is a method below

Marks: TypeAlias = dict[str, Any]
Way: TypeAlias = Callable[[Session, Change, str], Execution | None]

logger = logging.getLogger(__name__)

PURGED_AT_ONCE = 500  # executions deleted in one transaction: others wait no longer for it


class PostgresStore:
    """An ExecutionStore (``funcatron.ports``) in the database that ``url`` names (``postgresql://user@host/database``).

    The database is connected to, and its tables are made or migrated, on first use. Safe to use from many threads,
    processes and machines, and after a fork. Every change is as durable, when the call returns, as the server makes it.

    Raises Unavailable while the server is away. Where the connection broke in the middle of a change, nobody knows at
    first whether it took effect: the same change of the same execution, asked for again, succeeds either way.
    """

    carries_messages = False

    def __init__(self, url: str) -> None:
        """Raises SettingsError where the URL cannot be read."""
        self._sessions = Sessions(url)
        self._attendance = Attendance(self._sessions)
        self._unsure: dict[tuple[str, str], list[Marks]] = {}

    def lease(self) -> Lease:
        """Take a worker id for this process, known to everyone who shares the database; raises Unavailable."""
        return Presence(self._sessions)

    def alive(self, worker: str) -> bool:
        """Tell whether the worker of this id lives, on whatever machine; True where nothing is known of it."""
        return self._attendance.alive(worker)

    def create(self, executions: Sequence[Execution], messages: Sequence[Message] = ()) -> list[bool]:
        """Insert the records in one statement; True for each new record."""
        if messages:
            raise ValueError("this store carries no messages")
        if not executions:
            return []
        return self._sessions.run(lambda session: transactions.insert(session, executions))

    def get(self, execution_id: str) -> Execution | None:
        """Return one record."""
        return self._one(sql.GET, {"id": execution_id})

    def statuses(self, execution_ids: Sequence[str]) -> Sequence[Status]:
        """Return where these executions stand."""
        asked = sql.status_queries(execution_ids)
        return [sql.status_from_row(row) for values in asked for row in self._rows(sql.STATUSES, values)]

    def find(self, *, function: str, event_source: str, event_id: str) -> Execution | None:
        """Return the record of this event for this function."""
        return self._one(sql.FIND_EVENT, {"event_source": event_source, "event_id": event_id, "function": function})

    def reserve(self, wanted: Reservation) -> Reservation | None:
        """Take an idempotency key; None where it is ``wanted``'s now, else the reservation that stands."""
        values = {**sql.reservation_values(wanted), "now": time.time()}
        while not self._rows(sql.RESERVE, values):
            for row in self._rows(sql.STANDING, values):  # none where it was given back this very moment
                standing = sql.reservation_from_row(row)
                return None if standing.execution_id == wanted.execution_id else standing
        return None

    def settle(self, reservation: Reservation, result: StoredResult | None) -> None:
        """Keep the answer of the call that has the key, or give the key back."""
        values = {**sql.reservation_values(reservation), "result": sql.encode("result", result)}
        self._write(sql.RELEASED if result is None else sql.ANSWERED, values)

    def list(self, query: ExecutionQuery) -> tuple[Executions, str | None]:
        """Return one page, newest first; a marker that is no longer there gives an empty page."""
        found = self._many(*sql.page(query))
        page = found[: query.limit]
        return page, page[-1].id if len(found) > query.limit and page else None

    def carry(self, message_of: Callable[[Execution], Message]) -> None:
        """No messages are carried here."""

    def admitted(self, function: str) -> Executions:
        """Return what was let through a gate and is not published yet."""
        return self._many(sql.ADMITTED, {"function": function})

    def admit(self, limits: Mapping[str, int], now: float) -> int:
        """Let through what is held at an open gate."""
        return self._sessions.run(lambda session: transactions.admit_overlooked(session, limits, now))

    def start(
        self, execution_id: str, *, worker: str, deadline: float | None, limit: int | None = None
    ) -> Execution | None:
        """Start the next attempt, or hold it at its gate; None where it runs, has ended, has expired or is unknown."""
        change = changes.start(time.time(), worker, deadline, limit)
        if limit is None:
            started = self._apply(change, execution_id)
            if started is not None or not self._rows(gates.BEHIND, {"id": execution_id}):
                return started
        return self._apply(change, execution_id, by=transactions.start_or_hold)

    def finish(self, execution_id: str, attempt: int, ending: Ending) -> Execution | None:
        """End the running attempt; None where this attempt no longer runs."""
        return self._end(changes.finish(time.time(), attempt, ending), execution_id)

    def lose(self, execution_id: str, attempt: int, ending: Ending) -> Execution | None:
        """End the running attempt of a worker that is gone, and count that."""
        return self._end(changes.lose(time.time(), attempt, ending), execution_id)

    def cancel(self, execution_id: str) -> Execution | None:
        """Cancel what has not ended; raises TransitionError if it has."""
        return self._end_or_raise(changes.cancel(time.time()), execution_id, "cancel")

    def redrive(self, execution_id: str) -> Execution | None:
        """Queue it anew; raises TransitionError unless it failed, expired or was cancelled."""
        return self._end_or_raise(changes.redrive(), execution_id, "redrive")

    def fail(self, execution_id: str, problem: dict[str, Any], failure: Failure) -> Execution | None:
        """End what waits; None where it does not wait."""
        return self._end(changes.fail(time.time(), problem, failure), execution_id)

    def progress(self, execution_id: str, attempt: int, progress: Progress) -> None:
        """Note how far the running attempt is; nothing happens where it no longer runs."""
        parameters = {"id": execution_id, "attempt": attempt, "progress": sql.encode("progress", progress)}
        self._write(sql.PROGRESS, parameters)

    def log(self, execution_id: str, lines: Sequence[LogLine]) -> None:
        """Append captured log lines."""
        if lines:
            columns = own.columns_of(sql.LOG_COLUMNS, [sql.log_row(execution_id, line) for line in lines])
            self._sessions.run(lambda session: session.execute(own.INSERT_LOG, columns))

    def logs(self, execution_id: str) -> Sequence[LogLine]:
        """Return all captured log lines in the order they were written."""
        return [LogLine(*row) for row in self._rows(sql.LOGS, {"id": execution_id})]

    def attempts(self, execution_id: str) -> Sequence[Attempt]:
        """Return the attempts that failed, in order."""
        return [sql.attempt_from_row(row) for row in self._rows(sql.ATTEMPTS, {"id": execution_id})]

    def due(self, *, now: float, stale: float, limit: int, unpublished: float | None = None) -> Executions:
        """Return what waits and must be published: first what is due, then what was accepted but not published."""
        found = self._many(own.DUE, {"now": now, "stale": stale, "limit": limit})
        if len(found) < limit:
            since = stale if unpublished is None else unpublished
            found += self._many(own.STALE, {"stale": stale, "unpublished": since, "limit": limit - len(found)})
        return found

    def published(self, executions: Sequence[Execution], now: float, messages: Sequence[Message] = ()) -> None:
        """Note that these were published, those that have not gone on since."""
        if messages:
            raise ValueError("this store carries no messages")
        if executions:
            columns = own.columns_of(("id", "attempt", "due_at"), [sql.published_row(one) for one in executions])
            self._sessions.run(lambda session: session.execute(own.PUBLISHED, [*columns, now]))

    def expire(self, now: float) -> int:
        """End what is queued past its time; return how many."""
        return self._sessions.run(lambda session: transactions.expire(session, now))

    def running(self) -> Executions:
        """Return every running execution."""
        return self._many(sql.RUNNING, {})

    def purge(self, before: float) -> int:
        """Delete what ended before ``before``, with all that belongs to it, in small transactions; expired keys; and
        what is known of workers long gone.
        """
        self._attendance.forget()
        self._write(sql.FORGOTTEN, {"now": time.time()})
        return sum(iter(lambda: self._purge(before), 0))

    def counts(self) -> Mapping[str, int]:
        """Return the number of executions per state, for the states that have any."""
        return {row[0]: row[1] for row in self._rows(sql.COUNTS, {})}

    def close(self) -> None:
        """Close the connections."""
        self._sessions.close()

    def _apply(self, change: Change, execution_id: str, *, by: Way | None = None) -> Execution | None:
        """Apply a change. Where one just like it broke off before, that one's having taken effect counts as well."""
        way = by or transactions.change
        key = execution_id, str(change.sets["state"])
        unsure = self._unsure.pop(key, [])
        before = bool(unsure)

        def update(session: Session) -> Execution | None:
            unsure.append(_marks(change))
            changed = way(session, change, execution_id)
            if changed is None and (before or session.again):
                found = transactions.get(session, execution_id)
                return found if found is not None and any(_bears(found, marks) for marks in unsure) else None
            return changed

        try:
            return self._sessions.run(update)
        except Unavailable:
            if unsure:
                self._unsure[key] = unsure
            raise

    def _end(self, change: Change, execution_id: str) -> Execution | None:
        """Apply a change that ends an attempt, and let through what waited for it."""
        changed = self._apply(change, execution_id)
        if changed is not None and changed.gated:
            try:
                self._sessions.run(lambda session: transactions.follow(session, changed))
            except Unavailable as error:
                logger.warning("what waits for the end of %s is let through later: %s", execution_id, error)
        return changed

    def _end_or_raise(self, change: Change, execution_id: str, name: ChangeName) -> Execution | None:
        changed = self._end(change, execution_id)
        if changed is None and (found := self.get(execution_id)) is not None:
            transition(found.state, name)
        return changed

    def _one(self, text: str, parameters: Mapping[str, Any]) -> Execution | None:
        found = self._many(text, parameters)
        return found[0] if found else None

    def _many(self, text: str, parameters: Mapping[str, Any]) -> Executions:
        return [sql.from_row(row) for row in self._rows(text, parameters)]

    def _rows(self, text: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        return self._sessions.run(lambda session: transactions.rows(session, text, parameters))

    def _write(self, text: str, parameters: Mapping[str, Any]) -> int:
        statement, values = own.native(text), own.given(parameters)
        return self._sessions.run(lambda session: session.execute(statement, values).rowcount)

    def _purge(self, before: float) -> int:
        ((count,),) = self._rows(own.PURGE, {"before": before, "limit": PURGED_AT_ONCE})
        return int(count)


def _marks(change: Change) -> Marks:
    """Return what tells that this very change was the last one of a record: the times above all."""
    names = ("state", "worker", "started_at", "ended_at", "due_at", "deadline")
    return {name: change.sets[name] for name in names if name in change.sets}


def _bears(record: Execution, marks: Marks) -> bool:
    return all(getattr(record, name) == value for name, value in marks.items())
