"""Functions that are part of another application: a call that is answered now is that application's, all of it.

Its own routing, hooks, sessions, checks and words answer, as if it stood alone: the request is passed on as it came
and the answer as it is given. All that funcatron adds is around it: middleware, the time limit, metrics. A call that
is kept (later, on record, with an Idempotency-Key) is decoded and checked by the document, as any function's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from funcatron.errors import FuncatronError
from funcatron.execution import new_id
from funcatron.headers import gathered, pairs
from funcatron.http.call import Call
from funcatron.http.endpoint import CONTEXT, Answer, FunctionEndpoint
from funcatron.http.metrics import Metrics
from funcatron.http.mounts import original
from funcatron.http.now import SAFE
from funcatron.http.prefer import parse_prefer
from funcatron.http.request import header_map
from funcatron.http.respond import send_result
from funcatron.http.security import principal_of
from funcatron.invocation import Result
from funcatron.ports import REQUEST
from funcatron.registry import Function
from funcatron.signatures import bind
from funcatron.streams import Stream

if TYPE_CHECKING:
    from funcatron.app import Funcatron

__all__ = ["Exchange", "ViewEndpoint", "with_request"]

EXCHANGE = "funcatron.exchange"
AHEAD = 10
"""Chunks of an answer that an application may be ahead of its client."""


class ViewEndpoint:
    """Serves one view. ``endpoint`` serves the calls of it that are kept."""

    def __init__(self, funcatron: Funcatron, metrics: Metrics, endpoint: FunctionEndpoint, app: ASGIApp) -> None:
        self.function = endpoint.function
        self._funcatron = funcatron
        self._metrics = metrics
        self._endpoint = endpoint
        self._app = app
        self._passing = _passing(self.function)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        headers = header_map(scope)
        if self._is_kept(scope, headers):
            await self._endpoint(scope, receive, send)
            return
        call_id, started = new_id(), time.perf_counter()
        context: dict[str, Any] = scope["extensions"].get(CONTEXT, {})
        exchange = Exchange(self._app, original(scope), receive)
        result = await self._funcatron.invoke(
            self._passing,
            execution_id=call_id,
            headers=self._endpoint.public_headers(scope),
            principal=principal_of(context),
            extras={"context_": {**context, EXCHANGE: exchange}},
            checked=True,
        )
        self._metrics.invoked(self.function.name, "http", result, time.perf_counter() - started)
        try:
            if isinstance(result.body, Stream) and result.body is exchange.body:
                await exchange.send(result, send)
            else:
                await send_result(result, scope, receive, send)
        finally:
            await exchange.close()

    def _is_kept(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        extension = self.function.extension
        if extension.record or (self._endpoint.may_be_later and extension.mode == "async"):
            return True
        if "idempotency-key" in headers and scope["method"] not in SAFE:
            return True
        return self._endpoint.may_be_later and parse_prefer(headers.get("prefer")).respond_async


class Exchange:
    """One request that an application answers: the beginning of its answer is a Result, the rest its stream."""

    def __init__(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        self._app = app
        self._scope = scope
        self._receive = receive
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue(AHEAD)
        self._serving: asyncio.Task[None] | None = None
        self._closed = False
        self.body: Stream | None = None

    async def answer(self) -> Result:
        """Return the application's answer, to be read with ``send``; raises what the application raises."""
        self._serving = asyncio.create_task(self._serve())
        message = await self._messages.get()
        if message is None:
            await self._serving
            raise FuncatronError("the application ended without an answer")
        headers = gathered((name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"])
        self.body = Stream(self._chunks(), bytes)
        return Result(status=message["status"], headers=headers, body=self.body)

    async def send(self, result: Result, send: Send) -> None:
        """Send the answer, its headers as middleware left them."""
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs(result.headers)]
        await send({"type": "http.response.start", "status": result.status, "headers": headers})
        async for chunk in result.body:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def close(self) -> None:
        """Let go of the application: what it still answers is for nobody."""
        self._closed = True
        while not self._messages.empty():  # whoever waits for a place goes on
            self._messages.get_nowait()
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)

    async def _serve(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._put)
        finally:
            await self._put(None)

    async def _put(self, message: Message | None) -> None:
        if not self._closed:
            await self._messages.put(message)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while (message := await self._messages.get()) is not None:
            if chunk := message.get("body", b""):
                yield chunk
        if self._serving is not None:
            await self._serving


def with_request(answer: Answer) -> Answer:
    """Return what answers calls of views: they see the whole request that the call came with."""

    async def answered(call: Call) -> Result:
        context = {**call.extras["context_"], REQUEST: call.scope}
        return await answer(replace(call, extras={**call.extras, "context_": context}))

    return answered


def _passing(function: Function) -> Function:
    """Return the function as it is called with a request that is passed on: without arguments."""
    extension = msgspec.structs.replace(function.extension, record=False)
    operation = msgspec.structs.replace(
        function.operation, parameters=(), body=None, extension=msgspec.structs.replace(extension, triggers=())
    )
    binder, mistakes = bind(operation, _answer, ())
    assert binder is not None, mistakes
    return msgspec.structs.replace(
        function, operation=operation, handler=_answer, binder=binder, is_async=True, is_generator=False
    )


async def _answer(context_: Mapping[str, Any]) -> Result:
    exchange: Exchange = context_[EXCHANGE]
    return await exchange.answer()
