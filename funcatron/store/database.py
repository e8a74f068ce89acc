"""One SQLite file, shared by everything in this process that uses it.

Rules:

1. Write-ahead log: readers and the writer never wait for each other. One connection writes, under a lock, so threads
   of a process queue up and do not poll; idle connections serve reads.
2. A transaction is in the file when ``write`` returns: every process sees it, and it survives the death of all of
   them. When it is on the disk, to survive the death of the machine, each write says: now, soon, or sometime. What is
   left to ``write_later`` is in the file with the next transaction of this process, or 20 ms later.
3. SQLite must not cross a fork. So every connection is closed before one and opened anew, when needed, after it.
4. Every error of SQLite leaves as Unavailable with the file's name and what to do; the transaction has not happened.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeAlias

from funcatron.errors import Unavailable
from funcatron.store.opening import OURS, begin, connect, is_ours, migrate, unavailable
from funcatron.store.syncing import Syncer

__all__ = ["Database"]

OnDisk: TypeAlias = Literal["now", "soon", "sometime"]
"""When a commit must be on the disk: before ``write`` returns, within 20 ms, or with whatever comes later."""

LOOK_SECONDS = 0.05

Work: TypeAlias = Callable[[sqlite3.Connection], None]
"""Statements inside a transaction; done again where that did not come about."""

logger = logging.getLogger(__name__)


class Database:
    """A file's connections; ``Database.share`` gives the one Database that this process has for it."""

    _shared: weakref.WeakValueDictionary[Path, Database] = weakref.WeakValueDictionary()
    _sharing = threading.RLock()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.leases = path.with_name(path.name + ".leases")
        """The folder for the leases of those who own something in this file."""
        self._name = str(path)
        self._writing = threading.RLock()
        self._pooling = threading.Condition(threading.Lock())
        self._writer: sqlite3.Connection | None = None
        self._durable = True  # whether the writer's commits are synced at once
        self._idle: list[sqlite3.Connection] = []
        self._reading = 0
        self._generation = 0  # of connections: those of an earlier one are not used again
        self._inode: tuple[int, int] | None = None
        self._users = 0
        self._look_at = 0.0  # when to look whether the file still stands there; before what must be durable, always
        self._later: list[Work] = []
        self._syncer = Syncer(path, self._catch_up)

    @classmethod
    def share(cls, path: Path) -> Database:
        """Return the process's Database for this file; each user calls ``close`` once."""
        with cls._sharing:
            database = cls._shared.get(path)
            if database is None:
                database = cls._shared[path] = cls(path)
            database._users += 1
            return database

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to read with; every statement sees the file as it is at that moment."""
        connection, generation = None, 0
        try:
            self._renew()
            with self._pooling:
                self._reading += 1
                generation = self._generation
                connection = self._idle.pop() if self._idle else None
            try:
                if connection is None:
                    connection = connect(self.path)
                yield connection
            except sqlite3.DatabaseError:
                if connection is not None:
                    connection.close()
                connection = None
                raise
            finally:
                self._put_back(connection, generation)
        except sqlite3.DatabaseError as error:
            if is_ours(error):
                raise
            raise unavailable(error, self.path) from error

    def write(self, *, on_disk: OnDisk = "now") -> AbstractContextManager[sqlite3.Connection]:
        """Give a connection inside a transaction: committed at the end, rolled back on any exception."""
        return _Transaction(self._transaction(on_disk))

    def _transaction(self, on_disk: OnDisk) -> Generator[sqlite3.Connection, None, None]:
        with self._writing:
            connection = None
            try:
                connection = self._prepared(on_disk)
                begin(connection)
                for work in (later := tuple(self._later)):
                    _do(work, connection)
                yield connection
                connection.execute("commit")
                del self._later[: len(later)]
                if on_disk == "now":
                    self._syncer.done()
                elif on_disk == "soon" or later:
                    self._syncer.soon()
            except sqlite3.DatabaseError as error:
                self._roll_back(connection, broken=True)
                if is_ours(error):
                    raise
                raise unavailable(error, self.path) from error
            except BaseException:
                self._roll_back(connection, broken=False)
                raise

    def write_later(self, work: Work) -> None:
        """Have ``work`` done at the beginning of this process's next transaction, whatever that is for."""
        with self._writing:
            self._later.append(work)
            self._syncer.soon()

    def write_now(self) -> None:
        """Do what was left for later. Raises Unavailable; then it is still left."""
        if self._later:
            with self.write(on_disk="soon"):
                pass

    def _catch_up(self) -> bool:
        try:
            self.write_now()
        except Unavailable as error:
            logger.warning("what was to be written by now is written later: %s", error)
        return not self._later

    def close(self) -> None:
        """Give up one use of the file; with the last one its connections are closed."""
        with self._sharing:
            self._users -= 1
            if self._users <= 0:
                self._catch_up()
                with self._writing, self._pooling:
                    self._syncer.stop()
                    self._disconnect()

    def _prepared(self, on_disk: OnDisk) -> sqlite3.Connection:
        durable = on_disk == "now"
        if durable or time.monotonic() >= self._look_at:
            self._renew()
        connection = self._writer
        if connection is None:
            connection = self._opened()
        elif connection.in_transaction:  # an exception hit between two lines of ``write``
            connection.execute("rollback")
        if durable != self._durable:
            connection.execute(f"pragma synchronous={'full' if durable else 'normal'}")
            self._durable = durable
        return connection

    def _roll_back(self, connection: sqlite3.Connection | None, *, broken: bool) -> None:
        if connection is None:
            return
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("rollback")
        if broken:
            self._writer = None
            connection.close()

    def _put_back(self, connection: sqlite3.Connection | None, generation: int) -> None:
        with self._pooling:
            self._reading -= 1
            if connection is not None:
                if generation == self._generation and self._users > 0:
                    self._idle.append(connection)
                else:
                    connection.close()
            self._pooling.notify_all()

    def _renew(self) -> None:
        """Open the file if it is not open, or is not the one that stands there any more (deleted, replaced)."""
        self._look_at = time.monotonic() + LOOK_SECONDS
        if self._inode is not None and self._identity() == self._inode:
            return
        with self._writing:
            if self._inode is not None and self._identity() == self._inode:
                return
            with self._pooling:
                self._disconnect()
            connection = self._opened()
            try:
                migrate(connection, self.path)
            except BaseException:
                with self._pooling:
                    self._disconnect()
                raise
            self._inode = self._identity()

    def _opened(self) -> sqlite3.Connection:
        connection = self._writer = connect(self.path)
        connection.execute("pragma busy_timeout=0")  # ``begin`` waits
        self._durable = True
        return connection

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._name)  # noqa: PTH116 - asked for every transaction
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _disconnect(self) -> None:
        self._generation += 1
        self._look_at = 0.0
        self._inode = None
        idle, self._idle = self._idle, []
        writer, self._writer = self._writer, None
        for connection in (*idle, writer):
            if connection is not None:
                connection.close()

    def _before_fork(self) -> None:
        self._writing.acquire()
        self._pooling.acquire()
        self._pooling.wait_for(lambda: self._reading == 0)
        self._disconnect()

    def _after_fork(self, *, child: bool) -> None:
        if child:
            self._later.clear()  # the parent's to write
            self._syncer = Syncer(self.path, self._catch_up)
        self._pooling.release()
        self._writing.release()

    def __del__(self) -> None:
        if hasattr(self, "_syncer"):
            self._syncer.stop()
            self._disconnect()


