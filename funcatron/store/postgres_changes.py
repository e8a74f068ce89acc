"""What is done to records in one transaction on PostgreSQL, each by a function that is given the session.

Gates (``funcatron.store.gates``) need what one writer has by nature: whoever joins a line, is held at a gate, or lets
through the next first takes the locks of that line and that function. An end itself takes no lock but its record's; the
next is let through in a transaction right after it. So nobody waits for a lock with a record in hand.
"""
# ruff: noqa: S608 - put together of names of ours

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from funcatron.execution import ENDED, Execution
from funcatron.store import changes, gates, sql
from funcatron.store import postgres_sql as own
from funcatron.store.changes import Change
from funcatron.store.postgres_sessions import Session

__all__ = ["change", "expire", "follow", "get", "insert", "start_or_hold"]

_LOCK = "pg_advisory_xact_lock(hashtextextended(current_schema() || '{}' || {}, 0))"
_OF_FUNCTION, _OF_LINE = (_LOCK.format(f" {name} ", name) for name in ("function", "order_key"))
LOCK_GATES: Final = f"select {_OF_FUNCTION}, {_OF_LINE} from execution where id = :id"
LOCK_LINES: Final = f"select {_OF_LINE} from unnest(%s::text[]) as order_key"
JOIN: Final = (
    "insert into turn (line, execution) select * from unnest(%s::text[], %s::text[]) on conflict (execution) do nothing"
)
LEAVING: Final = (
    "with changed as ({}), gone as (delete from turn using changed where turn.execution = changed.id)"
    " select * from changed"
)
"""Around a statement that ends executions: they leave their lines with it."""


def insert(session: Session, executions: Sequence[Execution]) -> list[bool]:
    """Insert records, in the order of acceptance; True for each that is new.

    Where the same was begun before on a connection that broke, what is there under these ids is new.
    """
    columns = own.columns_of(sql.COLUMNS, [sql.to_row(execution, None) for execution in executions])
    ordered = [execution.order_key for execution in executions if execution.order_key is not None]
    if not ordered:
        return _insert(session, columns, executions)
    with session.transaction():
        session.execute(LOCK_LINES, [own.given(sorted(set(ordered)))])
        new = _insert(session, columns, executions)
        joining = [e for e, fresh in zip(executions, new, strict=True) if fresh and e.order_key is not None]
        _join(session, joining)
    return new


def change(session: Session, wanted: Change, execution_id: str) -> Execution | None:
    """Apply a change, and what belongs to it: the history of attempts, the place in a line."""
    text, values = sql.update(wanted, execution_id)
    if wanted.sets.get("state") in ENDED:
        text = LEAVING.format(text)
    if wanted.failed_at is None and wanted.sets.get("state") != "queued":
        return _record(session, wanted, text, values)
    with session.transaction():
        changed = _record(session, wanted, text, values)
        if changed is not None and (attempt := changes.failed_attempt(wanted, changed)) is not None:
            session.execute(own.native(sql.ATTEMPT), own.given(sql.attempt_row(execution_id, attempt)))
        if changed is not None and changed.state == "queued" and changed.order_key is not None:
            session.execute(LOCK_LINES, [own.given([changed.order_key])])
            _join(session, [changed])
    return changed


def start_or_hold(session: Session, wanted: Change, execution_id: str) -> Execution | None:
    """Apply ``wanted``, a start, or hold the execution at its gate."""
    with session.transaction():
        rows(session, LOCK_GATES, {"id": execution_id})
        started = _apply(session, wanted, execution_id)
        if started is None and (gate := gates.closed(_run(session), execution_id, wanted.limit)) is not None:
            return _apply(session, changes.hold(time.time(), gate), execution_id)
    return started


def follow(session: Session, ended: Execution) -> None:
    """Let through what waited for the end of this attempt."""
    with session.transaction():
        rows(session, LOCK_GATES, {"id": ended.id})
        admit(session, gates.follow(_run(session), ended, time.time()))


def admit(session: Session, execution_ids: Sequence[str]) -> None:
    """Let these through."""
    for execution_id in execution_ids:
        _apply(session, changes.admit(time.time()), execution_id)


def admit_overlooked(session: Session, limits: Mapping[str, int], now: float) -> int:
    """Let through what is held at an open gate; return how many. Their start asks again, so no lock is needed."""
    found = gates.overlooked(_run(session), limits, now)
    admit(session, found)
    return len(found)


def expire(session: Session, now: float) -> int:
    """End what is queued past its time, let through what waited for that; return how many have expired."""
    text, values = sql.expire(changes.expire(now), now)
    expired = rows(session, LEAVING.format(text), values)
    for execution_id, line in expired:
        if line is not None:
            with session.transaction():
                session.execute(LOCK_LINES, [own.given([line])])
                admit(session, gates.leave(_run(session), execution_id, line))
    return len(expired)


def get(session: Session, execution_id: str) -> Execution | None:
    """Return one record."""
    found = rows(session, sql.GET, {"id": execution_id})
    return sql.from_row(found[0]) if found else None


def rows(session: Session, text: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[list[Any]]:
    """Return the rows that a statement of ``funcatron.store.sql`` returns."""
    cursor = session.execute(own.native(text), own.given(parameters))
    return [own.taken(row) for row in cursor] if cursor.rownumber is not None else []


def _apply(session: Session, wanted: Change, execution_id: str) -> Execution | None:
    return _record(session, wanted, *sql.update(wanted, execution_id))


def _record(session: Session, wanted: Change, text: str, parameters: Sequence[Any]) -> Execution | None:
    """Return the record after a change, None if it was not applied."""
    found = rows(session, text, parameters)
    return sql.after(wanted, found[0]) if found else None


def _run(session: Session) -> gates.Run:
    return lambda text, parameters: rows(session, text, parameters)


def _insert(session: Session, columns: Sequence[Sequence[Any]], executions: Sequence[Execution]) -> list[bool]:
    new = _ids(session, own.INSERT, columns)
    if session.again:
        new |= _ids(session, own.KNOWN, [columns[0]])
    return [_struck(execution.id, new) for execution in executions]


def _join(session: Session, executions: Sequence[Execution]) -> None:
    lines = [(execution.order_key, execution.id) for execution in executions]
    if lines:
        session.execute(JOIN, own.columns_of(("line", "execution"), lines))


def _ids(session: Session, statement: str, parameters: Sequence[Any]) -> set[str]:
    return {own.taken(row)[0] for row in session.execute(statement, parameters)}


def _struck(execution_id: str, ids: set[str]) -> bool:
    """Tell whether the id is among ``ids``, and strike it off: one that comes twice is new once."""
    if execution_id not in ids:
        return False
    ids.remove(execution_id)
    return True
