"""One attempt of one execution: start by compare-and-set, invoke, end by compare-and-set.

Celery tasks call this; it knows no Celery. Because every change of state compares first, a message that is delivered
twice, a worker that was given up for dead and comes back, and a cancel in mid-run all end well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import msgspec

from funcatron.clock import SYSTEM_CLOCK, Clock
from funcatron.codec import decode_input, encode_input
from funcatron.endings import stored_result
from funcatron.errors import FuncatronError, InvalidInput, Problem, Unavailable, UnknownFunction, Violation
from funcatron.event import CloudEvent
from funcatron.execution import Execution, Failure, Progress, StoredResult
from funcatron.failures import refusal
from funcatron.invocation import Invocation, Principal, Result
from funcatron.invoker import Invoker
from funcatron.logs import Capture, capturing, install
from funcatron.ports import Ending, ExecutionStore
from funcatron.registry import Function, Registry

__all__ = ["Runner"]

logger = logging.getLogger("funcatron.runner")
FinishLater: TypeAlias = Callable[[Execution, Ending], Execution | None]
"""End the attempt of a running execution, after which nothing follows, together with whatever the store writes next;
returns the record as it will be, None where that will not do (see SQLiteStore).
"""
FINAL_FAILURES = frozenset({"invalid"})


class Runner:
    """Runs executions from the store.

    ``alive`` tells whether the worker of this id still lives, ``killed`` whether it was killed because what it ran did
    not end in its time; ``ended`` is called with each execution that reached an end state (callbacks hang there) and
    may be called twice for one; ``publish`` with those on record that an end let through their gate; ``finish_later``
    is the store's, if it has one.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        store: ExecutionStore,
        invoker: Invoker,
        alive: Callable[[str], bool] = lambda worker: True,
        killed: Callable[[str], bool] = lambda worker: False,
        ended: Callable[[Execution], None] = lambda execution: None,
        publish: Callable[[Sequence[Execution]], None] = lambda executions: None,
        finish_later: FinishLater | None = None,
        redacted: tuple[str, ...] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        install()
        self._registry = registry
        self._store = store
        self._invoker = invoker
        self._alive = alive
        self._killed = killed
        self._ended = ended
        self._publish = publish
        self._finish_later = finish_later
        self._redacted = redacted
        self._clock = clock
        self._unfinished: dict[str, tuple[Execution, Ending]] = {}

    async def run(self, execution_id: str, function_name: str, *, worker: str) -> Execution | None:
        """Run one attempt; returns the record after it, or None where there was nothing to do (a duplicate, a
        cancelled or an unknown execution, one that another worker runs, one that is held at its gate). Raises
        Unavailable: then the message must not be acknowledged.
        """
        if (unfinished := self._unfinished.pop(execution_id, None)) is not None:
            return self._finish(*unfinished)
        started = self._start(execution_id, function_name, worker)
        if started is None:
            return None
        try:
            function = self._registry.get(started.function)
        except UnknownFunction as error:
            problem = Problem(404, "Unknown function", str(error)).to_json()
            return self._finish(started, Ending(change="fail", problem=problem, failure="infrastructure"))
        result = await self._attempt(function, started)
        ending = _ending(function, started, result, self._clock.time())
        if function.operation.callbacks or self._finish_later is None:
            return self._finish(started, ending)
        return self._finish_later(started, ending) or self._finish(started, ending)

    async def adopt(
        self,
        task_id: str,
        function_name: str,
        kwargs: Mapping[str, Any],
        *,
        worker: str,
        args: Sequence[Any] = (),
        queue: str = "funcatron",
    ) -> Execution | None:
        """Run the call of a client that knows nothing of funcatron: make its record (the task's id is the execution's),
        then run it. Input that is not valid is on record as failed, never lost. Raises as ``run`` does.
        """
        function = self._registry.get(function_name)
        stored, refused = _taken(function, task_id, args, kwargs)
        record = Execution(
            id=task_id,
            function=function_name,
            trigger="celery",
            queue=queue,
            input=stored,
            created_at=self._clock.time(),
        )
        self._store.create([record])
        if refused is None:
            return await self.run(task_id, function_name, worker=worker)
        failure: Failure = "invalid" if isinstance(refused, InvalidInput) else "handler"
        after = self._store.fail(task_id, encode_input(refused.to_json(), strict=False), failure)
        if after is not None:
            self._ended(after)
        return after

    def _start(self, execution_id: str, function_name: str, worker: str) -> Execution | None:
        function = self._registry.functions.get(function_name)
        timeout = function.extension.async_timeout if function is not None else 300.0
        limit = function.extension.concurrency if function is not None else None
        start = partial(self._store.start, worker=worker, deadline=self._clock.time() + timeout, limit=limit)
        started = start(execution_id)
        if started is not None:
            return _unless_held(started)
        found = self._store.get(execution_id)
        if found is None:
            logger.warning("execution %s is not on record; its message is dropped", execution_id)
            return None
        if found.ended:
            self._ended(found)
        if found.state != "running" or found.worker is None or self._alive(found.worker):
            return None
        lost = self.lose(found)
        if lost is None or lost.state != "retrying" or (lost.due_at or 0.0) > self._clock.time():
            return None
        return _unless_held(start(execution_id))

    def lose(self, execution: Execution) -> Execution | None:
        """End a running attempt that its worker will not end: it counts, and the retry policy decides what follows.

        The failure is ``timeout`` where its deadline has passed and its worker still lives or was killed for that, else
        ``lost``: a worker that crashed may merely have been found late.
        """
        timed_out = self._is_too_late(execution)
        failure: Failure = "timeout" if timed_out else "lost"
        detail = (
            f"{execution.function} did not end in its time, and its worker was ended"
            if timed_out
            else f"the worker {execution.worker} was lost in mid-run"
        )
        problem = Problem(504 if timed_out else 500, "Timeout" if timed_out else "Worker lost", detail).to_json()
        function = self._registry.functions.get(execution.function)
        ending = _failed(function, execution, problem, failure, None, None, self._clock.time())
        if not timed_out and ending.change == "retry":
            ending = msgspec.structs.replace(
                ending, due_at=self._clock.time()
            )  # nothing says that the input is at fault: at once
        logger.warning(
            "execution %s of %s: %s (attempt %d)", execution.id, execution.function, detail, execution.attempt
        )
        after = self._store.lose(execution.id, execution.attempt, ending)
        if after is not None:
            self._after(after)
        return after

    def _is_too_late(self, execution: Execution) -> bool:
        if execution.deadline is None or self._clock.time() < execution.deadline:
            return False
        worker = execution.worker
        return worker is None or self._killed(worker) or self._alive(worker)

    def _after(self, execution: Execution) -> None:
        """Follow the end of an attempt."""
        if execution.gated:
            self._publish_admitted(execution.function)
        if execution.ended:
            self._ended(execution)

    def _publish_admitted(self, function_name: str) -> None:
        """Publish what the store let through; what fails here, the sweep does."""
        try:
            if admitted := self._store.admitted(function_name):
                self._publish(admitted)
        except Unavailable as error:
            logger.warning("executions of %s that waited are published later: %s", function_name, error)

    async def _attempt(self, function: Function, execution: Execution) -> Result:
        capture = Capture(
            lambda lines: self._log(execution.id, lines), attempt=execution.attempt, redacted=self._redacted
        )
        with capturing(capture):
            try:
                invocation = self._invocation(function, execution)
            except (InvalidInput, FuncatronError, ValueError, TypeError) as error:  # the latter: a record not of ours
                return refusal(error, execution.id, execution.function)
            return await self._invoker.invoke(function, invocation)

    def _invocation(self, function: Function, execution: Execution) -> Invocation:
        given = decode_input(execution.input)
        arguments = function.binder.check(given, media_type=execution.headers.get("content-type"))
        principal = None if execution.principal is None else msgspec.convert(execution.principal, Principal)
        left = None if execution.deadline is None else execution.deadline - self._clock.time()

        def progress(done: int, total: int | None, note: str | None) -> None:
            try:
                self._store.progress(execution.id, execution.attempt, Progress(done, total, note))
            except Unavailable as error:
                logger.warning("the progress of %s is not noted: %s", execution.id, error)

        return Invocation(
            id=execution.id,
            function=execution.function,
            trigger=execution.trigger,
            arguments=arguments,
            event=None if execution.event is None else _event(execution.event, execution.input),
            attempt=execution.attempt,
            deadline=None if left is None else self._clock.monotonic() + left,
            headers=execution.headers,
            principal=principal,
            extras={} if principal is None else {"user": principal.id},
            progress=progress,
            streaming=False,
        )

    def _log(self, execution_id: str, lines: Any) -> None:
        try:
            self._store.log(execution_id, lines)
        except Unavailable as error:
            logger.warning("%d log lines of %s are lost: %s", len(lines), execution_id, error)

    def _finish(self, started: Execution, ending: Ending) -> Execution | None:
        try:
            after = self._store.finish(started.id, started.attempt, ending)
        except Unavailable:
            self._unfinished[started.id] = started, ending  # the caller comes again: what was done is not done twice
            raise
        if after is None:
            logger.info("execution %s was ended by others while it ran; its result is dropped", started.id)
        else:
            self._after(after)
        return after


