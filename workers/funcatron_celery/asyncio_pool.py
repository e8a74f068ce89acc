"""A Celery pool for tasks that are ``async def``: many at a time, on one event loop per worker process.

It serves any Celery application, not only functions: name it in Celery's setting
``worker_pool = "funcatron_celery.asyncio_pool:TaskPool"``, or set the environment variable
``CELERY_CUSTOM_WORKER_POOL`` to it and start ``celery worker -P custom``. ``--concurrency`` limits how many tasks run.

The loop has a thread of its own; the main thread keeps the broker, and nothing else touches it. What Celery does
around a task (``celery.app.trace``) is Celery's own code, run by ``awaiting.run_sync``. Sync tasks run in threads, so
that they do not stop the loop.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from celery import signals
from celery._state import _task_stack
from celery.concurrency.base import BasePool
from celery.worker import state

from funcatron.calls import ThreadCalls
from funcatron_celery.asyncio_job import Job, adapt, is_adapted, keep_apart, keeps_limits
from funcatron_celery.handover import Handover, interrupt

__all__ = ["TaskPool"]

logger = logging.getLogger("funcatron.worker")

MOST_THREADS = 40
"""Threads for sync tasks."""
LOOK = 0.1
"""Seconds between looks for whether a worker that drains is to end at once."""
ENDING = 5.0
"""Seconds that the loop has to end what is cancelled when the pool stops."""


class TaskPool(BasePool):  # type: ignore[misc]
    """Runs ``async def`` tasks on one event loop, ``limit`` tasks at a time; those that come beyond that wait."""

    limit: int
    body_can_be_buffer = True
    signal_safe = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handover = Handover()
        self._threads = ThreadCalls(MOST_THREADS)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="funcatron-asyncio", daemon=True)
        self._arrived: deque[Job] = deque()
        self._awaited = False
        self._waiting: deque[Job] = deque()
        self._running: set[Job] = set()

    # What Celery's worker calls, in its main thread

    def on_start(self) -> None:
        """Start the loop. ``worker_process_init`` is sent there, so that its receivers can make what belongs to it."""
        keep_apart(_task_stack)
        for task in self.app.tasks.values():
            adapt(task)
        signals.task_received.connect(self._consumed_by)
        self._thread.start()
        hostname = (self.options.get("initargs") or (None, None))[1]
        self._on_loop(functools.partial(signals.worker_process_init.send, sender=hostname)).result()

    def register_with_event_loop(self, loop: Any) -> None:
        """Have the worker's hub watch for what is handed over (with brokers whose transport has one)."""
        loop.add_reader(self._handover.fileno(), self._handover.run)

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        *,
        callback: Callable[[Any], object],
        error_callback: Callable[[Any], object],
        accept_callback: Callable[[int, float], object],
        timeout_callback: Callable[[bool, float], object],
        soft_timeout: float | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Job | None:
        """Run a task, now or when there is room; its first argument is the task's name, as Celery's tracers have it."""
        if not self.active:
            return None  # a closed pool: the broker sends more while its consumer is being cancelled; others get them
        task = self.app.tasks.get(args[0]) if args else None
        limited = not keeps_limits(task)
        job = Job(
            functools.partial(target, *args, **(kwargs or {})),
            self._loop,
            on_loop=is_adapted(task),
            over=self._over,
            tell=self._handover.put,
            soft=(soft_timeout or self.options.get("soft_timeout")) if limited else None,
            hard=(timeout or self.options.get("timeout")) if limited else None,
            callback=callback,
            error_callback=error_callback,
            accept_callback=accept_callback,
            timeout_callback=timeout_callback,
        )
        self._arrived.append(job)
        if not self._awaited:  # else the loop is on its way here: to wake it for each would cost more than the task
            self._awaited = True
            self._loop.call_soon_threadsafe(self._arrive)
        return job

    def on_close(self) -> None:
        """Begin no more, and wait for what runs while its broker is still there to be told."""
        cleared = self._on_loop(self._waiting.clear)  # they are not acknowledged: others get them
        while not (cleared.done() and not self._running) and not _is_terminating():
            self._handover.wait(LOOK)
            self._handover.run()
        self._handover.run()

    def on_stop(self) -> None:
        """Cancel what still runs, and end the loop; a second time does nothing."""
        if not self._thread.is_alive():
            return
        signals.task_received.disconnect(self._consumed_by)
        self._loop.call_soon_threadsafe(self._leave)
        self._thread.join(ENDING)
        self._threads.close()
        self._handover.close()

    on_terminate = on_stop

    def terminate_job(self, pid: int, signal: Any = None) -> None:
        """Nothing: Celery then calls ``terminate`` of the handle, which knows its task."""

    def grow(self, n: int = 1) -> None:
        """Run ``n`` more tasks at a time."""
        self._loop.call_soon_threadsafe(self._resize, n)

    def shrink(self, n: int = 1) -> None:
        """Run ``n`` fewer tasks at a time; what runs is left alone."""
        self._loop.call_soon_threadsafe(self._resize, -n)

    def _get_info(self) -> dict[str, Any]:
        counts = {"running": len(self._running), "waiting": len(self._waiting), "threads": MOST_THREADS}
        return {**super()._get_info(), "processes": [os.getpid()], **counts}

    def _consumed_by(self, sender: Any, **rest: Any) -> None:
        """See whose tasks these are; where that consumer has no hub, reach it by its list of pending operations."""
        if sender.pool is not self:
            return
        signals.task_received.disconnect(self._consumed_by)

        def wake() -> None:
            sender.call_soon(self._handover.run)
            interrupt(sender)

        if sender.hub is None:
            self._handover.wake = wake

    # On the loop

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        while True:
            try:
                self._loop.run_forever()
                break
            except (SystemExit, KeyboardInterrupt) as error:  # asyncio lets these out of whatever a task has begun
                logger.error("%r was raised on the event loop, which goes on", error)
        self._loop.run_until_complete(_end_tasks(self._loop))
        self._loop.close()

    def _leave(self) -> None:
        signals.worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
        self._loop.stop()

    def _on_loop(self, call: Callable[[], Any]) -> Future[Any]:
        async def called() -> Any:
            return call()

        return asyncio.run_coroutine_threadsafe(called(), self._loop)

    def _arrive(self) -> None:
        self._awaited = False  # first: what arrives from here on calls again
        while self._arrived:
            self._waiting.append(self._arrived.popleft())
        self._fill()

    def _resize(self, n: int) -> None:
        self.limit = max(1, self.limit + n)
        self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self.limit:
            job = self._waiting.popleft()
            self._running.add(job)
            job.begin(self._threads)

    def _over(self, job: Job, tell: Callable[[], object] | None) -> None:
        """A job has ended: tell Celery so, and begin the next."""
        if tell is not None:
            self._handover.put(tell)
        if job in self._running:
            self._running.discard(job)
            self._fill()
        elif job in self._waiting:
            self._waiting.remove(job)


def _is_terminating() -> bool:
    return state.should_terminate is not None and state.should_terminate is not False


async def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel all tasks and wait for their ends, for a time."""
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=ENDING / 2)
    await loop.shutdown_asyncgens()
