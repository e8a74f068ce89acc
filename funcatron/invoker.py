"""The middle, where all doors meet: one invocation in, one Result out.

This module holds the one ``except Exception`` of the core: whatever a handler, a service or a middleware raises
becomes a Result here, and nowhere else.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from types import CoroutineType
from typing import Any

import msgspec

from funcatron.calls import Calls, Cancelled
from funcatron.codec import encode_json
from funcatron.deadlines import Deadlines, Limited
from funcatron.errors import SEE_LOG, FuncatronError, InvalidInput, Problem, Retry, TimeLimitExceeded, Unavailable
from funcatron.invocation import Context, Invocation, Result
from funcatron.ports import CallNext, Middleware
from funcatron.registry import Function
from funcatron.replies import PROBLEM_JSON, InvalidReply
from funcatron.services import Services
from funcatron.streams import OwnThread, Stream

__all__ = ["Invoker", "refusal"]

logger = logging.getLogger("funcatron.invoker")
handler_logger = logging.getLogger("funcatron.handler")

NOTHING: Mapping[str, Any] = {}
"""No services."""


class Invoker:
    """Invokes functions: middleware, services, the handler, its reply; never raises but on cancellation."""

    def __init__(self, *, services: Services, calls: Calls, middleware: Sequence[Middleware] = ()) -> None:
        self._services = services
        self._calls = calls
        self._middleware = tuple(middleware)
        self._chains: dict[Function, CallNext] = {}
        self._deadlines: Deadlines | None = None

    async def invoke(self, function: Function, invocation: Invocation) -> Result:
        """Run one invocation whose arguments have been checked, and return what it came to."""
        chain = self._chains.get(function)
        if chain is None:
            chain = self._chains[function] = self._fold(function)
        return await chain(invocation)

    def is_straight(self, function: Function) -> bool:
        """Tell whether invoking this function waits for nothing: then ``invoke`` needs no event loop."""
        return (
            self._calls.inline
            and not function.is_async
            and not self._middleware
            and not self._services.wait(function.binder.services)
        )

    def _fold(self, function: Function) -> CallNext:
        """Fold the middleware around the handler, once: the first of the list is the outermost."""
        perform = self._perform
        if self.is_straight(function):
            perform = self._straight
        elif function.is_async and not function.binder.services:
            perform = self._alone
        chain: CallNext = functools.partial(_guarded, functools.partial(perform, function))
        for middleware in reversed(self._middleware):
            chain = functools.partial(_guarded, functools.partial(_through, middleware, chain, function))
        return chain

    async def _straight(self, function: Function, invocation: Invocation) -> Result:
        """A sync handler where it is called: nothing waits, and its time limit is kept inside."""
        return await self._in_thread(function, invocation, _left(invocation))

    async def _alone(self, function: Function, invocation: Invocation) -> Result:
        """An async handler that nothing has to be opened for."""
        if _left(invocation) is None:
            return await _called(function, invocation, NOTHING)
        with Limited(self._deadlines_of_loop(), invocation.deadline or 0.0):
            return await _called(function, invocation, NOTHING)

    async def _perform(self, function: Function, invocation: Invocation) -> Result:
        limit = _left(invocation)
        perform = self._on_loop if function.is_async else self._in_thread
        if invocation.deadline is None:
            return await perform(function, invocation, limit)
        with Limited(self._deadlines_of_loop(), invocation.deadline):
            return await perform(function, invocation, limit)

    def _deadlines_of_loop(self) -> Deadlines:
        loop = asyncio.get_running_loop()
        if self._deadlines is None or self._deadlines.loop is not loop:
            self._deadlines = Deadlines(loop)
        return self._deadlines

    async def _on_loop(self, function: Function, invocation: Invocation, limit: float | None) -> Result:
        async with AsyncExitStack() as stack:
            services = await self._services.enter(function.binder.services, stack)
            result = await _called(function, invocation, services)
            if isinstance(result.body, Stream):
                result.body.then(outer=stack.pop_all())
            return result
        raise _swallowed(function)

    async def _in_thread(self, function: Function, invocation: Invocation, limit: float | None) -> Result:
        if not function.binder.services:
            return await self._blocking(function, invocation, limit, NOTHING)
        async with AsyncExitStack() as stack:
            services = await self._services.enter_async(function.binder.services, stack)
            result = await self._blocking(function, invocation, limit, services)
            if isinstance(result.body, Stream):
                result.body.then(outer=stack.pop_all())
            return result
        raise _swallowed(function)

    async def _blocking(
        self, function: Function, invocation: Invocation, limit: float | None, services: Mapping[str, Any]
    ) -> Result:
        straight = self.is_straight(function)
        call = functools.partial(_call_blocking, function, invocation, self._services, services, straight)
        if function.is_generator and invocation.streaming:
            thread = OwnThread()
            result = await thread.run(call)
            result.body.move(thread)
            return result
        result = await self._calls.run(call, limit)
        return result if invocation.streaming else await _collected(result)


def _left(invocation: Invocation) -> float | None:
    """Return the seconds to the deadline; raises TimeLimitExceeded past it."""
    if invocation.deadline is None:
        return None
    limit = invocation.deadline - time.monotonic()
    if limit <= 0:
        raise TimeLimitExceeded
    return limit


async def _through(middleware: Middleware, call_next: CallNext, function: Function, invocation: Invocation) -> Result:
    """Await a middleware; a Result of its own may have a value alone, as a handler's may."""
    result = await middleware(call_next, invocation)
    if not isinstance(result, Result):
        raise InvalidReply(f"the middleware {_name(middleware)} returned a {type(result).__name__}, not a Result")
    if result.failure is None and (
        not isinstance(result.body, (bytes, Stream)) or not (result.body or result.value is None)
    ):
        result = function.replies.encode(result)
    return result if invocation.streaming else await _collected(result)


