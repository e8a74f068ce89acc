"""Records as SQL: statements, and rows to records and back.

Written in what SQLite and PostgreSQL share: ``ON CONFLICT``, ``UPDATE ... RETURNING``, partial indexes, row values,
parameters by name (``:name``), or by place where there are many (``?``). No database is touched here. JSON stands in
text columns, times are seconds since the epoch. Only names of columns are put together here, values are parameters;
what is null stands in the text, because a parameter that is None costs sqlite3 more than a value does.
"""
# ruff: noqa: S608

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import compress
from typing import Any, Final, NamedTuple

import msgspec

from funcatron.execution import STATES, Attempt, Execution, LogLine, Progress, Status, StoredResult
from funcatron.ports import ExecutionQuery, Reservation
from funcatron.store import gates
from funcatron.store.changes import Change, Kind

__all__ = ["COLUMNS", "after", "from_row", "insert", "left", "page", "to_row", "update"]

_encode = msgspec.json.Encoder().encode


def _text(value: Any) -> str:
    """Return JSON. Lone surrogates, which UTF-8 does not have, are escaped; then all is that is not ASCII."""
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value))


def _decoder(kind: Any) -> Callable[[str], Any]:
    """Return what reads the JSON that ``_text`` made of a value of this type."""
    fast = msgspec.json.Decoder(kind).decode

    def decode(text: str) -> Any:
        try:
            return fast(text)
        except msgspec.DecodeError:  # lone surrogates
            return msgspec.convert(json.loads(text), kind)

    return decode


_JSON: Final[dict[str, Callable[[str], Any]]] = {
    **{name: _decoder(Any) for name in ("input", "event", "headers", "problem", "principal")},
    "result": _decoder(StoredResult),
    "progress": _decoder(Progress),
}
_FIELDS: Final = Execution.__struct_fields__
COLUMNS: Final = (*_FIELDS, "principal_id", "published_at")
"""What ``to_row`` gives, in order."""

_SELECTED = ", ".join(_FIELDS)
_DECODED: Final = tuple((index, _JSON[name]) for index, name in enumerate(_FIELDS) if name in _JSON)

GET: Final = f"select {_SELECTED} from execution where id = :id"
_STATUS: Final = Status.__struct_fields__
ASKED_AT_ONCE: Final = 200
"""Executions whose status is asked for in one statement; its text is always the same."""
STATUSES: Final = (
    f"select {', '.join(_STATUS)} from execution where id in ({', '.join(f':id{n}' for n in range(ASKED_AT_ONCE))})"
)
FIND_EVENT: Final = (
    f"select {_SELECTED} from execution"
    " where event_source = :event_source and event_id = :event_id and function = :function"
)
_KEY = "function = :function and idempotency_key = :key and principal_id = :principal_id"
RESERVE: Final = (
    "insert into idempotency"
    " (function, idempotency_key, principal_id, fingerprint, execution_id, deadline, expires_at, owner)"
    " values (:function, :key, :principal_id, :fingerprint, :execution_id, :deadline, :expires_at, :owner)"
    " on conflict (function, idempotency_key, principal_id) do update set fingerprint = excluded.fingerprint,"
    " execution_id = excluded.execution_id, deadline = excluded.deadline, expires_at = excluded.expires_at,"
    " owner = excluded.owner, result = null where idempotency.expires_at <= :now or (idempotency.deadline <= :now and"
    " idempotency.result is null and not exists (select 1 from execution where id = idempotency.execution_id))"
    " returning execution_id"
)
STANDING: Final = (
    "select function, idempotency_key, principal_id, fingerprint, execution_id, deadline, expires_at, owner, result"
    f" from idempotency where {_KEY}"
)
ANSWERED: Final = f"update idempotency set result = :result where {_KEY} and execution_id = :execution_id"
RELEASED: Final = f"delete from idempotency where {_KEY} and execution_id = :execution_id and result is null"
FORGOTTEN: Final = "delete from idempotency where expires_at <= :now"
RUNNING: Final = f"select {_SELECTED} from execution where state = 'running'"
COUNTS: Final = "select state, count(*) from execution group by state"
WITHOUT_MESSAGE: Final = " and not exists (select 1 from message where message.execution = execution.id)"
"""What is asked, in a store that carries messages, of one that was published."""
DUE: Final = (
    f"select {_SELECTED} from execution where due_at <= :now and state in ('queued', 'retrying')"
    f" and (published_at is null or published_at < :stale{WITHOUT_MESSAGE}) order by due_at limit :limit"
)
STALE: Final = (
    f"select {_SELECTED} from execution where state = 'queued' and due_at is null and gate is null"
    " and created_at < :unpublished"
    f" and (published_at is null or published_at < :stale{WITHOUT_MESSAGE}) order by created_at limit :limit"
)
ADMITTED: Final = (
    f"select {_SELECTED} from execution where gate = 'admitted' and function = :function and published_at is null"
)
PUBLISHED: Final = (
    "update execution set published_at = ? where id = ? and state in ('queued', 'retrying')"
    " and attempt = ? and coalesce(due_at, 0) = ?"
)
PROGRESS: Final = (
    "update execution set progress = :progress where id = :id and state = 'running' and attempt = :attempt"
)
ENDED_BEFORE: Final = (
    "select id from execution where state in ('succeeded', 'cancelled', 'expired')"
    " and created_at < :before and ended_at < :before limit :limit"
)
LOG_COLUMNS: Final = ("execution", "attempt", "time", "level", "logger", "message")
LOG: Final = f"insert into log ({', '.join(LOG_COLUMNS)}) values ({', '.join('?' * len(LOG_COLUMNS))})"
LOGS: Final = "select time, level, logger, message, attempt from log where execution = :id order by id"
ATTEMPT: Final = (
    "insert into attempt (execution, attempt, started_at, ended_at, worker, failure, problem)"
    " values (?, ?, ?, ?, ?, ?, ?)"
)
ATTEMPTS: Final = (
    "select attempt, started_at, ended_at, worker, failure, problem from attempt where execution = :id order by id"
)

