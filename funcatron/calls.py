"""Where a sync handler runs: in a thread of an HTTP process, or in the main thread of a worker (funcatron_celery).

A thread is two hand-overs away: a queue to it, and one wake-up of the event loop back, which brings everything that has
ended by then. That is all that a call costs on top of itself, so nothing here is locked: sets and queues whose single
operations are atomic say who has a call.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from funcatron.errors import Unavailable

__all__ = ["Calls", "Cancelled", "ThreadCalls"]

T = TypeVar("T")


class Cancelled(asyncio.CancelledError):
    """What is raised inside a call to end it from outside."""


class Calls(Protocol):
    """Runs a blocking call for the event loop.

    ``inline``: it runs in the thread that asks for it and has ended when ``run`` returns; its time limit is kept
    inside it. So nothing waits.
    """

    inline: bool

    async def run(self, call: Callable[[], T], timeout: float | None) -> T:
        """Return what ``call`` returns. The caller ends the wait itself after ``timeout`` seconds; where that cannot
        reach a running call, raise TimeLimitExceeded inside it.
        """


class ThreadCalls:
    """A bounded number of threads, made as they are needed, and a bounded number of calls that wait for one.

    Any number of event loops may share it. Past its timeout a call is given up, but its thread goes on: Python cannot
    stop it. A call that still runs when the process ends does not keep it from ending.
    """

    inline = False

    def __init__(self, threads: int = 40, *, waiting: int = 10_000) -> None:
        self._most_threads = threads
        self._most = threads + waiting
        self._work = _Work()
        self._threads: list[threading.Thread] = []
        self._growing = threading.Lock()
        self._mailbox: _Mailbox | None = None
        self._closed = weakref.finalize(self, _Work.close, self._work)

    async def run(self, call: Callable[[], T], timeout: float | None) -> T:
        """See Calls. Raises Unavailable where too many calls wait already, and once the pool is closed."""
        work, mailbox, loop = self._work, self._mailbox, asyncio.get_running_loop()
        if mailbox is None or mailbox.loop is not loop:
            mailbox = self._mailbox = _Mailbox(loop)
        taken = len(work.waiting) + len(work.running)
        if taken >= self._most:
            raise Unavailable(f"{taken} calls of sync handlers run or wait for a thread")
        if not self._closed.alive:
            raise Unavailable("the threads for sync handlers are stopping")
        if taken >= len(self._threads) < self._most_threads:
            self._grow()
        entry = _Entry(call, mailbox)
        work.waiting.add(entry)
        work.queue.put(entry)
        try:
            return await entry.future  # type: ignore[no-any-return]
        finally:
            work.waiting.discard(entry)  # given up: no thread takes it any more

    def _grow(self) -> None:
        """Start one more thread; with none at all there is nothing to wait for."""
        with self._growing:
            if len(self._threads) >= self._most_threads:
                return
            name = f"funcatron-handler_{len(self._threads)}"
            thread = threading.Thread(target=self._work.serve, name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                if not self._threads:
                    raise Unavailable(f"no thread for a sync handler: {error}") from error
                return
            self._threads.append(thread)

    def close(self) -> None:
        """Take no more calls; running ones are not waited for, those that wait for a thread are refused."""
        self._closed()


class _Entry:
    """One call, its caller's context (PEP 567), and what became of it."""

    __slots__ = ("call", "context", "error", "future", "mailbox", "result")

    def __init__(self, call: Callable[[], Any], mailbox: _Mailbox) -> None:
        self.call = call
        self.context = contextvars.copy_context()
        self.mailbox = mailbox
        self.future: asyncio.Future[Any] = mailbox.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def perform(self) -> None:
        """Run the call, in whatever thread this is."""
        try:
            self.result = self.context.run(self.call)
        except StopIteration as error:  # no future can carry it
            self.error = RuntimeError("the call raised StopIteration")
            self.error.__cause__ = error
        except BaseException as error:  # noqa: BLE001 - the boundary of a thread: it is raised where the call came from
            self.error = error

    def settle(self) -> None:
        """Give the caller what became of it, in its loop, unless it waits no more."""
        future, error = self.future, self.error
        del self.future, self.error  # the error's traceback leads back here
        if future.done():
            return
        if error is None:
            future.set_result(self.result)
        else:
            future.set_exception(error)


class _Work:
    """What the threads share. A call is in ``waiting`` until who removes it there takes it: a thread, or its caller
    that gives it up. It is in ``running`` for a moment more rather than less, so never more run than are counted.
    """

    def __init__(self) -> None:
        self.queue: SimpleQueue[_Entry | None] = SimpleQueue()
        self.waiting: set[_Entry] = set()
        self.running: set[_Entry] = set()

    def serve(self) -> None:
        """Perform calls until the end; the end is handed on to the next thread."""
        while (entry := self.queue.get()) is not None:
            self.running.add(entry)
            try:
                self.waiting.remove(entry)
            except KeyError:
                self.running.discard(entry)
                continue
            entry.perform()
            self.running.discard(entry)
            entry.mailbox.put(entry)
            del entry
        self.queue.put(None)

    def close(self) -> None:
        """Refuse what waits, and end the threads."""
        for entry in list(self.waiting):
            try:
                self.waiting.remove(entry)
            except KeyError:
                continue
            entry.error = Unavailable("the server is stopping")
            entry.mailbox.put(entry)
        self.queue.put(None)


class _Mailbox:
    """Brings calls that have ended back to their event loop, as many as there are with one wake-up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._ended: deque[_Entry] = deque()
        self._woken = False

    def put(self, entry: _Entry) -> None:
        """Hand over a call that has ended; from any thread."""
        self._ended.append(entry)
        if self._woken:
            return
        self._woken = True
        try:
            self.loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self._ended.clear()

    def _deliver(self) -> None:
        self._woken = False  # first: what is put from here on wakes the loop again
        while self._ended:
            self._ended.popleft().settle()
