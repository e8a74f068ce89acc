"""One thread that does in batches what many callers ask for one by one.

While a batch is being stored and published the next one gathers, so the cost of a commit or a confirm is shared by
all who wait for it. Callers on an event loop await a future; all futures of a batch are resolved with one
``call_soon_threadsafe`` per loop. Others block.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from funcatron.errors import Unavailable

__all__ = ["Batching"]

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger("funcatron.publisher")

LARGEST = 256
"""The most items that one batch takes."""


class _Order(NamedTuple, Generic[T, R]):
    """Items that belong together, and who waits for them."""

    items: Sequence[T]
    waiting: asyncio.Future[list[R]] | Future[list[R]]


_Orders: TypeAlias = "queue.SimpleQueue[_Order[T, R] | None]"


class Batching(Generic[T, R]):
    """Calls ``perform(items)``, which answers one result per item, in a thread of its own; never two at once.

    ``limit`` bounds the items that wait: more raise Unavailable; what is ordered together while nothing waits is taken
    however much it is, as it could never be taken otherwise. The thread is started by the first order, also in a
    forked child, where what the parent had waiting is not repeated.
    """

    def __init__(self, perform: Callable[[list[T]], list[R]], *, limit: int, name: str) -> None:
        self._perform = perform
        self._limit = limit
        self._name = name
        self._lock = threading.Lock()
        self._reset()
        _forgotten_by_children(self)

    def _reset(self) -> None:
        """Begin anew, in a forked child: the thread and what it had to do are the parent's."""
        self._lock = threading.Lock()
        self._orders: _Orders[T, R] = queue.SimpleQueue()
        self._waiting = 0
        self._thread: threading.Thread | None = None

    async def order(self, item: T) -> R:
        """Return the result for one item without blocking the event loop; raises Unavailable."""
        future: asyncio.Future[list[R]] = asyncio.get_running_loop().create_future()
        self._put(_Order([item], future))
        return (await future)[0]

    def order_all(self, items: Sequence[T]) -> list[R]:
        """Return the results for these items, blocking; raises Unavailable."""
        if not items:
            return []
        future: Future[list[R]] = Future()
        self._put(_Order(items, future))
        return future.result()

    def stop(self) -> None:
        """Finish what was ordered, then end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._orders.put(None)
        if thread is not None:
            thread.join()

    def _put(self, order: _Order[T, R]) -> None:
        with self._lock:
            if self._waiting and self._waiting + len(order.items) > self._limit:
                raise Unavailable(f"{self._name}: overloaded, {self._waiting} executions wait to be stored")
            self._waiting += len(order.items)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, args=(self._orders,), name=self._name, daemon=True)
                self._thread.start()
            self._orders.put(order)

    def _run(self, orders: _Orders[T, R]) -> None:
        open_ = True
        while open_:
            batch, open_ = _gather(orders)
            if batch:
                self._serve(batch)

    def _serve(self, batch: list[_Order[T, R]]) -> None:
        items = [item for order in batch for item in order.items]
        outcome: list[R] | Exception
        try:
            outcome = self._perform(items)
        except Unavailable as error:
            outcome = error
        except Exception as error:
            logger.exception("%s failed", self._name)
            outcome = Unavailable(f"{self._name}: {error}")
        finally:
            with self._lock:
                self._waiting -= len(items)
        _answer(batch, outcome)


def _forgotten_by_children(batching: Batching[T, R]) -> None:
    known = weakref.ref(batching)  # the interpreter keeps these callbacks for ever; it shall not keep the object

    def after() -> None:
        live = known()
        if live is not None:
            live._reset()  # noqa: SLF001 - one class with its own hook

    os.register_at_fork(after_in_child=after)


def _gather(orders: _Orders[T, R]) -> tuple[list[_Order[T, R]], bool]:
    """Return everything that waits, up to LARGEST items, waiting for the first; and whether to go on after it."""
    batch: list[_Order[T, R]] = []
    size = 0
    order = orders.get()
    while order is not None:
        batch.append(order)
        size += len(order.items)
        if size >= LARGEST:
            return batch, True
        try:
            order = orders.get_nowait()
        except queue.Empty:
            return batch, True
    return batch, False


def _answer(batch: list[_Order[T, R]], outcome: list[R] | Exception) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[list[R]], list[R] | Exception]]] = defaultdict(
        list
    )
    start = 0
    for order in batch:
        result = outcome if isinstance(outcome, Exception) else outcome[start : start + len(order.items)]
        start += len(order.items)
        if isinstance(order.waiting, asyncio.Future):
            by_loop[order.waiting.get_loop()].append((order.waiting, result))
        else:
            _resolve(order.waiting, result)
    for loop, answers in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve_all, answers)
        except RuntimeError:  # the loop was closed: nobody waits any more
            logger.debug("an event loop was closed before its executions were stored")


def _resolve_all(answers: list[tuple[asyncio.Future[list[R]], list[R] | Exception]]) -> None:
    for future, result in answers:
        if not future.done():  # its caller may have been cancelled
            _resolve(future, result)


def _resolve(future: asyncio.Future[list[R]] | Future[list[R]], result: list[R] | Exception) -> None:
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