def _event(event: Mapping[str, Any], stored: Mapping[str, Any]) -> CloudEvent:
    """Return the event of a record; its input is decoded anew: what a handler does to its body is not seen in it."""
    return CloudEvent.from_record(event, partial(decode_input, stored))


def _taken(
    function: Function, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Any], Problem | None]:
    """Return a Celery call's input as a record keeps it, and why it is refused, if it is. Nothing is raised: a call
    without a record is lost with its message.
    """
    try:
        if args:
            raise positional_refusal(args)
        return encode_input(function.binder.from_call(kwargs)), None
    except InvalidInput as error:
        refused: Problem = error
    except (TypeError, ValueError, RecursionError) as error:  # what no record can keep, or is nested too deeply
        refused = InvalidInput([Violation("", str(error))])
    except Exception as error:  # see above: whatever it is, the call is kept
        logger.error("the call %s of %s: %s", task_id, function.name, error, exc_info=error)
        refused = Problem(500, detail=str(error) or type(error).__name__)
    try:
        return encode_input(kwargs, strict=False), refused
    except Exception as error:  # noqa: BLE001 - as above
        logger.error("the input of the call %s of %s cannot be kept: %s", task_id, function.name, error)
        return {}, refused


def _unless_held(execution: Execution | None) -> Execution | None:
    if execution is None or execution.state == "running":
        return execution
    logger.debug("execution %s of %s waits: %s", execution.id, execution.function, execution.gate)
    return None


