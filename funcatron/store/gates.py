"""Gates in SQL: which executions must wait, and which may go on once others have ended.

Rules:

1. A gate is asked by the statement that starts an execution (``sql.update`` of ``changes.start``). That statement must
   see every start before it: SQLite has one writer; where there are more, a start with a limit first takes a lock
   that belongs to the function.
2. Who finds the gate closed is held, and must then ask once more unless holding and asking were one transaction that
   no end could come between: an end that looked for those who wait just before would have passed it by.
3. Whatever ends an execution lets the next one through (``follow``), in its own transaction or right after it. Letting
   through too many does no harm, their start asks again; ``overlooked`` finds those that nobody let through.

``Run`` executes one statement and returns its rows. Nothing here is executed for an execution that has no gate.
"""
# ruff: noqa: S608 - put together of names of ours; values are parameters

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from funcatron.execution import Execution, Gate

__all__ = ["IN_TURN", "JOIN", "LEAVE", "Run", "closed", "follow", "leave", "overlooked"]

Run: TypeAlias = Callable[[str, Mapping[str, Any]], Sequence[Sequence[Any]]]

PATIENCE = 10.0
"""Seconds for which one that was let through is expected to take its place, and nobody else is let through for it."""
AT_ONCE = 256

JOIN: Final = "insert into turn (line, execution) values (?, ?)"
LEAVE: Final = "delete from turn where execution = :id"
_EARLIER = (
    "select 1 from turn as mine join turn as earlier on earlier.line = mine.line and earlier.position < mine.position"
    " where mine.execution = {id}"
)
IN_TURN: Final = f"(order_key is null or not exists ({_EARLIER.format(id='execution.id')}))"
BEHIND: Final = _EARLIER.format(id=":id") + " limit 1"
FIRST: Final = (
    "select execution.id from execution where gate = 'order'"
    " and id = (select turn.execution from turn where line = :line order by position limit 1)"
)
TAKEN: Final = (
    "select (select count(*) from execution where state = 'running' and function = :function)"
    " + (select count(*) from execution where gate = 'admitted' and function = :function and due_at > :since)"
)
WAITING: Final = (
    "select id from execution where gate = 'concurrency' and function = :function order by created_at limit :limit"
)
FUNCTIONS: Final = "select distinct function from execution where gate = 'concurrency'"
FIRST_OF_ALL: Final = (
    f"select id from execution where gate = 'order' and not exists ({_EARLIER.format(id='execution.id')}) limit :limit"
)


def closed(run: Run, execution_id: str, limit: int | None) -> Gate | None:
    """Return the gate at which an execution that could not be started is to be held, None if it has none."""
    if run(BEHIND, {"id": execution_id}):
        return "order"
    return None if limit is None else "concurrency"


def follow(run: Run, ended: Execution, now: float) -> list[str]:
    """Take a gated execution whose attempt has ended out of its line, if it is over; return the ids of those to be let
    through in its place.
    """
    found: list[str] = []
    if ended.order_key is not None and ended.ended:
        found += leave(run, ended.id, ended.order_key)
    if ended.concurrency is not None:
        found += _with_room(run, ended.function, ended.concurrency, now)
    return found


def leave(run: Run, execution_id: str, line: str) -> list[str]:
    """Take an execution out of its line; return the id of the first in it, if that is held."""
    run(LEAVE, {"id": execution_id})
    return [row[0] for row in run(FIRST, {"line": line})]


def overlooked(run: Run, limits: Mapping[str, int], now: float) -> list[str]:
    """Return the ids of those that are held at an open gate; ``limits`` are those of the functions at present."""
    found = [row[0] for row in run(FIRST_OF_ALL, {"limit": AT_ONCE})]
    for (function,) in run(FUNCTIONS, {}):
        found += _with_room(run, function, limits.get(function), now)
    return found


def _with_room(run: Run, function: str, limit: int | None, now: float) -> list[str]:
    room = AT_ONCE
    if limit is not None:
        ((taken,),) = run(TAKEN, {"function": function, "since": now - PATIENCE})
        room = min(room, limit - taken)
    return [row[0] for row in run(WAITING, {"function": function, "limit": room})] if room > 0 else []