def _name(middleware: Any) -> str:
    return str(getattr(middleware, "__qualname__", type(middleware).__qualname__))


async def _called(function: Function, invocation: Invocation, services: Mapping[str, Any]) -> Result:
    """The whole of an async invocation but its services: handler and reply."""
    returned = function.handler(**_arguments(function, invocation, services))
    if type(returned) is CoroutineType or inspect.isawaitable(returned):
        returned = await returned
    result = function.replies.encode(returned)
    return result if invocation.streaming else await _collected(result)


async def _collected(result: Result) -> Result:
    """Return the result with its stream read to the end."""
    if not isinstance(result.body, Stream):
        return result
    return msgspec.structs.replace(result, body=await result.body.acollect())


def _call_blocking(
    function: Function, invocation: Invocation, services: Services, opened: Mapping[str, Any], straight: bool
) -> Result:
    """The whole of a sync invocation, in the one thread that it runs in: sync services, handler, reply.

    An async stream is read to its end here if there is no loop outside (``straight``). Past the deadline nobody waits
    for it any more: what its services did is rolled back.
    """
    try:
        with ExitStack() as stack:
            inner = services.enter_sync(function.binder.services, stack)
            returned = function.handler(**_arguments(function, invocation, {**opened, **inner}))
            if inspect.isawaitable(returned):
                getattr(returned, "close", bool)()
                raise InvalidReply("the handler returned an awaitable: declare it with async def")
            result = function.replies.encode(returned)
            if isinstance(result.body, Stream) and not invocation.streaming and (result.body.blocking or straight):
                read = (
                    result.body.collect(invocation.deadline)
                    if result.body.blocking
                    else asyncio.run(result.body.acollect())
                )
                result = msgspec.structs.replace(result, body=read)
            if invocation.deadline is not None and time.monotonic() >= invocation.deadline:
                raise TimeLimitExceeded
            if isinstance(result.body, Stream):
                result.body.then(inner=stack.pop_all())
            return result
    except (StopIteration, GeneratorExit) as error:  # no future can carry these
        raise RuntimeError(f"the handler raised {type(error).__name__}") from error
    except SystemExit as error:
        raise _Exit(error.code) from error
    raise _swallowed(function)


def _arguments(function: Function, invocation: Invocation, services: Mapping[str, Any]) -> dict[str, Any]:
    binder = function.binder
    context = None
    if binder.wants_context:
        adapter = logging.LoggerAdapter(handler_logger, {"execution": invocation.id, "function": invocation.function})
        context = Context(invocation, adapter, function.openstack)
    return binder.call(
        invocation.arguments, context=context, event=invocation.event, extras=invocation.extras, services=services
    )


def _swallowed(function: Function) -> InvalidReply:
    return InvalidReply(f"a service of {function.name} swallowed an exception of the handler")


class _Exit(Exception):
    """A handler asked the interpreter to exit; that ends the invocation, not the process."""

    def __init__(self, code: object) -> None:
        super().__init__(f"the handler called sys.exit({code!r})")


async def _guarded(call: CallNext, invocation: Invocation) -> Result:
    """Await a link of the chain; every exception becomes a Result here."""
    try:
        return await call(invocation)
    except Exception as error:  # noqa: BLE001 - the one boundary of the core
        return refusal(error, invocation.id, invocation.function)
    except SystemExit as error:
        return refusal(_Exit(error.code), invocation.id, invocation.function)
    except asyncio.CancelledError as error:
        if _is_from_outside(error):
            raise
        return refusal(RuntimeError("the handler was cancelled from inside"), invocation.id, invocation.function)
    except BaseException as error:  # noqa: BLE001 - what is raised in a call ends that call, whatever its class
        odd = RuntimeError(f"the handler raised {type(error).__name__}, which is no Exception")
        odd.__cause__ = error
        return refusal(odd, invocation.id, invocation.function)


def _is_from_outside(error: asyncio.CancelledError) -> bool:
    if isinstance(error, Cancelled):
        return True
    try:
        task = asyncio.current_task()
    except RuntimeError:  # there is no loop, so nobody could
        return False
    return task is None or bool(task.cancelling())


