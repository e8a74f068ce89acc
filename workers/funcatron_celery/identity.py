"""Who runs an execution: the id of a lease that this process holds for as long as it lives."""

from __future__ import annotations

import threading
from collections.abc import Callable

from funcatron.ports import Lease

__all__ = ["Identity"]


class Identity:
    """The worker id of this process; taken on first use, and anew in a forked child. ``lease`` takes one, ``tell`` is
    called with each.
    """

    def __init__(self, lease: Callable[[], Lease]) -> None:
        self._take = lease
        self.tell: Callable[[str], None] = lambda worker: None
        self._lease: Lease | None = None
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """The id, ``<host>-<pid>-<random>``; raises Unavailable where no lease can be had."""
        lease = self._lease
        if lease is None or not lease.held:
            with self._lock:
                lease = self._lease
                if lease is None or not lease.held:
                    lease = self._lease = self._take()
                    self.tell(lease.id)
        return lease.id

    def release(self) -> None:
        """Give the lease up: nothing of this worker runs any more."""
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.release()
