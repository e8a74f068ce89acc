"""The Celery tasks: one per function, named by its operationId.

A message of our own publisher carries no arguments: its task id is the id of an execution on record. A message of any
other Celery client carries keyword arguments and has no record; the runner makes one under the task id. Either way
the message is acknowledged once the end of the attempt is on record, and what follows (a retry, a callback) comes
from the record.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from celery import Celery, signals
from celery.exceptions import Ignore, Reject
from celery.worker import state as worker_state

from funcatron.app import Funcatron
from funcatron.codec import encode_input
from funcatron.errors import InvalidInput, SettingsError, TransitionError, Unavailable
from funcatron.execution import Execution
from funcatron.registry import Function
from funcatron.runner import Runner
from funcatron_celery.awaiting import can_await
from funcatron_celery.deadlines import Deadlines
from funcatron_celery.envelope import MARK
from funcatron_celery.examine import Call
from funcatron_celery.identity import Identity
from funcatron_celery.limits import GRACE, InlineCalls, WatchedThreads, die_at_once
from funcatron_celery.loop import TaskLoop, driven
from funcatron_celery.running import Running

__all__ = ["FunctionFailed", "Tasks"]

Begin: TypeAlias = Callable[[Runner], Coroutine[Any, Any, Execution | None]]

logger = logging.getLogger("funcatron.worker")

LONGEST_PAUSE = 10.0
SLICE = 0.2


class FunctionFailed(Exception):
    """What a Celery client that waits for a result gets when the execution has failed."""


class Tasks:
    """Makes the tasks of one application and runs them in this process; ``deadlines`` are those of what runs."""

    def __init__(self, funcatron: Funcatron, identity: Identity) -> None:
        self._funcatron = funcatron
        self._identity = identity
        self._prepared: int | None = None
        self.loop = TaskLoop()
        self.deadlines = Deadlines()

    def register(self, app: Celery) -> None:
        """Make one task for each function; what ``celery control revoke`` keeps from running is cancelled on record."""

        def revoked(sender: Any, request: Any, expired: bool, **rest: Any) -> None:
            if sender.app is app and not expired:
                self._cancel(request.id)

        signals.task_revoked.connect(revoked, weak=False)
        for function in self._funcatron.registry.functions.values():
            app.task(
                self._body(function),
                name=function.name,
                Strategy="funcatron_celery.strategy:Strategy",
                Request="funcatron_celery.request:Request",
                bind=True,
                typing=False,
                shared=False,
                throws=(FunctionFailed,),
                max_retries=None,
                on_loop="own",  # in the asyncio pool
                time_limit=function.extension.async_timeout + GRACE,  # kept by the prefork pool alone
            )

    def run(self, name: str, execution_id: str) -> Execution | None:
        """Run one attempt of the execution on record; returns what is on record then, None where nothing was run.

        Raises Reject where the worker must stop before it could: then the message goes back.
        """
        function = self._funcatron.registry.get(name)
        return self._perform(
            function, execution_id, lambda runner: runner.run(execution_id, name, worker=self._identity.id)
        )

    def _body(self, function: Function) -> Callable[..., Any]:
        queue = function.extension.queue

        def execute(task: Any, /, *args: Any, **kwargs: Any) -> Any:
            request = task.request
            if getattr(request, MARK, None) == "execution":
                after = self.run(function.name, request.id)
            else:
                after = self._perform(
                    function,
                    request.id,
                    lambda runner: runner.adopt(
                        request.id, function.name, kwargs, worker=self._identity.id, args=args, queue=queue
                    ),
                )
            answer = _answer(after)
            return answer if _is_wanted(task) else None

        execute.__doc__ = function.operation.summary or None
        return execute

    def postpone(self, call: Call) -> bool:
        """Put a call with an ``eta`` on record, to be published when it is due.

        False where its input is not valid: then it can be refused as any other call is. Raises Unavailable.
        """
        function = self._funcatron.registry.get(call.task)
        try:
            if call.args:
                return False
            stored = encode_input(function.binder.from_call(call.kwargs))
        except InvalidInput:
            return False
        record = Execution(
            id=call.id,
            function=call.task,
            trigger="celery",
            queue=function.extension.queue,
            input=stored,
            created_at=time.time(),
            due_at=call.eta,
            expires_at=call.expires,
        )
        self._funcatron.store.create([record])
        return True

    def times_out(self, execution_id: str) -> None:
        """Note that the process that runs this execution is killed because it did not end in its time."""
        try:
            record = self._funcatron.store.get(execution_id)
        except Unavailable as error:
            logger.warning("it cannot be noted that %s has timed out: %s", execution_id, error)
            return
        if record is not None and record.state == "running" and record.worker is not None:
            self._funcatron.killed.add(record.worker)

    def _cancel(self, execution_id: str) -> None:
        try:
            self._funcatron.store.cancel(execution_id)
        except TransitionError:
            logger.debug("execution %s had ended before it was revoked", execution_id)
        except Unavailable as error:
            logger.warning("execution %s was revoked but is not cancelled: %s", execution_id, error)

    def _perform(self, function: Function, execution_id: str, begin: Begin) -> Execution | None:
        """Make the attempt; while the store is out of reach keep the message and try again."""
        if self._prepared != os.getpid():
            self._prepare()
        pause = 0.1
        while True:
            try:
                with self.deadlines.until(time.monotonic() + function.extension.async_timeout):
                    return self._attempt(function, execution_id, begin)
            except asyncio.CancelledError:
                return None  # its record says so already
            except (Unavailable, SettingsError) as error:  # the latter: its tables are not for this version, say
                logger.warning("the store is out of reach, trying again in %.1f s: %s", pause, error)
                if not self.loop.run(_wait(pause)):
                    raise Reject(error, requeue=True) from error
                pause = min(LONGEST_PAUSE, pause * 2)

    def _attempt(self, function: Function, execution_id: str, begin: Begin) -> Execution | None:
        runner = self._funcatron.runner
        if self._funcatron.invoker.is_straight(function):
            with self._running.watching(execution_id):
                return driven(begin(runner))
        return self.loop.run(self._running.watch(execution_id, begin(runner)))

    def _prepare(self) -> None:
        """In a worker a sync handler runs where its task runs, so that it can be interrupted; not on a shared loop."""
        die_at_once()
        inline = None if can_await() else InlineCalls()
        self._funcatron.calls = inline or WatchedThreads(self.deadlines, self._funcatron.settings.threads)
        self._running = Running(lambda: self._funcatron.store, inline)
        self._prepared = os.getpid()


async def _wait(seconds: float) -> bool:
    """Wait; False at once when the worker is to stop."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if _stopping():
            return False
        await asyncio.sleep(min(SLICE, left))
    return not _stopping()


def _stopping() -> bool:
    return any(
        flag is not None and flag is not False for flag in (worker_state.should_stop, worker_state.should_terminate)
    )


def _is_wanted(task: Any) -> bool:
    """Whether anybody reads what the task returns: a result backend, or the next task of a canvas."""
    request = task.request
    return bool(not task.ignore_result or request.callbacks or request.chain or request.chord)


def _answer(execution: Execution | None) -> Any:
    """Return or raise what Celery stores in its result backend, where one is configured."""
    if execution is None or execution.state in {"retrying", "cancelled", "running"}:
        raise Ignore("nothing to answer yet, or answered before")
    if execution.state == "succeeded":
        return None if execution.result is None else execution.result.body
    problem = execution.problem or {}
    raise FunctionFailed(f"{problem.get('status')} {problem.get('title')}: {problem.get('detail')}")
