"""Who runs an execution: the id of a lease that this process holds for as long as it lives."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from funcatron.ports import Lease

__all__ = ["Identity"]


LOOK_SECONDS = 0.05
"""Seconds for which a lease is trusted to be there, once it was seen: to look costs a call of the system."""


class Identity:
    """The worker id of this process; taken on first use, and anew in a forked child. ``lease`` takes one, ``tell`` is
    called with each.
    """

    def __init__(self, lease: Callable[[], Lease]) -> None:
        self._take = lease
        self.tell: Callable[[str], None] = lambda worker: None
        self._lease: Lease | None = None
        self._look_at = 0.0
        self._process = 0
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """The id, ``<host>-<pid>-<random>``; raises Unavailable where no lease can be had."""
        lease, now = self._lease, time.monotonic()
        if lease is None or now >= self._look_at or self._process != os.getpid():
            with self._lock:
                lease = self._lease
                if lease is None or not lease.held:
                    lease = self._lease = self._take()
                    self.tell(lease.id)
                self._look_at, self._process = now + LOOK_SECONDS, os.getpid()
        return lease.id

    def release(self) -> None:
        """Give the lease up: nothing of this worker runs any more."""
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.release()
