"""One watch at work: notifications as they come, and a look into the container every now and then."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime

from funcatron.errors import Unavailable
from funcatron.ports import Publish
from funcatron_openstack.bus import Bus, Subscription
from funcatron_openstack.container import Denied
from funcatron_openstack.filter import ObjectFilter
from funcatron_openstack.hint import Hint, Malformed
from funcatron_openstack.poll import Difference, look, take_stock
from funcatron_openstack.sources import decode, read_hints
from funcatron_openstack.watch import Watch

__all__ = ["Listening"]

logger = logging.getLogger("funcatron.swift")

AT_A_TIME = 8
"""Objects that are asked for at the same time."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0
SHORTEST_PERIOD = 2.0
"""Seconds between two looks that were asked for: a listing costs Swift more than the request that makes us look."""

Item = tuple[str, list[Hint], str | None]


class Listening:
    """Threads that feed a watch until ``stop``. ``period`` is the time between two looks, in seconds."""

    def __init__(
        self,
        watch: Watch,
        wanted: ObjectFilter,
        publish: Publish,
        *,
        subscription: Subscription | None,
        period: float,
        told: threading.Event,
    ) -> None:
        self._watch = watch
        self._wanted = wanted
        self._publish = publish
        self._subscription = subscription
        self._period = period
        self._told = told
        self._soon = threading.Event()
        self._begun = threading.Event()
        self._reachable = True
        self._started_at = datetime.now(UTC)
        self._pool = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix=f"swift-{watch.container.name}")
        self._threads = [threading.Thread(target=self._look, name="swift-look", daemon=True)]
        if subscription is not None:
            self._threads.append(threading.Thread(target=self._listen, name="swift-listen", daemon=True))

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End what is in hand; what is not done goes back."""
        self._told.set()
        self._soon.set()
        self._begun.set()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown()

    def take(self, bodies: Sequence[bytes | str]) -> bool:
        """Do what messages ask for, once it is known what is new; returns whether it was done before the end."""
        self._begun.wait()
        by_name: dict[str, list[Hint]] = {}
        for body in bodies if not self._told.is_set() else ():
            for hint in self._hints(body):
                if hint.object is None:
                    self._soon.set()
                elif self._wanted.wants(hint.object):
                    by_name.setdefault(hint.object, []).append(hint)
                else:
                    self._watch.pass_over(hint)
        done = self._settle((name, hints, None) for name, hints in by_name.items())
        return done and not self._told.is_set()

    def _hints(self, body: bytes | str) -> list[Hint]:
        """Return the hints of a message that are about this container."""
        try:
            hints = read_hints(decode(body))
        except Malformed as error:
            logger.warning("a message is no notification and is left out: %s", error)
            return []
        return [hint for hint in hints if hint.is_about(self._watch.container.account, self._watch.container.name)]

    def _settle(self, items: Iterable[Item]) -> bool:
        submitted = [self._pool.submit(self._settle_one, item) for item in items]
        wait(submitted)
        return all(future.result() for future in submitted)

    def _settle_one(self, item: Item) -> bool:
        name, hints, listed = item
        pause = FIRST_PAUSE
        while not self._told.is_set():
            try:
                done = self._watch.settle(name, hints, self._publish, listed)
            except Unavailable as error:
                self._lost(error)
                self._told.wait(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
            except Denied as error:
                logger.error("%s/%s is left to the next look: %s", self._watch.container.name, name, error)
                return True
            except Exception:  # the thread's boundary: the next look finds what this was about
                logger.exception("%s/%s is left to the next look", self._watch.container.name, name)
                return True
            else:
                self._found()
                return done
        return False

    def _listen(self) -> None:
        if self._subscription is not None:  # at once: what comes before it is known what is new waits in ``take``
            Bus(self._subscription, self.take, self._told).run()

    def _look(self) -> None:
        """Look into the container again and again; at once where somebody asks for it, but not all the time."""
        pause = FIRST_PAUSE
        while not self._told.is_set():
            began = time.monotonic()
            self._soon.clear()
            try:
                self._look_once()
            except (Unavailable, Denied) as error:
                self._lost(error)
                self._told.wait(pause)
                pause = min(max(self._period, LONGEST_PAUSE), pause * 2)
            except Exception:  # the thread's boundary: look again
                logger.exception("looking into %s failed", self._watch.container.name)
                self._told.wait(self._period)
            else:
                self._found()
                pause = FIRST_PAUSE
                took = time.monotonic() - began
                self._told.wait(min(self._period, max(SHORTEST_PERIOD, 10 * took)))
                self._soon.wait(max(0.0, self._period - (time.monotonic() - began)))

    def _look_once(self) -> None:
        watch = self._watch
        if not self._begun.is_set():
            watch.begin(self._started_at)
            self._begun.set()
        if not watch.known.complete:
            take_stock(watch.container, watch.known, self._wanted, watch.since)
        for found in look(watch.container, watch.known, self._wanted):
            if not self._settle(map(_item, found)):
                return

    def _lost(self, error: Exception) -> None:
        if self._reachable:
            level = logging.ERROR if isinstance(error, Denied) else logging.WARNING
            logger.log(level, "%s: %s; trying again until it goes", self._watch.container.name, error)
        self._reachable = False

    def _found(self) -> None:
        if not self._reachable:
            logger.info("%s: in reach again", self._watch.container.name)
        self._reachable = True


def _item(difference: Difference) -> Item:
    name, hint, listed = difference
    return name, [hint], listed
