"""The middle, where all doors meet: one invocation in, one Result out.

This module holds the one ``except Exception`` of the core: whatever a handler, a service or a middleware raises
becomes a Result here, and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from funcatron.calls import Calls
from funcatron.codec import encode_json
from funcatron.errors import FuncatronError, InvalidInput, Problem, Retry, TimeLimitExceeded, Unavailable
from funcatron.invocation import Context, Invocation, Result
from funcatron.ports import CallNext, Middleware
from funcatron.registry import Function
from funcatron.replies import PROBLEM_JSON, InvalidReply
from funcatron.services import Services

__all__ = ["Invoker", "refusal"]

logger = logging.getLogger("funcatron.invoker")
handler_logger = logging.getLogger("funcatron.handler")


class Invoker:
    """Invokes functions: middleware, services, the handler, its reply; never raises but on cancellation."""

    def __init__(self, *, services: Services, calls: Calls, middleware: Sequence[Middleware] = ()) -> None:
        self._services = services
        self._calls = calls
        self._middleware = tuple(middleware)
        self._chains: dict[str, CallNext] = {}

    async def invoke(self, function: Function, invocation: Invocation) -> Result:
        """Run one invocation whose arguments have been checked, and return what it came to."""
        chain = self._chains.get(function.name)
        if chain is None:
            chain = self._chains[function.name] = self._fold(function)
        return await chain(invocation)

    def _fold(self, function: Function) -> CallNext:
        """Fold the middleware around the handler, once: the first of the list is the outermost."""
        chain: CallNext = functools.partial(_guarded, functools.partial(self._perform, function))
        for middleware in reversed(self._middleware):
            chain = functools.partial(_guarded, functools.partial(middleware, chain))
        return chain

    async def _perform(self, function: Function, invocation: Invocation) -> Result:
        opening = self._services.split(function.binder.services)
        limit = None if invocation.deadline is None else invocation.deadline - time.monotonic()
        async with _time_limit(limit), AsyncExitStack() as stack:
            services = await stack.enter_async_context(opening.asynchronous())
            call = functools.partial(_arguments, function, invocation)
            if function.is_async:
                with opening.sync() as sync:
                    result = function.replies.encode(await _awaited(function, call({**services, **sync})))
            else:
                blocking = functools.partial(_blocking, function, opening.sync, call, services)
                result = await self._calls.run(blocking, limit)
            if isinstance(result.body, AsyncIterator):
                return _held_open(result, stack.pop_all())
            return result
        raise InvalidReply(f"a service of {function.name} swallowed an exception of the handler")


@contextlib.asynccontextmanager
async def _time_limit(seconds: float | None) -> AsyncIterator[None]:
    """End what takes longer; a TimeoutError of the handler's own stays what it is."""
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            yield
    except TimeoutError:
        if scope.expired():
            raise TimeLimitExceeded from None
        raise


def _arguments(function: Function, invocation: Invocation, services: Mapping[str, Any]) -> dict[str, Any]:
    binder = function.binder
    context = None
    if binder.wants_context:
        adapter = logging.LoggerAdapter(handler_logger, {"execution": invocation.id, "function": invocation.function})
        context = Context(invocation, adapter, function.openstack)
    return binder.call(
        invocation.arguments, context=context, event=invocation.event, extras=invocation.extras, services=services
    )


async def _awaited(function: Function, arguments: Mapping[str, Any]) -> Any:
    try:
        returned = function.handler(**arguments)
        return await returned if inspect.isawaitable(returned) else returned
    except SystemExit as error:
        raise _Exit(error.code) from error


def _blocking(
    function: Function,
    opened: Callable[[], Any],
    call: Callable[[Mapping[str, Any]], dict[str, Any]],
    services: Mapping[str, Any],
) -> Result:
    """The whole of a sync invocation, in the one thread that it runs in: sync services, handler, reply."""
    with opened() as sync:
        try:
            returned = function.handler(**call({**services, **sync}))
        except SystemExit as error:
            raise _Exit(error.code) from error
        if inspect.isawaitable(returned):
            raise InvalidReply("the handler returned an awaitable: declare it with async def")
        return function.replies.encode(returned)
    raise InvalidReply(f"a service of {function.name} swallowed an exception of the handler")


class _Exit(Exception):
    """A handler asked the interpreter to exit; that ends the invocation, not the process."""

    def __init__(self, code: object) -> None:
        super().__init__(f"the handler called sys.exit({code!r})")


def _held_open(result: Result, stack: AsyncExitStack) -> Result:
    """Keep the services of a streamed reply open until its last chunk."""
    source = result.body

    async def stream() -> AsyncIterator[bytes]:
        async with stack:
            async for chunk in source:
                yield chunk

    return Result(status=result.status, headers=result.headers, body=stream(), content_type=result.content_type)


async def _guarded(call: CallNext, invocation: Invocation) -> Result:
    """Await a link of the chain; every exception becomes a Result here."""
    try:
        return await call(invocation)
    except Exception as error:  # noqa: BLE001 - the one boundary of the core
        return refusal(error, invocation.id, invocation.function)


def refusal(error: Exception, execution_id: str, function: str) -> Result:
    """Return the Result that an exception means, problem+json for its body; looked up along the class's mro."""
    answer = next((_ANSWERS[cls] for cls in type(error).__mro__ if cls in _ANSWERS), _unforeseen)
    problem, failure, retry_after = answer(error, execution_id, function)
    if problem.status >= 500:
        problem.extensions.setdefault("execution", execution_id)
    headers = dict(problem.headers)
    if retry_after is not None:
        headers.setdefault("Retry-After", str(max(0, -int(-retry_after // 1))))
    members = problem.to_json()
    try:
        body = encode_json(members)
    except (TypeError, ValueError):
        logger.exception("%s: the extensions of a Problem do not serialise", function)
        members = Problem(problem.status, problem.title, problem.detail).to_json()
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
    return Problem(500, detail=f"{function} failed; the log has the reason under this execution"), "handler", None


def _foreign_problem(error: Exception) -> Problem | None:
    """Read what a handler written for connexion (ProblemException) or starlette (HTTPException) raises."""
    status = getattr(error, "status", None) or getattr(error, "status_code", None)
    if not isinstance(status, int) or not hasattr(error, "detail") or not 400 <= status <= 599:
        return None
    headers = getattr(error, "headers", None)
    extensions = getattr(error, "ext", None)
    return Problem(
        status,
        getattr(error, "title", None),
        getattr(error, "detail", None),
        type=getattr(error, "type", None) or "about:blank",
        headers=headers if isinstance(headers, Mapping) else None,
        **(extensions if isinstance(extensions, dict) else {}),
    )


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Return the Retry-After of a refusal in seconds (RFC 9110, section 10.2.3); a date is left to the policy."""
    value = next((item for name, item in headers.items() if name.lower() == "retry-after"), "")
    return float(value) if value.strip().isdigit() else None


_ANSWERS: dict[type, Callable[[Any, str, str], Answer]] = {
    InvalidInput: _invalid,
    Problem: _problem,
    Retry: _retry,
    TimeLimitExceeded: _timeout,
    InvalidReply: _reply,
    Unavailable: _unavailable,
    FuncatronError: _wiring,
}
