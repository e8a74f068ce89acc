"""The connections of this process to one PostgreSQL database.

Rules:

1. A connection is used by one thread at a time, and kept for the next; there are at most ``MOST``.
2. Every statement is a transaction of its own unless the work says otherwise, under READ COMMITTED.
3. Nothing waits for ever: the server ends what takes too long, and a server that does not answer is given up.
4. Every error that time may heal leaves as Unavailable, with the server's address and never with a password. What a
   connection that had been idle could not do, since the server was restarted meanwhile, is tried once more.
5. A session must not cross a fork: the child closes its copies of the sockets, and says nothing to the server.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from funcatron.errors import SettingsError, StoreUnavailable
from funcatron.store.postgres_schema import migrate

__all__ = ["Session", "Sessions"]

T = TypeVar("T")

MOST = 8
"""Connections of a process, those of its worker's presence left out."""
STATEMENT_TIMEOUT = 10.0
"""Seconds after which the server gives a statement up."""
PATIENCE = 15.0
"""Seconds after which a server that does not answer is taken for one that is away."""
MIGRATING = 600.0
TRIES = 4

DEFAULTS = {
    "application_name": "funcatron",
    "client_encoding": "UTF8",
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "target_session_attrs": "read-write",
}
"""Of the connection (libpq), where the URL says nothing else."""

_AGAIN = (errors.DeadlockDetected, errors.SerializationFailure)
_ENDED = (errors.AdminShutdown, errors.CrashShutdown, errors.IdleSessionTimeout, errors.UndefinedTable)
_HEALED_BY_TIME = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,
    errors.UndefinedTable,
    errors.InvalidSchemaName,
    errors.InsufficientPrivilege,
)
"""Or by whoever looks after the server; what remains is a mistake of ours."""