def refusal(error: Exception, execution_id: str, function: str) -> Result:
    """Return the Result that an exception means, problem+json for its body; looked up along the class's mro."""
    answer = next((_ANSWERS[cls] for cls in type(error).__mro__ if cls in _ANSWERS), _unforeseen)
    problem, failure, retry_after = answer(error, execution_id, function)
    headers = dict(problem.headers)
    if retry_after is not None and "retry-after" not in {name.lower() for name in headers}:
        headers["Retry-After"] = str(max(0, math.ceil(retry_after)))
    members = problem.to_json()  # the Problem itself may be raised again: it is not changed
    if problem.status >= 500:
        members.setdefault("execution", execution_id)
    try:
        body = encode_json(members)
    except TypeError as error_of_json:
        logger.error("%s: a Problem does not serialise: %s", function, error_of_json)
        members = {name: _readable(members[name]) for name in ("type", "title", "status", "detail") if name in members}
        body = encode_json(members)
    return Result(
        value=members,
        status=problem.status,
        headers=headers,
        body=body,
        content_type=PROBLEM_JSON,
        failure=failure,
        retry_after=retry_after,
    )


Answer = tuple[Problem, str, float | None]


def _problem(error: Problem, execution_id: str, function: str) -> Answer:
    return error, "handler", _seconds(error.headers)


def _invalid(error: InvalidInput, execution_id: str, function: str) -> Answer:
    return error, "invalid", None


def _retry(error: Retry, execution_id: str, function: str) -> Answer:
    return Problem(503, detail=error.detail or f"{function} asks to be called again later"), "handler", error.after


def _exit(error: _Exit, execution_id: str, function: str) -> Answer:
    logger.error("%s: %s (execution %s)", function, error, execution_id)
    return Problem(500, detail=f"{function} asked the process to exit; only this call was ended"), "handler", None


def _timeout(error: TimeLimitExceeded, execution_id: str, function: str) -> Answer:
    logger.warning("%s: timed out (execution %s)", function, execution_id)
    return Problem(504, "Timeout", f"{function} did not end in its time"), "timeout", None


def _reply(error: InvalidReply, execution_id: str, function: str) -> Answer:
    logger.error("%s: %s (execution %s)", function, error, execution_id, exc_info=error.__cause__)
    errors = [{"pointer": v.pointer, "message": v.message} for v in error.violations]
    problem = Problem(500, "Invalid response", f"{function}: {error}")
    if errors:
        problem.extensions["errors"] = errors
    return problem, "handler", None


def _unavailable(error: Unavailable, execution_id: str, function: str) -> Answer:
    logger.error("%s: %s (execution %s)", function, error, execution_id)
    return Problem(503, detail=str(error)), "infrastructure", error.retry_after


def _wiring(error: FuncatronError, execution_id: str, function: str) -> Answer:
    logger.error("%s: %s (execution %s)", function, error, execution_id, exc_info=error)
    return Problem(500, detail=str(error)), "infrastructure", None


def _unforeseen(error: Exception, execution_id: str, function: str) -> Answer:
    foreign = _foreign_problem(error)
    if foreign is not None:
        return foreign, "handler", _seconds(foreign.headers)
    logger.error("%s failed (execution %s)", function, execution_id, exc_info=error)
    return Problem(500, detail=f"{function} failed; {SEE_LOG}"), "handler", None


def _foreign_problem(error: Exception) -> Problem | None:
    """Read what a handler written for connexion (ProblemException) or starlette (HTTPException) raises."""
    status = getattr(error, "status", None) or getattr(error, "status_code", None)
    if not isinstance(status, int) or not hasattr(error, "detail") or not 400 <= status <= 599:
        return None
    headers = getattr(error, "headers", None)
    problem = Problem(
        status,
        getattr(error, "title", None),
        getattr(error, "detail", None),
        type=getattr(error, "type", None) or "about:blank",
        headers=headers if isinstance(headers, Mapping) else None,
    )
    extensions = getattr(error, "ext", None)
    problem.extensions = dict(extensions) if isinstance(extensions, Mapping) else {}
    if isinstance(instance := getattr(error, "instance", None), str):
        problem.extensions["instance"] = instance
    return problem


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Return the Retry-After of a refusal in seconds (RFC 9110, section 10.2.3); a date is left to the policy."""
    value = next((item for name, item in headers.items() if name.lower() == "retry-after"), "")
    value = value.strip()
    return float(value) if value.isascii() and value.isdigit() else None


def _readable(member: Any) -> Any:
    return member.encode("utf-8", "backslashreplace").decode() if isinstance(member, str) else member


_ANSWERS: dict[type, Callable[[Any, str, str], Answer]] = {
    InvalidInput: _invalid,
    Problem: _problem,
    Retry: _retry,
    TimeLimitExceeded: _timeout,
    InvalidReply: _reply,
    _Exit: _exit,
    Unavailable: _unavailable,
    FuncatronError: _wiring,
}
