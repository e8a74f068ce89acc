"""What PostgreSQL says differently from ``funcatron.store.sql``: many rows at once, parameters, and text.

Text columns hold neither NUL characters nor lone surrogates, which ids and log lines of others may have. So those
characters, and the one that marks them (U+001A, SUBSTITUTE), are written as U+001A and four hexadecimal digits.
"""
# ruff: noqa: S608

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from funcatron.store import sql

__all__ = ["columns_of", "given", "native", "taken"]

TIME: Final = "double precision"
_TIMES = ("created_at", "started_at", "ended_at", "due_at", "deadline", "expires_at", "published_at", "time")
_TYPES: Final = {"attempt": "bigint", "concurrency": "bigint"} | dict.fromkeys(_TIMES, TIME)
"""The types of columns that are not text."""

_MARK = "\x1a"
_NOT_TEXT = re.compile(f"[\0{_MARK}\ud800-\udfff]")
_MARKED = re.compile(f"{_MARK}([0-9a-f]{{4}})")


def _insert(table: str, columns: Sequence[str]) -> str:
    """Return the insert of any number of rows that are given column by column."""
    arrays = ", ".join(f"%s::{_TYPES.get(name, 'text')}[]" for name in columns)
    return f"insert into {table} ({', '.join(columns)}) select * from unnest({arrays})"


INSERT: Final = _insert("execution", sql.COLUMNS) + " on conflict do nothing returning id"
INSERT_LOG: Final = _insert("log", sql.LOG_COLUMNS)
KNOWN: Final = "select id from execution where id = any(%s::text[])"
DUE: Final = sql.DUE.replace(sql.WITHOUT_MESSAGE, "")
STALE: Final = sql.STALE.replace(sql.WITHOUT_MESSAGE, "")
PUBLISHED: Final = """
    with noted as (
        select execution.id from execution
        join unnest(%s::text[], %s::bigint[], %s::double precision[]) as sent (id, attempt, due_at)
            on execution.id = sent.id and execution.attempt = sent.attempt
            and coalesce(execution.due_at, 0) = sent.due_at
        where execution.state in ('queued', 'retrying') order by execution.id for update of execution)
    update execution set published_at = %s from noted where execution.id = noted.id"""
"""Locks in the order of ids: two of them never stand in each other's way."""
PURGE: Final = f"""
    with gone as (delete from execution where id in ({sql.ENDED_BEFORE}) returning id),
    logs as (delete from log where execution in (select id from gone)),
    attempts as (delete from attempt where execution in (select id from gone))
    select count(*) from gone"""


@functools.cache
def native(text: str) -> str:
    """Return a statement of ``funcatron.store.sql`` with its parameters as psycopg writes them."""
    return re.sub(r"(?<!:):(\w+)", r"%(\1)s", text).replace("?", "%s")


def given(parameters: Sequence[Any] | Mapping[str, Any]) -> list[Any] | dict[str, Any]:
    """Return parameters as the database can hold them."""
    if isinstance(parameters, Mapping):
        return {name: _given(value) for name, value in parameters.items()}
    return [_given(value) for value in parameters]


def taken(row: Iterable[Any]) -> list[Any]:
    """Return the values of a row as they were given."""
    return [_taken(value) for value in row]


def columns_of(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return rows, at least one, column by column, as the database can hold them."""
    return [_column(name, values) for name, values in zip(names, zip(*rows, strict=True), strict=True)]


def _column(name: str, values: Sequence[Any]) -> list[Any]:
    if _TYPES.get(name) == TIME:  # the values of an array are of one type
        return [None if value is None else float(value) for value in values]
    return [_given(value) for value in values]


def _given(value: Any) -> Any:
    if not isinstance(value, str) or (value.isascii() and "\0" not in value and _MARK not in value):
        return value
    return _NOT_TEXT.sub(lambda found: f"{_MARK}{ord(found[0]):04x}", value)


def _taken(value: Any) -> Any:
    if isinstance(value, str) and _MARK in value:
        return _MARKED.sub(lambda found: chr(int(found[1], 16)), value)
    return value