class _Transaction(AbstractContextManager[sqlite3.Connection]):
    """As ``contextlib.contextmanager``, at a third of its price, as every execution begins with one.

    Whatever interrupts it, between any two lines: with the last reference to it the generator ends what it began.
    """

    __slots__ = ("_steps",)

    def __init__(self, steps: Generator[sqlite3.Connection, None, None]) -> None:
        self._steps = steps

    def __enter__(self) -> sqlite3.Connection:
        return next(self._steps)

    def __exit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        if error is None:
            next(self._steps, None)
            return
        try:
            self._steps.throw(error)
        except BaseException as raised:
            if raised is not error:
                raise
            error.__traceback__ = traceback


def _do(work: Work, connection: sqlite3.Connection) -> None:
    try:
        work(connection)
    except (*OURS, ValueError, OverflowError):  # tried again it would stand in everyone's way for ever
        logger.exception("what was left for later cannot be written")


class _Fork:
    """Holds every Database of the process still, and closed, while the process forks."""

    def __init__(self) -> None:
        self._held: list[Database] = []
        os.register_at_fork(before=self.before, after_in_parent=self.in_parent, after_in_child=self.in_child)

    def before(self) -> None:
        Database._sharing.acquire()  # noqa: SLF001 - it is a part of Database
        self._held = list(Database._shared.values())  # noqa: SLF001
        for database in self._held:
            database._before_fork()  # noqa: SLF001

    def in_parent(self) -> None:
        self._after(child=False)

    def in_child(self) -> None:
        self._after(child=True)

    def _after(self, *, child: bool) -> None:
        held, self._held = self._held, []
        for database in held:
            database._after_fork(child=child)  # noqa: SLF001
        Database._sharing.release()  # noqa: SLF001


_Fork()