_CONDITIONS: Final = (
    gates.IN_TURN,
    "attempt = ?",
    "(state <> 'queued' or expires_at is null or expires_at > ?)",
    "(select count(*) from execution as other where other.function = execution.function"
    " and other.state = 'running') < ?",
)
"""What a Change may ask of a record: ``in_turn``, ``attempt``, ``unexpired``, ``limit``; each but the first has a
parameter."""

_IN_STATE: Final = {state: f"state = '{state}'" for state in STATES}
"""The state in the text, not a parameter: only so SQLite sees that its partial index will do."""


def to_row(execution: Execution, published_at: float | None) -> tuple[Any, ...]:
    """Return the values of ``COLUMNS``."""
    values = list(msgspec.structs.astuple(execution))
    for index, _ in _DECODED:
        value = values[index]
        values[index] = None if value is None else _text(value)
    principal = execution.principal
    return (*values, None if principal is None else principal.get("id"), published_at)


def insert(execution: Execution, published_at: float | None) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that inserts one record, unless it is there, and its parameters in order."""
    row = to_row(execution, published_at)
    return _insert(tuple(value is not None for value in row)), tuple(value for value in row if value is not None)


def from_row(row: Sequence[Any]) -> Execution:
    """Return the record that these columns (the fields of Execution, in order) hold."""
    values = list(row)
    for index, decode in _DECODED:
        value = values[index]
        if value is not None:
            values[index] = decode(value)
    return Execution(**dict(zip(_FIELDS, values, strict=True)))


def status_queries(execution_ids: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the parameters of each ``STATUSES`` that has to be asked."""
    for first in range(0, len(execution_ids), ASKED_AT_ONCE):
        ids = execution_ids[first : first + ASKED_AT_ONCE]
        yield {f"id{n}": ids[n] if n < len(ids) else "" for n in range(ASKED_AT_ONCE)}


def status_from_row(row: Sequence[Any]) -> Status:
    """Return the status that a row of ``STATUSES`` holds."""
    values = dict(zip(_STATUS, row, strict=True))
    if values["progress"] is not None:
        values["progress"] = _JSON["progress"](values["progress"])
    return Status(**values)


def update(change: Change, execution_id: str, *, returning: bool = True) -> tuple[str, list[Any]]:
    """Return the compare-and-set that applies ``change`` to one record, and its parameters in order; where
    ``returning``, it gives a row for ``after``.
    """
    text, encoded = _update(change.kind, returning)
    asked = compress((change.attempt, change.unexpired, change.limit), change.kind.asks)
    values = [*change.values, execution_id, *asked]
    for place in encoded:
        values[place] = _text(values[place])
    return text, values


def left(change: Change) -> str:
    """Return the select, by id, of a row for ``after``."""
    return _left(change.kind).select


def after(change: Change, row: Sequence[Any]) -> Execution:
    """Return the record as ``change`` left it; ``row`` is what its statement gave: all that was not known before."""
    left = _left(change.kind)
    values = dict(zip(left.names, row, strict=True))
    for name, decode in left.decoded:
        value = values[name]
        if value is not None:
            values[name] = decode(value)
    values.update(change.sets)
    for name in left.strangers:
        del values[name]
    return Execution(**values)


def expire(change: Change, now: float) -> tuple[str, dict[str, Any]]:
    """Return the statement that applies ``change`` to all that has expired at ``now``, and its parameters."""
    sets = ", ".join(f"{name} = :{name}" for name in change.sets)
    text = f"update execution set {sets} where state = 'queued' and expires_at <= :_now returning id, order_key"
    return text, {**change.sets, "_now": now}


