"""The middle, where all doors meet: one invocation in, one Result out.

This module holds the one place of the core that catches everything: whatever a handler, a service or a middleware
raises becomes a Result here (``failures`` says which), and nowhere else.

What is known of a function before it is called is decided once, when its chain is folded.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from operator import itemgetter
from types import CoroutineType
from typing import Any, TypeAlias, TypeVar, cast

import msgspec

from funcatron.calls import Calls
from funcatron.clock import SYSTEM_CLOCK, Clock
from funcatron.deadlines import Begun, Deadlines, Limited
from funcatron.errors import TimeLimitExceeded
from funcatron.execution import new_id
from funcatron.failures import Exit, ended
from funcatron.invocation import Context, Invocation, Result
from funcatron.ports import CallNext, Middleware
from funcatron.registry import Function
from funcatron.replies import InvalidReply
from funcatron.services import Services
from funcatron.streams import OwnThread, Stream
from funcatron.types import Arguments

__all__ = ["Attempt", "Invoker"]

handler_logger = logging.getLogger("funcatron.handler")

NOTHING: Mapping[str, Any] = {}
"""No services."""
T = TypeVar("T")


Attempt: TypeAlias = Callable[[Arguments, float | None, Invocation | None], Result | Awaitable[Result]]
"""Calls a handler with keyword arguments that were checked, up to a deadline; never raises but on cancellation. Without
an invocation the call's id is drawn where one is needed: by what failed. What is returned is awaited but for a Result.
"""


class Invoker:
    """Invokes functions: middleware, services, the handler, its reply; never raises but on cancellation."""

    def __init__(
        self,
        *,
        services: Services,
        calls: Calls,
        middleware: Sequence[Middleware] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._services = services
        self._calls = calls
        self._clock = clock
        self._middleware = tuple(middleware)
        self._chains: dict[Function, CallNext] = {}
        self._is_straight: dict[Function, bool] = {}
        self._deadlines: Deadlines | None = None

    async def invoke(self, function: Function, invocation: Invocation) -> Result:
        """Run one invocation whose arguments have been checked, and return what it came to."""
        return await self.chain(function)(invocation)

    def chain(self, function: Function) -> CallNext:
        """Return what runs invocations of this function: all of the middle, folded once."""
        chain = self._chains.get(function)
        if chain is None:
            chain = self._chains[function] = self._fold(function)
        return chain

    @property
    def has_middleware(self) -> bool:
        """Whether anything sees invocations beside their handlers."""
        return bool(self._middleware)

    def attempt(self, function: Function) -> Attempt | None:
        """Return what calls this function where nobody sees its invocation, None where one is needed: by middleware,
        services, threads, and handlers that want more than their arguments.
        """
        if self._middleware or function.binder.as_given < 0 or not _is_alone(function):
            return None
        return self._attempt(function, function.binder.places(function.handler))

    def is_straight(self, function: Function) -> bool:
        """Tell whether invoking this function waits for nothing: then ``invoke`` needs no event loop."""
        straight = self._is_straight.get(function)
        if straight is None:
            straight = self._is_straight[function] = (
                self._calls.inline
                and not function.is_async
                and not self._middleware
                and not self._services.wait(function.binder.services)
            )
        return straight

    def _fold(self, function: Function) -> CallNext:
        """Fold the middleware around the handler: the first of the list is the outermost."""
        if _is_alone(function):
            chain = self._alone(function)
        else:
            perform = self._straight if self.is_straight(function) else self._perform
            chain = functools.partial(_guarded, functools.partial(perform, function))
        for middleware in reversed(self._middleware):
            chain = functools.partial(_guarded, functools.partial(_through, middleware, chain, function))
        return chain

    async def _straight(self, function: Function, invocation: Invocation) -> Result:
        """A sync handler where it is called: nothing waits, and its time limit is kept inside."""
        limit = self._left(invocation)
        if function.binder.services or invocation.streaming:
            return await self._in_thread(function, invocation, limit)
        return await self._calls.run(
            functools.partial(self._call_blocking, function, invocation, NOTHING, straight=True), limit
        )

    def _attempt(self, function: Function, places: tuple[str, ...] = ()) -> Attempt:
        """An async handler that nothing has to be opened for, called by name, or with all arguments in their
        ``places``. Most calls there are: so this is in one piece, is no coroutine, and has a time limit only where the
        handler waits for something (before that nothing could end it).
        """
        handler, encode, name = function.handler, function.replies.encode, function.name
        only = places[0] if len(places) == 1 else None
        pick = itemgetter(*places) if len(places) > 1 else None

        def attempt(
            arguments: Arguments, deadline: float | None, invocation: Invocation | None
        ) -> Result | Awaitable[Result]:
            try:
                returned: Any
                if only is not None:
                    returned = handler(arguments[only])
                elif pick is not None:
                    returned = handler(*pick(arguments))
                else:
                    returned = handler(**arguments)
                if type(returned) is CoroutineType:
                    try:
                        waits_for = returned.send(None)
                    except StopIteration as end:
                        returned = end.value
                    else:
                        return self._awaited(function, Begun(returned, waits_for), arguments, deadline, invocation)
                elif inspect.isawaitable(returned):
                    return self._awaited(function, returned, arguments, deadline, invocation)
                return encode(returned)
            except BaseException as error:  # noqa: BLE001 - as in _guarded
                return _failed(error, name, arguments, invocation)

        return attempt

    async def _awaited(
        self,
        function: Function,
        returned: Awaitable[Any],
        arguments: Arguments,
        deadline: float | None,
        invocation: Invocation | None,
    ) -> Result:
        try:
            return function.replies.encode(await self._limited(returned, deadline))
        except BaseException as error:  # noqa: BLE001 - as in _guarded
            return _failed(error, function.name, arguments, invocation)

    def _alone(self, function: Function) -> CallNext:
        binder, clock = function.binder, self._clock
        as_given, by_name = binder.as_given, self._attempt(function)
        by_place = self._attempt(function, binder.places(function.handler))

        async def invoke(invocation: Invocation) -> Result:
            try:
                deadline, arguments = invocation.deadline, invocation.arguments
                if deadline is not None and deadline <= clock.monotonic():
                    raise TimeLimitExceeded
                if len(arguments) == as_given:
                    result = by_place(arguments, deadline, invocation)
                else:
                    result = by_name(_arguments(function, invocation, NOTHING, clock), deadline, invocation)
                if type(result) is not Result:
                    result = await cast("Awaitable[Result]", result)
                if invocation.streaming or not isinstance(result.body, Stream):
                    return result
                return await self._limited(_collected(result), deadline)
            except BaseException as error:  # noqa: BLE001 - as in _guarded
                return ended(error, invocation.id, function.name, invocation.arguments)

        return invoke

    async def _limited(self, awaitable: Awaitable[T], deadline: float | None) -> T:
        if deadline is None:
            return await awaitable
        with Limited(self._deadlines_of_loop(), deadline):
            return await awaitable

    async def _perform(self, function: Function, invocation: Invocation) -> Result:
        limit = self._left(invocation)
        perform = self._on_loop if function.is_async else self._in_thread
        if invocation.deadline is None:
            return await perform(function, invocation, limit)
        with Limited(self._deadlines_of_loop(), invocation.deadline):
            return await perform(function, invocation, limit)

    def _left(self, invocation: Invocation) -> float | None:
        """Return the seconds to the deadline; raises TimeLimitExceeded past it."""
        if invocation.deadline is None:
            return None
        limit = invocation.deadline - self._clock.monotonic()
        if limit <= 0:
            raise TimeLimitExceeded
        return limit

    def _deadlines_of_loop(self) -> Deadlines:
        loop = asyncio.get_running_loop()
        if self._deadlines is None or self._deadlines.loop is not loop:
            self._deadlines = Deadlines(loop, self._clock)
        return self._deadlines

    async def _on_loop(self, function: Function, invocation: Invocation, limit: float | None) -> Result:
        async with AsyncExitStack() as stack:
            offered = _offered(function, invocation, self._clock)
            services = await self._services.enter(function.binder.services, stack, offered)
            result = await self._called(function, invocation, services)
            if isinstance(result.body, Stream) and result.body.lasting:
                result.body.then(outer=stack.pop_all())
            return result
        raise _swallowed(function)

    async def _called(self, function: Function, invocation: Invocation, services: Mapping[str, Any]) -> Result:
        """The whole of an async invocation but its services: handler and reply."""
        returned = function.handler(**_arguments(function, invocation, services, self._clock))
        if type(returned) is CoroutineType or inspect.isawaitable(returned):
            returned = await returned
        result = function.replies.encode(returned)
        return result if invocation.streaming else await _collected(result)

    async def _in_thread(self, function: Function, invocation: Invocation, limit: float | None) -> Result:
        if not function.binder.services:
            return await self._blocking(function, invocation, limit, NOTHING)
        async with AsyncExitStack() as stack:
            offered = _offered(function, invocation, self._clock)
            opened = await self._services.enter_async(function.binder.services, stack, offered)
            result = await self._blocking(function, invocation, limit, {**offered, **opened})
            if isinstance(result.body, Stream) and result.body.lasting:
                result.body.then(outer=stack.pop_all())
            return result
        raise _swallowed(function)

    async def _blocking(
        self, function: Function, invocation: Invocation, limit: float | None, services: Mapping[str, Any]
    ) -> Result:
        straight = self.is_straight(function)
        call = functools.partial(self._call_blocking, function, invocation, services, straight)
        if function.is_generator and invocation.streaming:
            thread = OwnThread()
            result = await thread.run(call)
            result.body.move(thread)
            return result
        result = await self._calls.run(call, limit)
        return result if invocation.streaming else await _collected(result)

    def _call_blocking(
        self, function: Function, invocation: Invocation, opened: Mapping[str, Any], straight: bool
    ) -> Result:
        """The whole of a sync invocation, in the one thread that it runs in: sync services, handler, reply.

        An async stream is read to its end here if there is no loop outside (``straight``). Past the deadline nobody
        waits for it any more: what its services did is rolled back.
        """
        try:
            if not function.binder.services:
                return self._replied(function, invocation, opened, straight)
            with ExitStack() as stack:
                inner = self._services.enter_sync(function.binder.services, stack, opened)
                result = self._replied(function, invocation, {**opened, **inner}, straight)
                if isinstance(result.body, Stream) and result.body.lasting:
                    result.body.then(inner=stack.pop_all())
                return result
        except (StopIteration, GeneratorExit) as error:  # no future can carry these
            raise RuntimeError(f"the handler raised {type(error).__name__}") from error
        except SystemExit as error:
            raise Exit(error.code) from error
        raise _swallowed(function)

    def _replied(
        self, function: Function, invocation: Invocation, services: Mapping[str, Any], straight: bool
    ) -> Result:
        """A sync handler and its reply, its services being open."""
        clock, arguments = self._clock, invocation.arguments
        if len(arguments) != function.binder.as_given:
            arguments = _arguments(function, invocation, services, clock)
        returned = function.handler(**arguments)
        if type(returned) is not dict and inspect.isawaitable(returned):
            getattr(returned, "close", bool)()
            raise InvalidReply("the handler returned an awaitable: declare it with async def")
        result = function.replies.encode(returned)
        if isinstance(result.body, Stream) and not invocation.streaming and (result.body.blocking or straight):
            read = (
                result.body.collect(invocation.deadline, clock)
                if result.body.blocking
                else asyncio.run(result.body.acollect())
            )
            result = msgspec.structs.replace(result, body=read)
        if invocation.deadline is not None and clock.monotonic() >= invocation.deadline:
            raise TimeLimitExceeded
        return result


async def _through(middleware: Middleware, call_next: CallNext, function: Function, invocation: Invocation) -> Result:
    """Await a middleware; a Result of its own may have a value alone, as a handler's may."""
    result = await middleware(call_next, invocation)
    if not isinstance(result, Result):
        raise InvalidReply(f"the middleware {_name(middleware)} returned a {type(result).__name__}, not a Result")
    if result.failure is None and (
        not isinstance(result.body, (bytes, Stream)) or not (result.body or result.value is None)
    ):
        result = function.replies.encode(result, dump=False)
    return result if invocation.streaming else await _collected(result)