class Session(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits no longer than ``patience`` seconds for an answer, and is of no use after that."""

    patience = PATIENCE
    again = False
    """Whether its work was begun before, on a connection that broke: what that did may have taken effect."""
    _silent = False

    def wait(self, gen: Any, *arguments: Any, **named: Any) -> Any:
        """As psycopg's; raises OperationalError where no answer comes."""
        return super().wait(self._limited(gen), *arguments, **named)

    def _limited(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        end = 0.0 if self._silent else time.monotonic() + self.patience
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > end:  # nothing came, this time either
                    self._silent = True
                    gen.close()
                    raise psycopg.OperationalError(f"the server has not answered for {self.patience:g} s")
                wanted = gen.send(ready)
        except StopIteration as stop:
            result: T = stop.value
            return result


class Sessions:
    """Runs work on connections to the database that ``url`` names (any connection URI of libpq)."""

    _migrated: bool

    def __init__(self, url: str) -> None:
        """Raises SettingsError where the URL cannot be read. Nothing is connected yet."""
        try:
            given = conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            raise SettingsError(
                "the store's URL cannot be read: write postgresql://user:password@host:port/database, "
                "with special characters of the password as %XX"
            ) from None
        self._parameters: dict[str, Any] = {**DEFAULTS, **given}
        options = str(given.get("options", ""))
        self.place = _place(given)
        """The server and the database, for people."""
        self.schema = _schema(options)
        """The schema of the tables."""
        self._configuration = _configuration(self.schema, options)
        self._reset()
        _fork.known.add(self)

    def run(self, work: Callable[[Session], T]) -> T:
        """Return what ``work`` returns. It is done anew after a deadlock, and where the connection that it was begun on
        had been idle, and broke (``Session.again``).

        Raises Unavailable.
        """
        with self._room_for_one():
            session, fresh = self._taken()
            for left in reversed(range(TRIES)):
                try:
                    result = work(session)
                except psycopg.Error as error:
                    if session.closed or isinstance(error, _ENDED):
                        self._broken(session)
                        if isinstance(error, errors.UndefinedTable):
                            self._migrated = False
                        if fresh:
                            raise self.translated(error) from error
                        session, fresh = self.connected(), True
                        session.again = True
                    elif not left or not isinstance(error, _AGAIN):
                        self._put_back(session)
                        raise self.translated(error) from error
                except BaseException:  # it was interrupted: nobody knows where
                    self._dropped(session)
                    raise
                else:
                    self._put_back(session)
                    return result
        raise AssertionError("the last try returns or raises")

    def connected(self) -> Session:
        """Return a connection for the caller alone, who closes it with ``close_session``; raises Unavailable."""
        try:
            return self._connect()
        except psycopg.Error as error:
            raise self.translated(error) from error

    def close_session(self, session: Session) -> None:
        """Close a connection that ``connected`` gave."""
        self._dropped(session)

    def translated(self, error: psycopg.Error) -> Exception:
        """Return an error of psycopg as Unavailable, or as it is where time heals nothing."""
        if not isinstance(error, _HEALED_BY_TIME):
            return error
        return StoreUnavailable(f"{self.place}: {_said(error)}")

    def close(self) -> None:
        """Close what is idle. What is in use is closed when it is given back."""
        with self._lock:
            self._keeping = False
            idle = list(self._idle)
            self._idle.clear()
        for session in idle:
            self._dropped(session)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(MOST)
        self._idle: list[Session] = []
        self._open: set[Session] = set()
        self._keeping = True
        self._migrated = False

    @contextlib.contextmanager
    def _room_for_one(self) -> Iterator[None]:
        room = self._room
        if not room.acquire(timeout=PATIENCE):
            raise StoreUnavailable(
                f"{self.place}: all {MOST} connections of this process have been busy for {PATIENCE:g} s"
            )
        try:
            yield
        finally:
            room.release()

    def _taken(self) -> tuple[Session, bool]:
        """Return a connection, and whether it is a new one."""
        with self._lock:
            if self._idle:
                return self._idle.pop(), False
        return self.connected(), True

    def _connect(self) -> Session:
        session = Session.connect(**self._parameters, autocommit=True, prepare_threshold=2)
        with self._lock:
            self._open.add(session)
        try:
            session.execute(*self._configuration)
            if not self._migrated:
                session.patience = MIGRATING
                migrate(session, self.schema, self.place)
                del session.patience
                self._migrated = True
        except BaseException:
            self._dropped(session)
            raise
        return session

    def _put_back(self, session: Session) -> None:
        session.again = False
        usable = not session.closed and session.info.transaction_status == TransactionStatus.IDLE
        with self._lock:
            if usable and self._keeping:
                self._idle.append(session)
                return
        self._dropped(session)

    def _broken(self, session: Session) -> None:
        """Close it and what is idle: the others are most likely broken, too."""
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
        for each in (session, *idle):
            self._dropped(each)

    def _dropped(self, session: Session) -> None:
        with self._lock:
            self._open.discard(session)
        session.close()

    def _abandon(self) -> None:
        """In a forked child: close the copies of the parent's sockets, and leave its sessions alone."""
        for session in self._open:
            with contextlib.suppress(psycopg.Error, OSError):
                os.close(session.fileno())
        _abandoned.extend(self._open)
        self._reset()


class _Fork:
    """Holds every Sessions of the process still while the process forks."""

    def __init__(self) -> None:
        self.known: weakref.WeakSet[Sessions] = weakref.WeakSet()
        self._forking = threading.Lock()
        self._held: list[Sessions] = []
        os.register_at_fork(before=self.before, after_in_parent=self.in_parent, after_in_child=self.in_child)

    def before(self) -> None:
        self._forking.acquire()
        self._held = list(self.known)
        for sessions in self._held:
            sessions._lock.acquire()  # noqa: SLF001 - one module

    def in_parent(self) -> None:
        held, self._held = self._held, []
        for sessions in held:
            sessions._lock.release()  # noqa: SLF001
        self._forking.release()

    def in_child(self) -> None:
        held, self._held = self._held, []
        for sessions in held:
            sessions._abandon()  # noqa: SLF001
        self._forking.release()


_fork = _Fork()
_abandoned: list[Session] = []  # closing one of these would end the session of the parent


def _place(given: dict[str, Any]) -> str:
    host = str(given.get("host") or given.get("hostaddr") or "localhost")
    port = f":{given['port']}" if given.get("port") else ""
    return f"postgresql://{host}{port}/{given.get('dbname') or ''}"


def _schema(options: str) -> str:
    """Return the first schema of the search_path that the URL's options set, else ``funcatron``."""
    found = re.search(r"search_path\s*=\s*\"?([^\s,\"]+)", options)
    return "funcatron" if found is None else found[1]


def _configuration(schema: str, options: str) -> tuple[str, list[str]]:
    """Return the statement that sets up a session, and its parameters; what the URL's options say stays."""
    wanted = {
        "search_path": schema,
        "statement_timeout": f"{STATEMENT_TIMEOUT * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{PATIENCE * 1000:.0f}",  # of a process that was stopped in mid-change
        "default_transaction_isolation": "read committed",
    }
    pairs = [pair for pair in wanted.items() if pair[0] not in options]
    return f"select {', '.join(['set_config(%s, %s, false)'] * len(pairs))}", [part for pair in pairs for part in pair]


def _said(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__