def page(query: ExecutionQuery) -> tuple[str, dict[str, Any]]:
    """Return the select of one page, newest first, one row longer than the page, and its parameters."""
    conditions = [
        f"{name} = :{name}" for name in ("function", "trigger", "project_id") if getattr(query, name) is not None
    ]
    if query.state is not None:
        conditions.append(_IN_STATE.get(query.state, "false"))
    if query.since is not None:
        conditions.append("created_at >= :since")
    if query.until is not None:
        conditions.append("created_at < :until")
    if query.marker is not None:
        conditions.append("(created_at, id) < (select created_at, id from execution where id = :marker)")
    where = f" where {' and '.join(conditions)}" if conditions else ""
    parameters = {name: getattr(query, name) for name in query.__slots__} | {"limit": query.limit + 1}
    return f"select {_SELECTED} from execution{where} order by created_at desc, id desc limit :limit", parameters


def encode(name: str, value: Any) -> Any:
    """Return a field's value as its column holds it."""
    return value if value is None or name not in _JSON else _text(value)


def published_row(execution: Execution) -> tuple[str, int, float]:
    """Return the values of ``PUBLISHED`` but the first."""
    return execution.id, execution.attempt, execution.due_at or 0.0


def log_row(execution_id: str, line: LogLine) -> tuple[Any, ...]:
    """Return the values of ``LOG_COLUMNS``."""
    return execution_id, line.attempt, line.time, line.level, line.logger, line.message


def attempt_row(execution_id: str, attempt: Attempt) -> tuple[Any, ...]:
    """Return the values of ``ATTEMPT``."""
    *fields, problem = msgspec.structs.astuple(attempt)
    return execution_id, *fields, _text(problem)


def attempt_from_row(row: Sequence[Any]) -> Attempt:
    """Return the attempt that a row of ``ATTEMPTS`` holds."""
    *fields, problem = row
    return Attempt(**dict(zip(Attempt.__struct_fields__, [*fields, _JSON["problem"](problem)], strict=True)))


def reservation_values(reservation: Reservation) -> dict[str, Any]:
    """Return the parameters of ``RESERVE``, ``now`` apart; those of the statements beside it are among them."""
    values = {field.name: getattr(reservation, field.name) for field in fields(reservation)}
    return {**values, "result": encode("result", reservation.result)}


def reservation_from_row(row: Sequence[Any]) -> Reservation:
    """Return the reservation that a row of ``STANDING`` holds."""
    *values, result = row
    made = Reservation(**dict(zip((field.name for field in fields(Reservation)), values, strict=False)))
    return made if result is None else replace(made, result=_JSON["result"](result))


@functools.lru_cache(maxsize=256)
def _insert(given: tuple[bool, ...]) -> str:
    names = [name for name, there in zip(COLUMNS, given, strict=True) if there]
    places = ", ".join("?" * len(names))
    return f"insert into execution ({', '.join(names)}) values ({places}) on conflict do nothing"


@functools.lru_cache(maxsize=256)
def _update(kind: Kind, returning: bool) -> tuple[str, tuple[int, ...]]:
    """Return a statement, and the places of those of its parameters that are JSON."""
    sets = [f"{name} = {'null' if value is None else repr(value)}" for name, value in kind.fixed.items()]
    sets += [f"{name} = ?" for name in kind.sets]
    sets += [f"{name} = {name} + 1" for name in kind.counts]
    found = ", ".join(f"'{state}'" for state in kind.before)
    asks = zip(_CONDITIONS, (kind.in_turn, *kind.asks), strict=True)
    also = "".join(f" and {text}" for text, asked in asks if asked)
    text = f"update execution set {', '.join(sets)} where id = ? and state in ({found}){also}"
    encoded = tuple(place for place, name in enumerate(kind.sets) if name in _JSON)
    return f"{text} returning {', '.join(_left(kind).names)}" if returning else text, encoded


class _Left(NamedTuple):
    """The fields that a change leaves as they are: ``select`` reads them, by id; ``decoded`` are those in JSON.

    ``strangers`` are no fields of an Execution, but among what the change sets.
    """

    names: tuple[str, ...]
    select: str
    decoded: tuple[tuple[str, Callable[[str], Any]], ...]
    strangers: tuple[str, ...]


@functools.lru_cache(maxsize=256)
def _left(kind: Kind) -> _Left:
    sets = (*kind.fixed, *kind.sets)
    names = tuple(name for name in _FIELDS if name not in sets)
    return _Left(
        names,
        f"select {', '.join(names)} from execution where id = ?",
        tuple((name, _JSON[name]) for name in names if name in _JSON),
        tuple(name for name in sets if name not in _FIELDS),
    )
