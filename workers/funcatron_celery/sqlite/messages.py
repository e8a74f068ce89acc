"""The messages of the queues in one SQLite file: posted, claimed under a lease, acknowledged, given back, buried.

Rules:

1. A claimed message has an owner, the id of a lease. When the lease is free its messages are free: nobody waits for a
   timeout, and a long task is never run twice.
2. A message goes when it is acknowledged. An acknowledgement that is lost is a redelivery.
3. Every delivery that its owner did not survive, and every requeueing, counts as an attempt; beyond the delivery
   limit the message goes to ``<queue>.dead``, and the execution it names, if it still waits, has failed.
4. A message that was attempted before is claimed alone, so that a deadly one does not take its neighbours with it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from funcatron.store import changes, gates, sql
from funcatron.store.database import Database
from funcatron.store.lease import is_held
from funcatron.store.wakeup import wake

__all__ = ["Claimed", "Messages"]

DEAD = ".dead"
INSERT = "insert into message (queue, payload, execution) values (?, ?, ?)"
DELETE = "delete from message where id = ?"
FREE = "select 1 from message where queue = ? and owner is null and due <= ? limit 1"
NEXT = (
    "select id, payload, attempts, redelivered from message"
    " where queue = ? and owner is null and due <= ? order by id limit ?"
)
OWN = "update message set owner = ? where id = ?"
RELEASE = "update message set owner = null, attempts = attempts + ?, redelivered = redelivered or ? where id = ?"
ATTEMPTS = "select queue, attempts, execution from message where id = ?"
BURY = """
update message set owner = null, queue = queue || ?,
    payload = case when json_valid(cast(payload as text)) then cast(json_set(cast(payload as text),
        '$.headers."x-first-death-reason"', ?, '$.headers."x-first-death-queue"', queue) as blob) else payload end
