"""The supervisor: one small process that keeps the others running, and never leaves one behind.

It forks one child per role and waits. A child that dies is started again: at once if it had been serving, with
growing pauses if it never got ready. A child whose work is past its hard limit is killed. SIGTERM, SIGINT and SIGHUP
stop all children: they take no new work, finish what runs, and are killed after ``shutdown_timeout``; a second signal
kills them at once. The supervisor itself imports and forks, and does nothing else: no threads, no connections.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from funcatron.garbage import settled
from funcatron_celery.process import CONFIGURATION, ChildProcess, Role

__all__ = ["Supervisor"]

logger = logging.getLogger("funcatron.supervisor")

TICK = 0.5
SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 30.0


class _Place:
    """One role's child, and when it may be started next."""

    def __init__(self, role: Role) -> None:
        self.child = ChildProcess(role)
        self.start_at: float | None = 0.0
        self.pause = SHORTEST_PAUSE
        self.kill_at: float | None = None

    def rest(self) -> float:
        """Return how long to wait before the next start, after a child has ended."""
        self.pause = SHORTEST_PAUSE if self.child.ready else min(LONGEST_PAUSE, self.pause * 2)
        return self.pause


class Supervisor:
    """Runs roles in child processes until it is told to stop.

    ``on_ready`` is called once, when every child serves. ``grace`` is what a handler may take beyond its time limit, to
    clean up, before its process is killed; ``on_overdue`` is called before that with the child's worker id. Times are
    seconds.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        *,
        shutdown_timeout: float = 30.0,
        grace: float = 2.0,
        on_ready: Callable[[], None] = lambda: None,
        on_overdue: Callable[[str], None] = lambda worker: None,
    ) -> None:
        self._places = [_Place(role) for role in roles]
        self._shutdown_timeout = shutdown_timeout
        self._grace = grace
        self._on_ready: Callable[[], None] | None = on_ready
        self._on_overdue = on_overdue
        self._signals = 0
        self._heard = 0
        self._code = 0
        self._lifeline: tuple[int, int] = (-1, -1)
        self._kill_at: float | None = None

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns 0, or another exit code where a child can never work."""
        self._lifeline = os.pipe()
        settled()
        with selectors.DefaultSelector() as selector, self._signals_heard(selector):
            try:
                while self._running():
                    self._tick(selector)
            finally:
                self._kill_all()
                for end in self._lifeline:
                    os.close(end)
        return self._code

    def stop(self, code: int = 0) -> None:
        """Begin to stop: as a signal does."""
        self._code = self._code or code
        self._signals += 1

    def _running(self) -> bool:
        return self._kill_at is None or any(place.child.pid is not None for place in self._places)

    def _tick(self, selector: selectors.BaseSelector) -> None:
        self._obey()
        now = time.monotonic()
        for place in self._places:
            self._look_after(place, now, selector)
        for key, _ in selector.select(self._until_next(now)):
            if isinstance(key.data, _Place):
                selector.unregister(key.fd)
                key.data.child.hear()
            else:
                os.read(key.fd, 4096)
        self._announce()

    def _look_after(self, place: _Place, now: float, selector: selectors.BaseSelector) -> None:
        child = place.child
        pipe = child.pipe
        code = child.ended()
        if code is not None:
            if pipe is not None:
                selector.unregister(pipe)
            self._mourn(place, code, now)
        if child.pid is None and self._kill_at is None and place.start_at is not None and now >= place.start_at:
            child.start(self._lifeline)
            place.start_at = place.kill_at = None
            if child.pipe is not None:
                selector.register(child.pipe, selectors.EVENT_READ, place)
        self._enforce(place, now)

    def _mourn(self, place: _Place, code: int, now: float) -> None:
        name = place.child.role.name
        if self._kill_at is not None:
            return
        if code == CONFIGURATION:
            self.stop(CONFIGURATION)
            return
        pause = place.rest()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        logger.warning("%s %s; it is started again in %.1f s", name, how, pause)
        place.start_at = now + pause

    def _enforce(self, place: _Place, now: float) -> None:
        """Kill what is past its hard limit; its traceback is written first."""
        child = place.child
        if child.pid is None:
            return
        if place.kill_at is not None and now >= place.kill_at:
            child.kill()
        elif place.kill_at is None and child.overdue(self._grace):
            logger.error("%s runs past its time limit and is killed; where it is stuck:", child.role.name)
            child.dump()
            if (worker := child.worker) is not None:
                self._on_overdue(worker)
            place.kill_at = now + TICK / 2

    def _give_up(self, place: _Place, now: float) -> None:
        """Kill what has not ended after it was told to; its traceback is written first."""
        child = place.child
        if child.pid is None:
            return
        if place.kill_at is None and self._signals <= 1:
            logger.error(
                "%s has not stopped in %g s and is killed; where it is:", child.role.name, self._shutdown_timeout
            )
            child.dump()
            place.kill_at = now + TICK / 2
        elif place.kill_at is None or now >= place.kill_at:
            child.kill()

    def _obey(self) -> None:
        if self._signals == self._heard:
            return
        self._heard = self._signals
        now = time.monotonic()
        if self._kill_at is None:
            self._kill_at = now + self._shutdown_timeout
            for place in self._places:
                place.child.terminate()
        elif self._signals > 1:
            self._kill_at = now

    def _until_next(self, now: float) -> float:
        if self._kill_at is not None:
            if now >= self._kill_at:
                for place in self._places:
                    self._give_up(place, now)
                return 0.05
            return min(TICK, self._kill_at - now)
        starts = [p.start_at - now for p in self._places if p.child.pid is None and p.start_at is not None]
        return max(0.0, min([TICK, *starts]))

    def _announce(self) -> None:
        if self._on_ready is not None and self._kill_at is None and all(p.child.ready for p in self._places):
            announce, self._on_ready = self._on_ready, None
            announce()

    def _kill_all(self) -> None:
        for place in self._places:
            place.child.kill()
        while any(place.child.pid is not None and place.child.ended() is None for place in self._places):
            time.sleep(0.005)

    @contextmanager
    def _signals_heard(self, selector: selectors.BaseSelector) -> Iterator[None]:
        """Count what says stop; wake the selector for that and for SIGCHLD."""
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        selector.register(read, selectors.EVENT_READ)

        def count(number: int, frame: FrameType | None) -> None:
            self._signals += 1

        stopping = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
            stopping.append(signal.SIGHUP)  # the terminal was closed
        before = {number: signal.signal(number, count) for number in stopping}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(read)
            os.close(write)
