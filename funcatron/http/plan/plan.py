"""One operation's plan: parameters, headers, body, security, handler, response, in this order.

A plan may only accept. Whatever it does not know to be valid goes to connexion's own stack, as it came and before the
security functions or the handler ran, so connexion alone refuses. Once the handler ran the plan answers, or has
connexion's error handling answer.

Only what an operation has is a stage of its plan, and only what has to wait is a coroutine.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.http.plan.body import Taken
from funcatron.http.plan.contents import Contents
from funcatron.http.plan.context import enter, outside, scoped
from funcatron.http.plan.detour import Raising, detour
from funcatron.http.plan.handler import Handler
from funcatron.http.plan.response import Responses
from funcatron.http.plan.returned import Returned
from funcatron.http.plan.security import Verify

__all__ = ["Plan", "Stage"]

MOST_UNVERIFIED = 1 << 20
"""Bytes of a body that are read before it is known who sends it; longer ones wait for connexion's order of things."""


class Stage(Protocol):
    """Reads a part of a request that is there before its body."""

    def read(self, scope: Scope, texts: dict[str, Any], arguments: dict[str, Any]) -> bool:
        """Fill in the arguments; False if connexion has to judge. May raise anything for that."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled operation. ``contents`` is None where the operation has no body."""

    operation: AbstractOperation
    operation_id: str
    base_path: str
    stages: tuple[Stage, ...]
    contents: Contents | None
    verify: Verify | None
    handler: Handler
    responses: Responses
    returned: Returned

    def serve(
        self, scope: Scope, receive: Receive, send: Send, texts: dict[str, Any], stack: ASGIApp
    ) -> Awaitable[None]:
        """Answer a request whose path has these ``texts``, or hand it to ``stack``."""
        arguments: dict[str, Any] = {}
        try:
            for stage in self.stages:
                if not stage.read(scope, texts, arguments):
                    return stack(scope, receive, send)
        except Exception:  # noqa: BLE001 - nothing ran yet: what a plan cannot judge, whyever, is connexion's
            return stack(scope, receive, send)
        return self._run(arguments, scope, receive, send, texts, stack)

    async def _run(
        self,
        arguments: dict[str, Any],
        scope: Scope,
        receive: Receive,
        send: Send,
        texts: dict[str, Any],
        stack: ASGIApp,
    ) -> None:
        """Read the body, call the handler if all is valid, and send its answer."""
        if self.contents is not None:
            content = self.contents.of(scope["headers"])
            accepted: bool | Awaitable[bool] = False
            if content is not None:
                taken = Taken(receive, await receive())
                receive = taken.receive
                if not taken.whole:
                    await taken.read_on(None if self.verify is None else MOST_UNVERIFIED)
                accepted = taken.fill(content, scope, arguments)
                if accepted.__class__ is not bool:
                    accepted = await cast("Awaitable[bool]", accepted)
            if not accepted:
                await stack(scope, receive, send)
                return
        inner = scoped(scope, self.base_path, self.operation_id, texts)
        try:
            if self.verify is not None:
                await self.verify(inner)
            found = enter(self.operation, inner, receive)
            if found or self.handler.contextual:
                self.handler.complete(arguments, found)
            value = await self.handler.call(**arguments)
            answer = self.responses.answer(value)
        except Exception as error:  # noqa: BLE001 - raised again where connexion handles errors
            await detour(stack, Raising(error), outside(scope, inner), receive, send)
            return
        if answer is None:
            await detour(stack, self.returned.app(value, inner), outside(scope, inner), receive, send)
            return
        start, body = answer
        await send(start)
        await send(body)
