"""The embedded store: one SQLite file for records and, with the SQLite transport, for the messages that name them."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias

from funcatron.execution import STATES, Attempt, Execution, Failure, LogLine, Progress, Status, StoredResult, transition
from funcatron.execution import Change as ChangeName
from funcatron.ports import Ending, ExecutionQuery, Message, Reservation
from funcatron.store import changes, gates, sql
from funcatron.store.changes import Change
from funcatron.store.database import Database, OnDisk
from funcatron.store.lease import Lease, is_held
from funcatron.store.opening import path_of
from funcatron.store.wakeup import wake

__all__ = ["SQLiteStore"]

logger = logging.getLogger(__name__)

Executions: TypeAlias = list[Execution]  # "list" is a method below

INSERT_MESSAGE = "insert into message (queue, payload, due, execution) values (?, ?, ?, ?)"
COUNTED = [state for state in STATES if state != "succeeded"]
COUNTS = " union all ".join(
    [f"select '{state}', count(*) from execution where state = '{state}'" for state in COUNTED]  # noqa: S608 - ours
    + ["select 'succeeded', count(*) from execution"]
)
"""Those that succeeded, who are most, are in no index: the last row counts all."""
PURGED_AT_ONCE = 500  # executions deleted in one transaction: others wait no longer for it


class SQLiteStore:
    """An ExecutionStore (``funcatron.ports``) in the file that ``url`` names (``sqlite:////abs/file``, ``sqlite:///rel``).

    The file is opened, and made or migrated, on first use. Safe to use from many threads, processes and after a fork.
    Every change is in the file when the call returns: it survives the death of every process. What was accepted,
    published, cancelled or redriven is on the disk by then too, and survives that of the machine. Starts, ends,
    progress and logs follow within 20 ms, so that executing does not wait for the disk: an attempt of the last
    20 ms before a power cut may run again as if it had not. ``finish_later`` alone promises less: the end of one
    attempt and the start of the next are one transaction, and a process that dies just between them has its last
    attempt repeated.
    """

    carries_messages = True

    def __init__(self, url: str) -> None:
        """Raises SettingsError where the URL names no file."""
        self._database = Database.share(path_of(url))
        self._closed = False
        self._message_of: Callable[[Execution], Message] | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    @property
    def leases(self) -> Path:
        """The folder where the leases of those who own something in this file stand."""
        return self._database.leases

    def lease(self) -> Lease:
        """Take a lease, which the kernel ends with this process."""
        return Lease.acquire(self.leases)

    def alive(self, worker: str) -> bool:
        """Tell whether the worker of this id lives; False for what is no lease of this file."""
        return is_held(self.leases, worker)

    def carry(self, message_of: Callable[[Execution], Message]) -> None:
        """Write messages of what is let through a gate: see ExecutionStore."""
        self._message_of = message_of

    def create(self, executions: Sequence[Execution], messages: Sequence[Message] = ()) -> list[bool]:
        """Insert records and messages in one transaction, wake the waiting workers; True for each new record."""
        if messages and len(messages) != len(executions):
            raise ValueError("there must be one message for each execution, or none at all")
        now = time.time() if messages else None
        inserts = [sql.insert(execution, now) for execution in executions]
        with self._database.write() as connection:
            new = _insert(connection, inserts)
            posts = [_post(m, e.id) for m, e, fresh in zip(messages, executions, new, strict=False) if fresh]
            connection.executemany(INSERT_MESSAGE, posts)
            turns = [(e.order_key, e.id) for e, fresh in zip(executions, new, strict=True) if fresh and e.order_key]
            connection.executemany(gates.JOIN, turns)
        self._wake(bool(posts))
        return new

    def get(self, execution_id: str) -> Execution | None:
        """Return one record."""
        return self._one(sql.GET, {"id": execution_id})

    def statuses(self, execution_ids: Sequence[str]) -> Sequence[Status]:
        """Return where these executions stand."""
        self._database.write_now()
        with self._database.read() as connection:
            return [
                sql.status_from_row(row)
                for asked in sql.status_queries(execution_ids)
                for row in connection.execute(sql.STATUSES, asked).fetchall()
            ]

    def find(self, *, function: str, event_source: str, event_id: str) -> Execution | None:
        """Return the record of this event for this function."""
        identity = {"event_source": event_source, "event_id": event_id, "function": function}
        return self._one(sql.FIND_EVENT, identity)

    def reserve(self, wanted: Reservation) -> Reservation | None:
        """Take an idempotency key; None where it is ``wanted``'s now, else the reservation that stands."""
        values = {**sql.reservation_values(wanted), "now": time.time()}
        with self._database.write() as connection:
            if connection.execute(sql.RESERVE, values).fetchone() is not None:
                return None
            return sql.reservation_from_row(connection.execute(sql.STANDING, values).fetchone())

    def settle(self, reservation: Reservation, result: StoredResult | None) -> None:
        """Keep the answer of the call that has the key, or give the key back."""
        values = {**sql.reservation_values(reservation), "result": sql.encode("result", result)}
        with self._database.write(on_disk="soon") as connection:
            connection.execute(sql.RELEASED if result is None else sql.ANSWERED, values)

    def list(self, query: ExecutionQuery) -> tuple[Executions, str | None]:
        """Return one page, newest first; a marker that is no longer there gives an empty page."""
        found = self._many(*sql.page(query))
        page = found[: query.limit]
        return page, page[-1].id if len(found) > query.limit and page else None

    def admitted(self, function: str) -> Executions:
        """Return what was let through a gate and is not published yet."""
        return self._many(sql.ADMITTED, {"function": function})

    def admit(self, limits: Mapping[str, int], now: float) -> int:
        """Let through what is held at an open gate."""
        with self._database.read() as connection:
            if not gates.overlooked(_run(connection), limits, now):
                return 0
        with self._database.write() as connection:
            found = gates.overlooked(_run(connection), limits, now)
            posted = self._admit(connection, found, now)
        self._wake(posted)
        return len(found)

    def start(
        self, execution_id: str, *, worker: str, deadline: float | None, limit: int | None = None
    ) -> Execution | None:
        """Start the next attempt, or hold it at its gate; None where it runs, has ended, has expired or is unknown."""
        now = time.time()
        with self._database.write(on_disk="soon") as connection:
            started = _change(connection, changes.start(now, worker, deadline, limit), execution_id)
            if started is None and (gate := gates.closed(_run(connection), execution_id, limit)) is not None:
                return _change(connection, changes.hold(now, gate), execution_id)
        return started

    def finish(self, execution_id: str, attempt: int, ending: Ending) -> Execution | None:
        """End the running attempt; None where this attempt no longer runs."""
        return self._apply(changes.finish(time.time(), attempt, ending), execution_id, on_disk="soon")

    def finish_later(self, running: Execution, ending: Ending) -> Execution | None:
        """End an attempt of whose end nobody else needs to hear, with the next transaction of this process: the start
        of another, or the deletion of its message at the latest. Returns the record as it will be; None where that
        will not do, and ``finish`` is to be called.
        """
        if self._message_of is None or running.gated or ending.change != "succeed":
            return None  # the message is in another broker, or others wait for the end, or it has a history to keep
        change = changes.finish(time.time(), running.attempt, ending)
        text, values = sql.update(change, running.id, returning=False)

        def end(connection: sqlite3.Connection) -> None:
            if connection.execute(text, values).rowcount == 0:
                logger.info("execution %s was ended by others while it ran; its result is dropped", running.id)

        self._database.write_later(end)
        return changes.applied(change, running)

    def lose(self, execution_id: str, attempt: int, ending: Ending) -> Execution | None:
        """End the running attempt of a worker that is gone, and count that."""
        return self._apply(changes.lose(time.time(), attempt, ending), execution_id)

    def cancel(self, execution_id: str) -> Execution | None:
        """Cancel what has not ended; raises TransitionError if it has."""
        return self._apply_or_raise(changes.cancel(time.time()), execution_id, "cancel")

    def redrive(self, execution_id: str) -> Execution | None:
        """Queue it anew; raises TransitionError unless it failed, expired or was cancelled."""
        return self._apply_or_raise(changes.redrive(), execution_id, "redrive")

    def fail(self, execution_id: str, problem: dict[str, Any], failure: Failure) -> Execution | None:
        """End what waits; None where it does not wait."""
        return self._apply(changes.fail(time.time(), problem, failure), execution_id)

    def progress(self, execution_id: str, attempt: int, progress: Progress) -> None:
        """Note how far the running attempt is; nothing happens where it no longer runs."""
        parameters = {"id": execution_id, "attempt": attempt, "progress": sql.encode("progress", progress)}
        with self._database.write(on_disk="soon") as connection:
            connection.execute(sql.PROGRESS, parameters)

    def log(self, execution_id: str, lines: Sequence[LogLine]) -> None:
        """Append captured log lines."""
        if lines:
            with self._database.write(on_disk="soon") as connection:
                connection.executemany(sql.LOG, [sql.log_row(execution_id, line) for line in lines])

    def logs(self, execution_id: str) -> Sequence[LogLine]:
        """Return all captured log lines in the order they were written."""
        with self._database.read() as connection:
            return [LogLine(*row) for row in connection.execute(sql.LOGS, {"id": execution_id})]

    def attempts(self, execution_id: str) -> Sequence[Attempt]:
        """Return the attempts that failed, in order."""
        with self._database.read() as connection:
            return [sql.attempt_from_row(row) for row in connection.execute(sql.ATTEMPTS, {"id": execution_id})]

    def due(self, *, now: float, stale: float, limit: int, unpublished: float | None = None) -> Executions:
        """Return what waits and must be published: first what is due, then what was accepted but not published."""
        found = self._many(sql.DUE, {"now": now, "stale": stale, "limit": limit})
        if len(found) < limit:
            since = stale if unpublished is None else unpublished
            found += self._many(sql.STALE, {"stale": stale, "unpublished": since, "limit": limit - len(found)})
        return found

    def published(self, executions: Sequence[Execution], now: float, messages: Sequence[Message] = ()) -> None:
        """Note that these were published, and write their messages, in one transaction; wake who waits for them."""
        if messages and len(messages) != len(executions):
            raise ValueError("there must be one message for each execution, or none at all")
        with self._database.write() as connection:
            noted = [connection.execute(sql.PUBLISHED, (now, *sql.published_row(one))).rowcount for one in executions]
            posts = [_post(m, e.id) for m, e, n in zip(messages, executions, noted, strict=False) if n]
            connection.executemany(INSERT_MESSAGE, posts)
        self._wake(bool(posts))

    def expire(self, now: float) -> int:
        """End what is queued past its time; return how many."""
        with self._database.write() as connection:
            expired = connection.execute(*sql.expire(changes.expire(now), now)).fetchall()
            run = _run(connection)
            ordered = [(execution_id, line) for execution_id, line in expired if line is not None]
            posted = self._admit(connection, [n for one in ordered for n in gates.leave(run, *one)], now)
        self._wake(posted)
        return len(expired)

    def running(self) -> Executions:
        """Return every running execution."""
        return self._many(sql.RUNNING, {})

    def purge(self, before: float) -> int:
        """Delete what ended before ``before``, with all that belongs to it, in small transactions; and expired keys."""
        with self._database.write(on_disk="soon") as connection:
            connection.execute(sql.FORGOTTEN, {"now": time.time()})
        return sum(iter(lambda: self._purge(before), 0))

    def counts(self) -> Mapping[str, int]:
        """Return the number of executions per state, for the states that have any."""
        self._database.write_now()
        with self._database.read() as connection:
            counts = dict(connection.execute(COUNTS).fetchall())
        counts["succeeded"] -= sum(counts[state] for state in COUNTED)
        return {state: count for state, count in counts.items() if count}

    def close(self) -> None:
        """Close the file, unless something else in this process uses it."""
        if not self._closed:
            self._closed = True
            self._database.close()

    def _apply(self, change: Change, execution_id: str, *, on_disk: OnDisk = "now") -> Execution | None:
        posted = False
        with self._database.write(on_disk=on_disk) as connection:
            changed = _change(connection, change, execution_id)
            if changed is not None and changed.gated:
                posted = self._follow(connection, changed)
        self._wake(posted)
        return changed

    def _follow(self, connection: sqlite3.Connection, changed: Execution) -> bool:
        """Keep the gates of an execution whose attempt has ended, or which was redriven; True if that made messages."""
        if changed.state == "queued":
            connection.execute(gates.JOIN, (changed.order_key, changed.id))
            return False
        now = time.time()
        return self._admit(connection, gates.follow(_run(connection), changed, now), now)

    def _admit(self, connection: sqlite3.Connection, execution_ids: Sequence[str], now: float) -> bool:
        """Let these through; True if that made messages."""
        admitted = [_change(connection, changes.admit(now), execution_id) for execution_id in execution_ids]
        if not admitted or self._message_of is None:
            return False
        posts = [(self._message_of(one), one.id) for one in admitted if one is not None]
        connection.executemany(INSERT_MESSAGE, [_post(*post) for post in posts])
        connection.executemany(sql.PUBLISHED, [(now, *sql.published_row(one)) for one in admitted if one is not None])
        return bool(posts)

    def _wake(self, posted: bool) -> None:
        if posted:
            wake(self.leases)

    def _apply_or_raise(self, change: Change, execution_id: str, name: ChangeName) -> Execution | None:
        changed = self._apply(change, execution_id)
        if changed is None and (found := self.get(execution_id)) is not None:
            transition(found.state, name)
        return changed

    def _one(self, text: str, parameters: Mapping[str, Any]) -> Execution | None:
        self._database.write_now()
        with self._database.read() as connection:
            row = connection.execute(text, parameters).fetchone()
        return None if row is None else sql.from_row(row)

    def _many(self, text: str, parameters: Mapping[str, Any]) -> Executions:
        self._database.write_now()
        with self._database.read() as connection:
            rows = connection.execute(text, parameters).fetchall()
        return [sql.from_row(row) for row in rows]

    def _purge(self, before: float) -> int:
        with self._database.write(on_disk="soon") as connection:
            ids = connection.execute(sql.ENDED_BEFORE, {"before": before, "limit": PURGED_AT_ONCE}).fetchall()
            for table in ("log", "message", "attempt"):
                connection.executemany(f"delete from {table} where execution = ?", ids)  # noqa: S608 - names of ours
            connection.executemany("delete from execution where id = ?", ids)
        return len(ids)


def _insert(connection: sqlite3.Connection, inserts: Sequence[tuple[str, tuple[Any, ...]]]) -> list[bool]:
    """Insert records; True for each that is new."""
    connection.execute("savepoint batch")
    count = 0
    for text, group in groupby(inserts, itemgetter(0)):
        count += connection.executemany(text, map(itemgetter(1), group)).rowcount
    if count == len(inserts):
        return [True] * count
    connection.execute("rollback to batch")  # some are duplicates: which ones, only one by one can tell
    return [connection.execute(*insert).rowcount == 1 for insert in inserts]


def _change(connection: sqlite3.Connection, change: Change, execution_id: str) -> Execution | None:
    if connection.execute(*sql.update(change, execution_id, returning=False)).rowcount == 0:
        return None
    row = connection.execute(sql.left(change), (execution_id,)).fetchone()  # cheaper than what an update returns
    changed = sql.after(change, row)
    if (attempt := changes.failed_attempt(change, changed)) is not None:
        connection.execute(sql.ATTEMPT, sql.attempt_row(execution_id, attempt))
    return changed


def _run(connection: sqlite3.Connection) -> gates.Run:
    return lambda text, parameters: connection.execute(text, parameters).fetchall()


def _post(message: Message, execution_id: str) -> tuple[Any, ...]:
    return message.queue, message.payload, message.due_at or 0, execution_id
