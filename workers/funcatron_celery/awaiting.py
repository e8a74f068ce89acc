"""Sync code on an event loop that awaits: what lets Celery's own tracer run tasks that are ``async def``.

Celery calls a task in the midst of sync code, which does a lot around it: signals, results, callbacks, retries. Here
that code runs in a greenlet of its own. Where it has to wait it hands the awaitable to the coroutine that drives it and
is gone from the stack until there is a result, so the loop serves others meanwhile. (SQLAlchemy's asyncio extension is
built in the same way.)
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

__all__ = ["await_", "can_await", "run_sync"]

T = TypeVar("T")


class _SyncCode(greenlet):
    """Sync code that a coroutine drives; its context (PEP 567) is the coroutine's."""

    gr_context: contextvars.Context | None

    def __init__(self, call: Callable[[], object]) -> None:
        driver = getcurrent()
        super().__init__(call, driver)
        self.gr_context = driver.gr_context


async def run_sync(call: Callable[[], T]) -> T:
    """Return what ``call`` returns; in it ``await_`` may be called, and cancellation is raised there."""
    code = _SyncCode(call)
    came: Any = code.switch()
    while not code.dead:
        try:
            value = await came
        except BaseException:  # noqa: BLE001 - whatever is raised by what it waits for is raised in it
            came = code.throw(*sys.exc_info())
        else:
            came = code.switch(value)
    result: T = came
    return result


def can_await() -> bool:
    """Tell whether the caller is sync code that ``run_sync`` runs."""
    return isinstance(getcurrent(), _SyncCode)


def await_(awaitable: Awaitable[T]) -> T:
    """Return what the awaitable returns, or raise what it raises; only where ``can_await``."""
    code = getcurrent()
    assert isinstance(code, _SyncCode), "only sync code that run_sync runs can await"
    assert code.parent is not None
    result: T = code.parent.switch(awaitable)
    return result