where id = ?
"""
OWNERS = "select owner from message where owner is not null union select owner from holder"


class Claimed(NamedTuple):
    """One message in a consumer's hands.

    ``attempts`` counts earlier deliveries that failed; ``redelivered`` is 1 where it was in a consumer's hands before.
    """

    id: int
    payload: bytes
    attempts: int
    redelivered: int


class Messages:
    """The messages of one file. ``delivery_limit``: the attempts after which a message is buried."""

    def __init__(self, database: Database, *, delivery_limit: int = 20) -> None:
        self._database = database
        self._limit = delivery_limit

    def post(self, queues: Iterable[str], payload: bytes, execution: str | None, *, durable: bool = True) -> None:
        """Write one message to each of these queues in one transaction, and wake the consumers."""
        rows = [(queue, payload, execution) for queue in queues]
        if rows:
            with self._database.write(on_disk="now" if durable else "sometime") as connection:
                connection.executemany(INSERT, rows)
            wake(self._database.leases)

    def waiting(self, queue: str) -> bool:
        """Tell whether there is anything to claim; takes no lock."""
        with self._database.read() as connection:
            return connection.execute(FREE, (queue, time.time())).fetchone() is not None

    def claim(self, queue: str, room: int, owner: str, acknowledged: Sequence[int] = ()) -> list[Claimed]:
        """Claim up to ``room`` messages in order; in the same transaction those ``acknowledged`` go."""
        with self._database.write(on_disk="sometime") as connection:
            _delete(connection, acknowledged)
            claimed = _next(connection, queue, room)
            connection.executemany(OWN, [(owner, message.id) for message in claimed])
        return claimed

    def take(self, queue: str, room: int) -> list[Claimed]:
        """Take up to ``room`` messages out for good: for consumers that do not acknowledge."""
        with self._database.write(on_disk="sometime") as connection:
            taken = _next(connection, queue, room)
            _delete(connection, [message.id for message in taken])
        return taken

    def acknowledge(self, ids: Sequence[int]) -> None:
        """Delete messages that are done with."""
        if ids:
            with self._database.write(on_disk="sometime") as connection:
                _delete(connection, ids)

    def give_back(self, ids: Sequence[int], *, delivered: bool = False) -> None:
        """Free messages in an orderly way: they keep their place in the queue, and no attempt is counted.

        ``delivered`` says that someone may have begun to work on them.
        """
        if ids:
            with self._database.write(on_disk="sometime") as connection:
                connection.executemany(RELEASE, [(0, int(delivered), message_id) for message_id in ids])
            wake(self._database.leases)

    def requeue(self, ids: Sequence[int]) -> None:
        """Free messages and count an attempt; beyond the limit they are buried."""
        with self._database.write() as connection:
            for message_id in ids:
                self._return(connection, message_id)
        wake(self._database.leases)

    def bury(self, message_id: int, reason: str, payload: bytes | None = None) -> None:
        """Move a message to the dead letter queue of its queue; ``reason`` becomes a header (as RabbitMQ names it).

        ``payload`` takes the place of its own, where that cannot be read.
        """
        with self._database.write() as connection:
            if payload is not None:
                connection.execute("update message set payload = ? where id = ?", (payload, message_id))
            _bury(connection, message_id, reason)

    def reap(self, me: str) -> bool:
        """Free what dead owners held, delete their temporary queues; True if there was anything."""
        with self._database.read() as connection:
            owners = [owner for (owner,) in connection.execute(OWNERS) if owner != me]
        dead = [owner for owner in owners if not is_held(self._database.leases, owner)]
        for owner in dead:
            self.forget(owner, attempted=True)
        return bool(dead)

    def forget(self, owner: str, *, attempted: bool) -> None:
        """Free all that ``owner`` held; his temporary queues go with their last holder."""
        with self._database.write() as connection:
            found = connection.execute("select id from message where owner = ?", (owner,)).fetchall()
            for (message_id,) in found:
                if attempted:
                    self._return(connection, message_id)
                else:
                    connection.execute(RELEASE, (0, 0, message_id))
            left = connection.execute("delete from holder where owner = ? returning queue", (owner,)).fetchall()
            for (queue,) in left:
                if connection.execute("select 1 from holder where queue = ?", (queue,)).fetchone() is None:
                    delete_queue(connection, queue)
        if found:
            wake(self._database.leases)

    def size(self, queue: str) -> int:
        """Return how many messages wait in the queue."""
        with self._database.read() as connection:
            found = connection.execute("select count(*) from message where queue = ? and owner is null", (queue,))
            return int(found.fetchone()[0])

    def purge(self, queue: str) -> int:
        """Delete what waits in the queue; return how many."""
        with self._database.write() as connection:
            return connection.execute("delete from message where queue = ? and owner is null", (queue,)).rowcount

    def _return(self, connection: sqlite3.Connection, message_id: int) -> None:
        row = connection.execute(ATTEMPTS, (message_id,)).fetchone()
        if row is None:
            return
        _, attempts, execution = row
        connection.execute(RELEASE, (1, 1, message_id))
        if attempts + 1 > self._limit:
            _bury(connection, message_id, "delivery_limit")
            _fail(connection, execution, attempts + 1)


def delete_queue(connection: sqlite3.Connection, queue: str) -> None:
    """Delete a queue with all that is in it and leads to it."""
    for statement in (
        "delete from message where queue = ?",
        "delete from binding where queue = ?",
        "delete from holder where queue = ?",
        "delete from queue where name = ?",
    ):
        connection.execute(statement, (queue,))


def _next(connection: sqlite3.Connection, queue: str, room: int) -> list[Claimed]:
    found = [Claimed(*row) for row in connection.execute(NEXT, (queue, time.time(), room))]
    suspect = next((place for place, message in enumerate(found) if message.attempts), len(found))
    return found[: max(1, suspect)]


def _delete(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    if ids:
        connection.executemany(DELETE, [(message_id,) for message_id in ids])


def _bury(connection: sqlite3.Connection, message_id: int, reason: str) -> None:
    queue, _, _ = connection.execute(ATTEMPTS, (message_id,)).fetchone() or ("", 0, None)
    connection.execute(BURY, ("" if queue.endswith(DEAD) else DEAD, reason, message_id))


def _fail(connection: sqlite3.Connection, execution: str | None, deliveries: int) -> None:
    """The message names an execution that will not be delivered again: say so on record, if it still waits."""
    if execution is None:
        return
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": "Every worker that took it was lost",
        "status": 500,
        "detail": f"{deliveries} workers ended, or gave it back, before they could start or finish it",
    }
    failed = connection.execute(*sql.update(changes.fail(time.time(), problem, "lost"), execution)).fetchone()
    if failed is not None:
        connection.execute(gates.LEAVE, {"id": execution})  # the sweep lets the next one through