def _ending(function: Function, execution: Execution, result: Result, now: float) -> Ending:
    """Decide how an attempt ended: what the lifecycle table is asked for."""
    stored = stored_result(result)
    if result.ok:
        return Ending(change="succeed", result=stored)
    problem = stored.body if result.failure is not None else None
    if not isinstance(problem, dict):
        problem = _problem_of(function, result, stored)
    failure: Failure = result.failure or "handler"  # type: ignore[assignment]
    return _failed(function, execution, problem, failure, result, stored, now)


def _problem_of(function: Function, result: Result, stored: StoredResult) -> dict[str, Any]:
    """A handler may refuse by returning a status of 400 and above: the record then says so as a problem."""
    if isinstance(stored.body, dict) and {"title", "status"} <= stored.body.keys():
        return stored.body
    return Problem(result.status, detail=f"{function.name} answered {result.status}").to_json()


def _failed(
    function: Function | None,
    execution: Execution,
    problem: dict[str, Any],
    failure: Failure,
    result: Result | None,
    stored: StoredResult | None,
    now: float,
) -> Ending:
    status = problem.get("status", 500) if result is None else result.status
    final = function is None or failure in FINAL_FAILURES or status < 500
    delay = None
    if not final and function is not None:
        after = result.retry_after if result is not None else None
        delay = function.extension.retry.delay(execution.attempt, after=after)
    if delay is None:
        return Ending(change="fail", problem=problem, failure=failure, result=stored)
    return Ending(change="retry", problem=problem, failure=failure, due_at=now + delay)


def positional_refusal(args: Sequence[Any]) -> InvalidInput:
    """Return the refusal of a Celery call with positional arguments."""
    return InvalidInput(
        [
            Violation(
                "/args",
                f"{len(args)} positional argument(s) were given; call with keyword arguments, named as in the "
                "document: send_task(name, kwargs={...})",
            )
        ]
    )
