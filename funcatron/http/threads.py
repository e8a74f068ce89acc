"""Threads that do not keep a process from ending.

Those of concurrent.futures are joined when Python ends (PEP 3148 says nothing of it). One that waits for an event loop
which has stopped would then wait for ever, and the process with it.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeAlias, TypeVar

__all__ = ["DaemonThreads"]

P = ParamSpec("P")
T = TypeVar("T")

Call: TypeAlias = tuple[Future[Any], Callable[[], Any]]


class DaemonThreads(Executor):
    """Runs calls in at most ``threads`` threads, made as they are needed; the others wait for one.

    A call that still runs when the process ends is cut off there. The threads end when nobody has the executor any
    more.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._most = threads
        self._name = name
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._growing = threading.Lock()
        self._threads: list[threading.Thread] = []
        weakref.finalize(self, self._calls.put, None)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a call made, and return its future. Raises RuntimeError where there is no thread, nor a new one."""
        if not self._idle.acquire(blocking=False):
            self._grow()
        future: Future[T] = Future()
        self._calls.put((future, partial(fn, *args, **kwargs)))
        return future

    def _grow(self) -> None:
        with self._growing:
            number = len(self._threads)
            if number == self._most:
                return
            name = f"{self._name}_{number}"
            thread = threading.Thread(target=_serve, args=(self._calls, self._idle), name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                if not number:
                    raise
                return
            self._threads.append(thread)


def _serve(calls: SimpleQueue[Call | None], idle: threading.Semaphore) -> None:
    """Make calls until the end, which is handed on to the next thread."""
    while (taken := calls.get()) is not None:
        _make(*taken)
        del taken
        idle.release()
    calls.put(None)


def _make(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - the boundary of a thread: it is raised where the future is asked
        future.set_exception(error)
    else:
        future.set_result(result)
