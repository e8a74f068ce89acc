"""What one consumer holds: messages claimed and not delivered yet, messages done with and not deleted yet.

Both are handled many at a time, because a transaction costs more than a message. Neither is kept for long: a claim is
sized to last ``CLAIM_SECONDS``, and whatever lies longer, because one message turns out to take its time, is given
back or deleted by ``tidy``, which another thread calls.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty

from funcatron_celery.sqlite.messages import Claimed, Messages

__all__ = ["Claims", "Pace"]

LARGEST_CLAIM = 64
CLAIM_SECONDS = 0.05
SETTLED_TOGETHER = 64
SETTLE_SECONDS = 0.05


class Pace:
    """How many messages to claim at once, from how long the last claim lasted. It doubles at most."""

    def __init__(self) -> None:
        self._size = 1
        self._since = 0.0

    def next(self, room: int) -> int:
        """Return the size of a claim made now, the last one being used up."""
        now = time.monotonic()
        lasted = now - self._since
        fitting = int(self._size * CLAIM_SECONDS / lasted) if lasted > 0 else LARGEST_CLAIM
        self._size = max(1, min(fitting, self._size * 2, room, LARGEST_CLAIM))
        self._since = now
        return self._size


class Claims:
    """The claims of one consumer; ``owner`` gives the id of its lease, ``later`` asks for a call of ``tidy``."""

    def __init__(self, messages: Messages, owner: Callable[[], str], later: Callable[[], None]) -> None:
        self._messages = messages
        self._owner = owner
        self._later = later
        self._claimed: dict[str, deque[Claimed]] = {}
        self._paces: dict[str, Pace] = {}
        self._plenty: set[str] = set()  # queues whose last claim found all it asked for
        self._delivered_at = 0.0
        self._claiming = threading.Lock()
        self._settled: list[int] = []
        self._settled_since = 0.0
        self._settling = threading.Lock()

    def next(self, queue: str, room: Callable[[], int | None]) -> Claimed:
        """Return the next message; no more than ``room()`` (None: any number) are claimed. Raises Empty."""
        now = time.monotonic()
        if self._settled and now - self._settled_since > SETTLE_SECONDS:
            self.flush()
        with self._claiming:
            claimed = self._claimed.get(queue)
            if not claimed:
                claimed = self._claim(queue, room())
                now = time.monotonic()
            self._delivered_at = now
            return claimed.popleft()

    def settle(self, message_id: int) -> None:
        """A message is done with. Any thread may say so."""
        with self._settling:
            count = len(self._settled)
            if not count:
                self._settled_since = time.monotonic()
            self._settled.append(message_id)
        if count + 1 >= SETTLED_TOGETHER:
            self.flush()
        elif not count:  # else it was asked for, and ``tidy`` asks for itself as long as there is anything
            self._later()

    def flush(self) -> None:
        """Delete what is done with."""
        if self._settled:
            with self._taken() as settled:
                self._messages.acknowledge(settled)

    def give_back(self, queue: str) -> None:
        """Free what is claimed of this queue and not delivered."""
        with self._claiming:
            self._messages.give_back([message.id for message in self._claimed.get(queue, ())])
            self._claimed.pop(queue, None)

    def tidy(self) -> bool:
        """Free and delete what lies too long, the consumer being busy; True if there may soon be more to do."""
        now = time.monotonic()
        if self._settled and now - self._settled_since > SETTLE_SECONDS:
            self.flush()
        with self._claiming:
            if now - self._delivered_at > CLAIM_SECONDS:
                for claimed in self._claimed.values():
                    self._messages.give_back([message.id for message in claimed])
                    claimed.clear()
            return bool(self._settled or any(self._claimed.values()))

    def _claim(self, queue: str, room: int | None) -> deque[Claimed]:
        if queue not in self._plenty and not self._messages.waiting(queue):
            raise Empty
        size = self._paces.setdefault(queue, Pace()).next(LARGEST_CLAIM if room is None else max(1, room))
        with self._taken() as settled:
            found = self._messages.claim(queue, size, self._owner(), settled)
        if len(found) == size:
            self._plenty.add(queue)
        else:
            self._plenty.discard(queue)
        if not found:
            raise Empty
        claimed = self._claimed[queue] = deque(found)
        if len(claimed) > 1:
            self._later()
        return claimed

    @contextlib.contextmanager
    def _taken(self) -> Iterator[list[int]]:
        with self._settling:
            settled, self._settled = self._settled, []
        try:
            yield settled
        except BaseException:
            with self._settling:
                self._settled = settled + self._settled
            self._later()
            raise
