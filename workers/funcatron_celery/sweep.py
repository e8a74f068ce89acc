"""The sweep: what looks after the executions on record, from the clock process.

Retries that are due and messages that were lost are published; executions nobody wants any more expire; running ones
whose worker is gone or whose time is long over are ended; old records are deleted. Every step compares before it
changes, so any number of clocks may sweep the same store.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from funcatron.app import Funcatron
from funcatron.errors import Unavailable

__all__ = ["Sweep"]

logger = logging.getLogger("funcatron.sweep")

EVERY = 0.2
"""Seconds between looks for what is due; what is rarer has its own interval."""
REAP_EVERY = 1.0
UNPUBLISHED = 3.0
"""Seconds after which an accepted execution that was not published (the broker was away) is published."""
STALE = 600.0
"""Seconds after which one that was published and still waits is published again: its message may be lost. Where the
store is the queue it knows what has a message, and this does not apply."""
STALE_EMBEDDED = 3.0
GRACE = 10.0
"""Seconds beyond its deadline after which a running attempt is given up although its worker lives."""
PURGE_EVERY = 300.0
AFTER_FAILURE = 1.0
REMIND_EVERY = 60.0
BATCH = 256


class Sweep:
    """Sweeps several times a second, in a thread of its own."""

    def __init__(
        self, funcatron: Funcatron, *, every: float = EVERY, stale: float | None = None, grace: float = GRACE
    ) -> None:
        self._funcatron = funcatron
        self._every = every
        default = STALE_EMBEDDED if funcatron.settings.embedded else STALE
        self._stale = default if stale is None else stale
        self._grace = grace
        self._steps: dict[Callable[[], int], float] = {
            self.publish_due: every,
            self.reap: REAP_EVERY,
            self.admit: REAP_EVERY,
            self.expire: REAP_EVERY,
            self.purge: PURGE_EVERY,
        }
        self._next: dict[str, float] = {}
        self._told_of: dict[str, float] = {}
        self._told = threading.Event()
        self._thread = threading.Thread(target=self._run, name="funcatron-sweep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step that runs."""
        self._told.set()
        self._thread.join()

    def once(self) -> None:
        """Do what is to be done by now; what the store or the broker cannot do is left for the next time."""
        for step, interval in self._steps.items():
            if time.monotonic() >= self._next.get(step.__name__, 0.0):
                self._next[step.__name__] = time.monotonic() + interval
                self._attempt(step)

    def publish_due(self) -> int:
        """Publish retries and delayed starts that are due, and what was stored but not published; returns how many."""
        now = time.time()
        due = self._funcatron.store.due(now=now, stale=now - self._stale, unpublished=now - UNPUBLISHED, limit=BATCH)
        self._funcatron.dispatcher.republish(due)
        return len(due)

    def reap(self) -> int:
        """End running attempts whose worker is gone or whose deadline passed long ago; returns how many."""
        late = time.time() - self._grace
        ended = 0
        running = self._funcatron.store.running()
        workers = {execution.worker for execution in running if execution.worker is not None}
        dead = {worker for worker in workers if not self._funcatron.store.alive(worker)}
        for execution in running:
            if execution.worker in dead or (execution.deadline is not None and execution.deadline < late):
                ended += self._funcatron.runner.lose(execution) is not None
        return ended

    def admit(self) -> int:
        """Let through what is held at a gate that nobody opens: whoever should have is gone, or the limit has grown;
        returns how many.
        """
        limits = {f.name: f.extension.concurrency for f in self._funcatron.registry if f.extension.concurrency}
        return self._funcatron.store.admit(limits, time.time())

    def expire(self) -> int:
        """Move executions that were not started in time to ``expired``; returns how many."""
        return self._funcatron.store.expire(time.time())

    def purge(self) -> int:
        """Delete what ended longer ago than ``keep`` seconds; returns how many."""
        return self._funcatron.store.purge(time.time() - self._funcatron.settings.keep)

    def _run(self) -> None:
        while not self._told.wait(self._every):
            self.once()

    def _attempt(self, step: Callable[[], int]) -> None:
        """Do one step; an outage is told when it begins, once a minute while it lasts, and when it is over."""
        name = step.__name__
        try:
            if changed := step():
                logger.debug("%s: %d", name, changed)
            if self._told_of.pop(name, None) is not None:
                logger.info("the sweep can %s again", name)
        except Unavailable as error:
            self._next[name] = time.monotonic() + max(AFTER_FAILURE, self._steps[step])
            if time.monotonic() - self._told_of.get(name, -math.inf) >= REMIND_EVERY:
                self._told_of[name] = time.monotonic()
                logger.warning("the sweep cannot %s now: %s", name, error)
        except Exception:
            logger.exception("the sweep failed to %s", step.__name__)
