"""Who lives, told by the server: the presence of a worker that may be on any machine.

Rules:

1. A worker holds an advisory lock in a session of its own. The server releases it when the session ends: at once when
   the process dies, within half a minute when its machine does. Whoever holds the lock lives, however busy he is.
2. A session also ends when the network breaks, or the server is restarted. So the worker says every ``EVERY`` seconds,
   in a row of his own, that he is there (by the server's clock), in a new session where the old one has ended.
3. Who has no lock is given up at once by those who see that his process has ended, on the same machine; by others
   ``LOST`` seconds after his last word; after a restart of the server ``RETURNING`` seconds after the one who asks was
   connected to it again, since everybody has to come back first.
4. Of a worker that the server never heard of nothing is known.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time

import psycopg

from funcatron.errors import FuncatronError
from funcatron.store.lease import new_owner
from funcatron.store.postgres_sessions import Session, Sessions
from funcatron.store.process import has_ended, this_process

__all__ = ["Attendance", "Presence"]

logger = logging.getLogger(__name__)

EVERY = 2.0  # seconds
BACK = 0.5
"""Seconds between two attempts to come back."""
LOST = 6.0
RETURNING = 15.0
FORGOTTEN = 86_400.0
"""Seconds after which a worker who has gone, and of whose executions none runs any more, is forgotten."""

_LOCK = "hashtextextended('funcatron worker ' || %(id)s, 0)"
_HOLD = f"select pg_advisory_lock({_LOCK})"
_SAY = """
    insert into worker (id, process, server, seen)
    values (%(id)s, %(process)s, pg_postmaster_start_time(), clock_timestamp())
    on conflict (id) do update set server = excluded.server, seen = excluded.seen"""
_LEAVE = """
    with gone as (update worker set seen = '-infinity' where id = %(id)s) select pg_advisory_unlock_all()"""
_ASK = f"""
    select pg_try_advisory_xact_lock_shared({_LOCK}), extract(epoch from pg_postmaster_start_time())::float8,
        server = pg_postmaster_start_time(), seen > clock_timestamp() - make_interval(secs => %(lost)s),
        seen = '-infinity', process
    from worker where id = %(id)s"""  # noqa: S608 - the name of a function
_FORGET = f"""
    delete from worker where seen < clock_timestamp() - make_interval(secs => {FORGOTTEN})
    and not exists (select 1 from execution where worker = worker.id and state = 'running')"""  # noqa: S608

_CONFIGURE = """
    select set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
        set_config('tcp_keepalives_count', '3', false), set_config('synchronous_commit', 'off', false)"""


class Presence:
    """The proof that this process lives, for those who share the database; a Lease (``funcatron.ports``).

    It ends with ``release`` or with the process, whichever comes first.
    """

    def __init__(self, sessions: Sessions) -> None:
        """Raises Unavailable where the server cannot be told."""
        self.id = new_owner()
        self._values = {"id": self.id, "process": this_process()}
        self._sessions = sessions
        self._process = os.getpid()
        self._told = threading.Event()
        self._session: Session | None = self._appear()
        self._thread = threading.Thread(target=self._stay, name="funcatron-presence", daemon=True)
        self._thread.start()

    @property
    def held(self) -> bool:
        """Whether this process is still this worker: not after ``release``, nor in a forked child."""
        return self._process == os.getpid() and not self._told.is_set()

    def release(self) -> None:
        """Leave; a second time, or in a forked child, does nothing."""
        if not self.held:
            return
        self._told.set()
        self._thread.join()
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(psycopg.Error):  # then he is given up in a while
                session.execute(_LEAVE, self._values)
            self._sessions.close_session(session)

    def _appear(self) -> Session:
        session = self._sessions.connected()
        try:
            session.execute(_HOLD, self._values)
            session.execute(_SAY, self._values)  # to be durable: who is not known is not given up
            session.execute(_CONFIGURE)
        except psycopg.Error as error:
            self._sessions.close_session(session)
            raise self._sessions.translated(error) from error
        except BaseException:
            self._sessions.close_session(session)
            raise
        return session

    def _stay(self) -> None:
        while not self._told.wait(BACK if self._session is None else EVERY):
            try:
                if self._session is None:
                    self._session = self._appear()
                    logger.info("%s: worker %s is back", self._sessions.place, self.id)
                else:
                    self._session.execute(_SAY, self._values)
            except (FuncatronError, psycopg.Error) as error:
                self._lose(error)

    def _lose(self, error: Exception) -> None:
        session, self._session = self._session, None
        if session is not None:
            logger.warning("worker %s is cut off, and tries to come back: %s", self.id, error)
            self._sessions.close_session(session)


class Attendance:
    """Tells who of the workers lives."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._met: dict[float, float] = {}  # when a server was started, and when this process was first connected to it

    def alive(self, worker: str) -> bool:
        """Tell whether the worker of this id lives; True where nothing is known of him. Raises Unavailable."""
        row = self._sessions.run(lambda session: session.execute(_ASK, {"id": worker, "lost": LOST}).fetchone())
        if row is None:
            return True
        free, started, same, seen, left, process = row
        returning = time.monotonic() - self._met.setdefault(started, time.monotonic()) < RETURNING
        return not free or (not (left or has_ended(process)) and (seen if same else returning))

    def forget(self) -> None:
        """Forget the workers who went long ago. Raises Unavailable."""
        self._sessions.run(lambda session: session.execute(_FORGET))