def _name(middleware: Any) -> str:
    return str(getattr(middleware, "__qualname__", type(middleware).__qualname__))


async def _collected(result: Result) -> Result:
    """Return the result with its stream read to the end."""
    if not isinstance(result.body, Stream):
        return result
    return msgspec.structs.replace(result, body=await result.body.acollect())


def _arguments(function: Function, invocation: Invocation, services: Mapping[str, Any], clock: Clock) -> dict[str, Any]:
    binder = function.binder
    return binder.call(
        invocation.arguments,
        context=_context(function, invocation, clock) if binder.wants_context else None,
        event=invocation.event,
        extras=invocation.extras,
        services={name: services[name] for name in binder.services} if services else NOTHING,
    )


def _context(function: Function, invocation: Invocation, clock: Clock) -> Context:
    adapter = logging.LoggerAdapter(handler_logger, {"execution": invocation.id, "function": invocation.function})
    return Context(invocation, adapter, function.openstack, clock)


def _offered(function: Function, invocation: Invocation, clock: Clock) -> dict[str, Any]:
    """Return what services may want beside each other."""
    return {"context": _context(function, invocation, clock), "event": invocation.event}


def _swallowed(function: Function) -> InvalidReply:
    return InvalidReply(f"a service of {function.name} swallowed an exception of the handler")


async def _guarded(call: CallNext, invocation: Invocation) -> Result:
    """Await a link of the chain; every exception becomes a Result here."""
    try:
        return await call(invocation)
    except BaseException as error:  # noqa: BLE001 - the boundary of the core
        return ended(error, invocation.id, invocation.function, invocation.arguments)


def _is_alone(function: Function) -> bool:
    """Whether it is an async handler that nothing has to be opened for."""
    return function.is_async and not function.binder.services


def _failed(error: BaseException, function: str, arguments: Arguments, invocation: Invocation | None) -> Result:
    if invocation is None:
        return ended(error, new_id(), function, arguments)
    return ended(error, invocation.id, function, invocation.arguments)
