"""The kombu transport: queues in one SQLite file, for any number of processes of one machine.

A broker URL is ``sqlite:////absolute/file`` or ``sqlite:///relative/file``; the file may be the execution store's.
Transport options: ``delivery_limit`` (attempts before a message is buried, default 20) and ``polling_interval``
(seconds between looks at the file where nobody calls; default 1, or 0.05 where no wake-up socket can be made).
"""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, virtual

from funcatron.errors import Unavailable
from funcatron.store.database import Database
from funcatron.store.lease import Lease, held
from funcatron.store.opening import path_of
from funcatron.store.wakeup import Listener
from funcatron_celery.sqlite.channel import Channel
from funcatron_celery.sqlite.flusher import Flusher
from funcatron_celery.sqlite.messages import Messages
from funcatron_celery.sqlite.topology import Topology

__all__ = ["Transport", "register"]

REAP_SECONDS = 0.25
POLLING_INTERVAL = 1.0
DEAF_POLLING_INTERVAL = 0.05


class Transport(virtual.Transport):
    """One connection to the file, with one lease for everything that it claims."""

    Channel = Channel
    driver_type = "sqlite"
    driver_name = "funcatron"
    can_parse_url = True
    connection_errors = (*virtual.Transport.connection_errors, Unavailable)  # type: ignore[assignment]
    implements = virtual.Transport.implements.extend(exchange_type=frozenset(["direct", "topic", "fanout"]))

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self._url: str = client.hostname
        self._options: dict[str, Any] = client.transport_options
        self._database: Database | None = None
        self._lease: Lease | None = None
        self._listener: Listener | None = None
        self._flusher: Flusher | None = None
        self._reap_at = 0.0
        self._drainer = 0  # the thread that consumes
        self._interrupted = False

    def establish_connection(self) -> Any:
        """Open the file. Raises Unavailable where that fails, SettingsError where the URL or the file is not for us."""
        self._database = Database.share(path_of(self._url))
        self.messages = Messages(self._database, delivery_limit=int(self._options.get("delivery_limit", 20)))
        self.topology = Topology(self._database)
        try:
            self.topology.exchanges()
            return super().establish_connection()
        except BaseException:
            self.close_connection(self)
            raise

    def close_connection(self, connection: Any) -> None:
        """Give everything back and close the file."""
        flusher, self._flusher = self._flusher, None
        if flusher is not None:
            flusher.stop()
        super().close_connection(connection)
        database, self._database = self._database, None
        if database is not None:
            if self._lease is not None and self._lease.held:
                with contextlib.suppress(Unavailable):  # whoever looks next does it
                    self.messages.forget(self._lease.id, attempted=False)
            self.give_up_lease()
            database.close()

    def driver_version(self) -> str:
        """Return SQLite's version."""
        return sqlite3.sqlite_version

    @property
    def lease(self) -> Lease:
        """What owns this connection's messages; taken on first use, anew after a fork."""
        if self._lease is None or not self._lease.held:
            assert self._database is not None, "not connected"
            self.give_up_lease()
            for _ in held(self._database.leases):  # sweeps away what the dead left
                pass
            self._lease = Lease.acquire(self._database.leases)
        return self._lease

    def listen(self) -> None:
        """Be awake to new messages from now on."""
        lease = self.lease
        if self._listener is None:
            self._listener = Listener(lease)
        if self._flusher is None:
            self._flusher = Flusher(self._tidy)

    def give_up_lease(self) -> None:
        """Let go of all this connection owns: whoever looks next frees it."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.release()

    def has_room(self) -> None:
        """Wake ``drain_events`` if a message was settled in another thread: there may be room for the next."""
        if self._listener is not None and threading.get_ident() != self._drainer:
            self._listener.nudge()

    def flush_later(self) -> None:
        """See to it that what channels hold back is settled even if this thread is kept busy."""
        if self._flusher is not None:
            self._flusher.needed()

    def interrupt(self) -> None:
        """Make ``drain_events``, the one that waits now or else the next, return at once with TimeoutError.

        May be called from any thread and from a signal handler.
        """
        self._interrupted = True
        if self._listener is not None:
            self._listener.nudge()

    def drain_events(self, connection: Any, timeout: float | None = None, **kwargs: Any) -> None:
        """Deliver at least one message; raises TimeoutError where none comes in ``timeout`` seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        self._drainer = threading.get_ident()
        self._reap(time.monotonic())
        while not self._deliver_next():
            self._wait(until)
            for channel in self.channels:
                channel.look()
            self._reap(time.monotonic())

    def deliver_more(self, seconds: float) -> None:
        """Deliver what is at hand, message by message, until ``seconds`` have passed or somebody interrupts."""
        until = time.monotonic() + seconds
        while not self._interrupted and time.monotonic() < until and self._deliver_next():
            pass

    def _deliver_next(self) -> bool:
        """Deliver one message of the channel whose turn it is; False where none has any.

        As kombu's cycle, without an exception for each that has none.
        """
        channels: list[Channel] = self.channels
        for _ in range(len(channels)):
            channel = channels.pop(0)
            channels.append(channel)
            if channel.deliver(self._deliver):
                return True
        return False

    def _wait(self, until: float | None) -> None:
        """Wait until there may be something to deliver. Raises TimeoutError."""
        for channel in self.channels:
            channel.flush()
        self.listen()
        look_at = time.monotonic() + self._interval()
        while True:
            now = time.monotonic()
            if self._interrupted or (until is not None and now >= until):
                self._interrupted = False
                raise TimeoutError
            if now >= look_at or self._reap(now):
                return
            if self._listener is None or self._listener.wait(min(look_at, self._reap_at, until or look_at) - now):
                return

    def _tidy(self) -> bool:
        unfinished = [channel.tidy() for channel in list(self.channels)]
        return any(unfinished)

    def _interval(self) -> float:
        deaf = self._listener is None or not self._listener.works
        return float(self._options.get("polling_interval", DEAF_POLLING_INTERVAL if deaf else POLLING_INTERVAL))

    def _reap(self, now: float) -> bool:
        """From time to time free what the dead hold; True if there was anything."""
        if now < self._reap_at:
            return False
        self._reap_at = now + REAP_SECONDS
        return self.messages.reap(self.lease.id)


def register() -> None:
    """Make ``sqlite:///...`` a broker URL for every kombu connection of this process."""
    TRANSPORT_ALIASES["sqlite"] = "funcatron_celery.sqlite:Transport"
