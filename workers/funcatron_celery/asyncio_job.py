"""One task in the asyncio pool: its limits, its end, and what Celery knows of it meanwhile."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from billiard.einfo import ExceptionInfo
from celery.exceptions import ImproperlyConfigured, SoftTimeLimitExceeded
from celery.utils.threads import get_ident

from funcatron.calls import Calls
from funcatron_celery.awaiting import await_, can_await, run_sync

__all__ = ["ON_LOOP", "Job", "adapt", "is_adapted", "keep_apart", "keeps_limits"]

T = TypeVar("T")

ON_LOOP = "on_loop"
"""The attribute of a task that runs on the loop: ``async`` where it is ``async def``; ``own`` where its body is sync,
awaits by ``await_`` and keeps its time limits itself.
"""

_current: ContextVar[Job | None] = ContextVar("funcatron_job", default=None)


class Job:
    """The handle of one call of a task.

    ``over(job, tell)`` is called on the loop, once, when it has ended, with what Celery is to be told in its consumer's
    thread (None: nothing); ``tell(call)`` has such a thing told before that. ``soft`` and ``hard`` are seconds; they
    are kept where the task runs on the loop, for nothing ends a thread. The callbacks are those of Celery's request.
    """

    def __init__(
        self,
        call: Callable[[], Any],
        loop: asyncio.AbstractEventLoop,
        *,
        on_loop: bool,
        over: Callable[[Job, Callable[[], object] | None], None],
        tell: Callable[[Callable[[], object]], None],
        soft: float | None = None,
        hard: float | None = None,
        callback: Callable[[Any], object],
        error_callback: Callable[[Any], object],
        accept_callback: Callable[[int, float], object],
        timeout_callback: Callable[[bool, float], object],
    ) -> None:
        self.soft = soft
        self._call = call
        self._loop = loop
        self._on_loop = on_loop
        self._over = over
        self._tell = tell
        self._hard = hard
        self._succeeded = callback
        self._failed = error_callback
        self._accepted = accept_callback
        self._timed_out = timeout_callback
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    def begin(self, threads: Calls) -> None:
        """Run it; on the loop."""
        self._accept()
        context = contextvars.copy_context()
        context.run(_current.set, self)
        running = run_sync(self._call) if self._on_loop else threads.run(self._call, None)
        if self._hard is not None and self._on_loop:
            self._timer = self._loop.call_later(self._hard, self._expire, self._hard)
        self._task = self._loop.create_task(self._run(running), context=context)

    def terminate(self, signal: Any = None) -> None:
        """End it, which was revoked; from any thread."""
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        """End it: Celery has told everybody, or does so when it hears that it had begun."""
        if self._task is None:
            self._accept()
        elif not self._on_loop:
            return  # a thread cannot be interrupted; what it comes to is told
        else:
            self._task.cancel()
        self._end(None)

    async def _run(self, running: Awaitable[Any]) -> None:
        tell: Callable[[], object] | None = None
        try:
            outcome = await running
        except asyncio.CancelledError:
            pass  # by whoever called cancel or stops the loop
        except BaseException:  # noqa: BLE001 - Celery decides what each means: Reject, MemoryError, an exit
            tell = functools.partial(self._failed, ExceptionInfo())
        else:
            tell = functools.partial(self._succeeded, outcome)
        self._end(tell)

    def _expire(self, after: float) -> None:
        """Give it up: it had been cancelled by its soft limit, if it has one, and is still there."""
        assert self._task is not None
        self._task.cancel()
        self._end(functools.partial(self._timed_out, False, after))

    def _accept(self) -> None:
        self._tell(functools.partial(self._accepted, os.getpid(), time.monotonic()))

    def _end(self, tell: Callable[[], object] | None) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        self._over(self, tell)


def adapt(task: Any) -> None:
    """Have an ``async def`` task awaited where Celery calls it; a sync one is left as it is."""
    keep_apart(task.request_stack)
    name = "_orig_run" if hasattr(task, "_orig_run") else "run"  # the former with autoretry_for, around which run is
    body = getattr(task, name)
    if inspect.iscoroutinefunction(body):
        setattr(task, name, _awaited(body))
        setattr(task, ON_LOOP, "async")


def is_adapted(task: Any) -> bool:
    """Tell whether a task runs on the loop."""
    return getattr(task, ON_LOOP, None) is not None


def keeps_limits(task: Any) -> bool:
    """Tell whether a task keeps its time limits itself."""
    return getattr(task, ON_LOOP, None) == "own"


def keep_apart(stack: Any) -> None:
    """Have one of Celery's stacks, of which every thread or greenlet has its own, be one for each job instead, and for
    all that a job begins: its asyncio tasks, its threads.
    """
    if not hasattr(type(stack), "__ident_func__"):
        raise ImproperlyConfigured("the asyncio pool cannot be used with USE_FAST_LOCALS: unset that variable")
    stack.__ident_func__ = _ident


def _ident() -> object:
    return _current.get() or get_ident()


def _awaited(body: Callable[..., Awaitable[T]]) -> Callable[..., T | Awaitable[T]]:
    @functools.wraps(body)
    def run(*args: Any, **kwargs: Any) -> T | Awaitable[T]:
        awaitable = body(*args, **kwargs)
        return await_(_limited(awaitable)) if can_await() else awaitable  # one task may await another

    return run


async def _limited(awaitable: Awaitable[T]) -> T:
    job = _current.get()
    scope = asyncio.timeout(job.soft if job is not None else None)
    try:
        async with scope:
            return await awaitable
    except TimeoutError:
        if scope.expired():
            raise SoftTimeLimitExceeded(job.soft if job else None) from None
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("the task was cancelled from inside") from error
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"the task raised {error!r}, which ends no worker here") from error
