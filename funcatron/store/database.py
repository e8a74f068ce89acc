"""One SQLite file, shared by everything in this process that uses it.

Rules:

1. Write-ahead log: readers and the writer never wait for each other. One connection writes, under a lock, so threads
   of a process queue up in order and do not poll; idle connections serve reads.
2. A durable transaction is on the disk (``synchronous=FULL``) when ``write`` returns; another one survives the death of
   every process, but not of the machine.
3. SQLite must not cross a fork. So every connection is closed before one and opened anew, when needed, after it.
4. Every sqlite3 error leaves as Unavailable with the file's name and what to do; the transaction has not happened.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

from funcatron.errors import SettingsError, Unavailable
from funcatron.store.schema import APPLICATION_ID, MIGRATIONS, VERSION

__all__ = ["Database", "path_of"]

BUSY_TIMEOUT = 10.0  # seconds a transaction waits for those of other processes

_REMEDIES = {
    "SQLITE_BUSY": "another process has kept it locked: look for a hung or stopped process that has it open",
    "SQLITE_LOCKED": "another process has kept it locked: look for a hung or stopped process that has it open",
    "SQLITE_FULL": "the disk is full: free some space",
    "SQLITE_READONLY": "it may not be written: mind the rights of the file, of its folder and of the file system",
    "SQLITE_PERM": "it may not be opened: mind the rights of the file and its folder",
    "SQLITE_CANTOPEN": "it cannot be opened: its folder must exist and be writable",
    "SQLITE_CORRUPT": "it is damaged: stop everything, then restore a copy or rescue it with sqlite3's .recover",
    "SQLITE_NOTADB": "it is not an SQLite file: name another file, or move this one away",
    "SQLITE_IOERR": "reading or writing failed: look at the disk and the system's log",
    "SQLITE_NOLFS": "the file system cannot hold so large a file",
    "SQLITE_TOOBIG": "a value is larger than SQLite can hold",
}


def path_of(url: str) -> Path:
    """Return the file that ``sqlite:////absolute/file`` or ``sqlite:///relative/file`` names, made absolute.

    The path is taken as it stands: nothing is decoded, no query is split off. Raises SettingsError for anything else.
    """
    scheme, found, path = url.partition(":///")
    if scheme != "sqlite" or not found or not path or path == "/":
        raise SettingsError(f"{url!r} names no SQLite file: write sqlite:////absolute/file or sqlite:///relative/file")
    return Path(path).absolute()


class Database:
    """A file's connections; ``Database.share`` gives the one Database that this process has for it."""

    _shared: weakref.WeakValueDictionary[Path, Database] = weakref.WeakValueDictionary()
    _sharing = threading.RLock()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = threading.RLock()
        self._pooling = threading.Condition(threading.Lock())
        self._idle: list[sqlite3.Connection] = []
        self._busy = 0
        self._generation = 0
        self._writer: sqlite3.Connection | None = None
        self._full = True  # what the writer's synchronous is set to
        self._inode: tuple[int, int] | None = None
        self._users = 0

    @classmethod
    def share(cls, path: Path) -> Database:
        """Return the process's Database for this file; each user calls ``close`` once."""
        with cls._sharing:
            database = cls._shared.get(path)
            if database is None:
                database = cls._shared[path] = cls(path)
            database._users += 1
            return database

    @property
    def leases(self) -> Path:
        """The folder for leases of those who own something in this file."""
        return self.path.with_name(self.path.name + ".leases")

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to read with; every statement sees the state of its own moment."""
        with self._translated():
            connection, generation = self._take()
            try:
                yield connection
            except sqlite3.DatabaseError:
                connection.close()
                self._give(None, generation)
                raise
            except BaseException:
                self._give(connection, generation)
                raise
            self._give(connection, generation)

    @contextlib.contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Give a connection inside a transaction: committed at the end, rolled back on any exception."""
        with self._writing, self._translated():
            connection = self._writable(durable)
            try:
                connection.execute("begin immediate")
                yield connection
                connection.execute("commit")
            except BaseException as error:
                self._roll_back(connection, broken=isinstance(error, sqlite3.DatabaseError))
                raise

    def close(self) -> None:
        """Give up one use of the file; with the last one its connections are closed."""
        with self._sharing:
            self._users -= 1
            last = self._users <= 0
        if last:
            with self._writing, self._pooling:
                self._disconnect()

    def _writable(self, durable: bool) -> sqlite3.Connection:
        self._renew()
        connection = self._writer
        if connection is None:
            connection = self._writer = self._connect()
            self._full = True
        elif connection.in_transaction:  # an exception hit between the lines of ``write``
            connection.execute("rollback")
        if durable != self._full:
            connection.execute(f"pragma synchronous={'full' if durable else 'normal'}")
            self._full = durable
        return connection

    def _roll_back(self, connection: sqlite3.Connection, *, broken: bool) -> None:
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("rollback")
        if broken:
            self._writer = None
            connection.close()

    def _take(self) -> tuple[sqlite3.Connection, int]:
        self._renew()
        with self._pooling:
            self._busy += 1
            if self._idle:
                return self._idle.pop(), self._generation
            generation = self._generation
        try:
            return self._connect(), generation
        except BaseException:
            self._give(None, generation)
            raise

    def _give(self, connection: sqlite3.Connection | None, generation: int) -> None:
        with self._pooling:
            self._busy -= 1
            if connection is not None:
                if generation == self._generation and self._users > 0:
                    self._idle.append(connection)
                else:
                    connection.close()
            self._pooling.notify_all()

    def _renew(self) -> None:
        """Open the file if it is not open, or is no longer the one that stands there (deleted, replaced)."""
        if self._inode is not None and self._identity() == self._inode:
            return
        with self._writing:
            if self._inode is not None and self._identity() == self._inode:
                return
            with self._pooling:
                self._disconnect()
            connection = self._connect()
            try:
                _migrate(connection, self.path)
            except BaseException:
                connection.close()
                raise
            self._writer, self._full, self._inode = connection, True, self._identity()

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.path)  # noqa: PTH116 - on the hot path
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _connect(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"the folder {self.path.parent} cannot be made: {error.strerror}") from error
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            (mode,) = connection.execute("pragma journal_mode=wal").fetchone()
            if mode != "wal":
                raise SettingsError(f"{self.path}: SQLite's write-ahead log does not work on this file system")
            connection.execute("pragma synchronous=full")
        except BaseException:
            connection.close()
            raise
        return connection

    def _disconnect(self) -> None:
        self._generation += 1
        self._inode = None
        idle, self._idle = self._idle, []
        writer, self._writer = self._writer, None
        for connection in (*idle, writer):
            if connection is not None:
                connection.close()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.ProgrammingError | sqlite3.IntegrityError | sqlite3.DataError):
                raise  # a mistake of ours, not of the file's
            raise Unavailable(f"{self.path}: {_explain(error)}") from error

    def _pause(self) -> None:
        self._writing.acquire()
        self._pooling.acquire()
        self._pooling.wait_for(lambda: self._busy == 0)
        self._disconnect()

    def _resume(self) -> None:
        self._pooling.release()
        self._writing.release()

    def __del__(self) -> None:
        if hasattr(self, "_idle"):
            self._disconnect()


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the present version. Raises SettingsError for a file that is not ours, or newer than we are."""
    if _version(connection, path) == VERSION:
        return
    connection.execute("begin immediate")
    for script in MIGRATIONS[_version(connection, path) :]:  # another process may have been first
        for statement in script.split(";"):
            connection.execute(statement)
    connection.execute(f"pragma application_id={APPLICATION_ID}")
    connection.execute(f"pragma user_version={VERSION}")
    connection.execute("commit")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (application,) = connection.execute("pragma application_id").fetchone()
    (version,) = connection.execute("pragma user_version").fetchone()
    (tables,) = connection.execute("select count(*) from sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise SettingsError(f"{path} is an SQLite file of another program: name another file")
    if version > VERSION:
        raise SettingsError(
            f"{path} was written by a newer funcatron (schema {version}, this one knows {VERSION}): "
            "upgrade funcatron, or name another file"
        )
    return int(version)


def _explain(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    remedy = _REMEDIES.get("_".join(name.split("_")[:2]))
    return f"{error} ({remedy})" if remedy else str(error)


def _before_fork() -> None:
    Database._sharing.acquire()  # noqa: SLF001 - the hooks are part of the class
    _paused.extend(Database._shared.values())  # noqa: SLF001
    for database in _paused:
        database._pause()  # noqa: SLF001


def _after_fork() -> None:
    while _paused:
        _paused.pop()._resume()  # noqa: SLF001
    Database._sharing.release()  # noqa: SLF001


_paused: list[Database] = []
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
