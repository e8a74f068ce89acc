"""What triggers know of the objects they watch, kept in a file: without it nothing could be missed or deleted.

One SQLite file in the data folder, shared by the processes of one machine. A row is written after its event is on
record; if the process dies in between, the event is made again and the store knows it by its identity.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from funcatron_openstack.verdict import KnownObject

__all__ = ["KnownObjects"]

SCHEMA = """
create table if not exists deployment (id text not null);
create table if not exists watch (key text primary key, since text not null, complete integer not null) without rowid;
create table if not exists object (
    watch text not null, name text not null, timestamp text, etag text not null, listed text,
    primary key (watch, name)
) without rowid;
"""
COLUMNS = "name, timestamp, etag, listed"


class KnownObjects:
    """The objects of one watch; ``key`` tells it from the others in the file. Any thread may use it.

    ``folder`` None keeps it in memory. The file is made on first use.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self._folder = folder
        self._key = key
        self._lock = threading.RLock()
        self._made: sqlite3.Connection | None = None

    @property
    def deployment(self) -> str:
        """What tells this data folder from any other."""
        with self._lock, self._connection as connection:
            connection.execute(
                "insert into deployment select ? where not exists (select * from deployment)", (uuid4().hex[:12],)
            )
            return str(connection.execute("select id from deployment").fetchone()[0])

    def begin(self, since: str) -> str:
        """Return the moment before which objects are not new: ``since``, or what it was when the watch first began."""
        with self._lock, self._connection as connection:
            connection.execute("insert into watch values (?, ?, 0) on conflict do nothing", (self._key, since))
            return str(connection.execute("select since from watch where key = ?", (self._key,)).fetchone()[0])

    @property
    def complete(self) -> bool:
        """Whether the container was listed as a whole at least once."""
        with self._lock:
            row = self._connection.execute("select complete from watch where key = ?", (self._key,)).fetchone()
            return row is not None and bool(row[0])

    def completed(self) -> None:
        """Note that the container was listed as a whole."""
        with self._lock, self._connection as connection:
            connection.execute("update watch set complete = 1 where key = ?", (self._key,))

    def get(self, name: str) -> KnownObject | None:
        """Return what is known of one object."""
        with self._lock:
            query = f"select {COLUMNS} from object where watch = ? and name = ?"  # noqa: S608 - constant
            row = self._connection.execute(query, (self._key, name)).fetchone()
            return None if row is None else KnownObject(*row)

    def between(self, after: str, last: str | None, prefix: str) -> dict[str, KnownObject]:
        """Return what is known of the names beyond ``after``, as far as ``last`` or the last of the prefix."""
        query = f"select {COLUMNS} from object where watch = ? and name > ? and name >= ?"  # noqa: S608 - constant
        given = [self._key, after, prefix]
        if last is not None:
            query, given = query + " and name <= ?", [*given, last]
        with self._lock:
            rows = self._connection.execute(query + " order by name", given)
            found = {}
            for row in rows:
                if not row[0].startswith(prefix):
                    break
                found[row[0]] = KnownObject(*row)
            return found

    def put(self, objects: Iterable[KnownObject], *, instead: bool = True) -> None:
        """Keep these as what is known of their names; ``instead`` of what was known, if anything was."""
        insert = f"insert or {'replace' if instead else 'ignore'} into object"
        with self._lock, self._connection as connection:
            connection.executemany(
                f"{insert} (watch, name, timestamp, etag, listed) values (?, ?, ?, ?, ?)",
                [(self._key, known.name, known.timestamp, known.etag, known.listed) for known in objects],
            )

    def forget(self, names: Iterable[str]) -> None:
        """Keep nothing of these any more."""
        with self._lock, self._connection as connection:
            connection.executemany(
                "delete from object where watch = ? and name = ?", [(self._key, name) for name in names]
            )

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            made, self._made = self._made, None
            if made is not None:
                made.close()

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._made is None:
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
            file = ":memory:" if self._folder is None else self._folder / "swift.db"
            self._made = sqlite3.connect(file, timeout=30, check_same_thread=False)
            self._made.execute("pragma journal_mode = wal")
            self._made.execute("pragma synchronous = normal")
            self._made.executescript(SCHEMA)
        return self._made
