"""One operation's plan: parameters, headers, body, security, handler, response, in this order.

A plan may only accept. Of whatever it does not know to be valid connexion's validators are asked; where they say what
is wrong, and connexion's own error handler would answer that, it answers here. All else goes to connexion's own stack,
as it came and before the security functions or the handler ran. Once the handler ran the plan answers, or has
connexion's error handling answer.

Only what an operation has is a stage of its plan, and only what has to wait is a coroutine.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from connexion.exceptions import BadRequestProblem
from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.http.plan.body import Taken
from funcatron.http.plan.contents import Contents
from funcatron.http.plan.context import enter, outside, scoped
from funcatron.http.plan.detour import detour
from funcatron.http.plan.handler import Handler
from funcatron.http.plan.path import PathParameters
from funcatron.http.plan.problems import error_handler, fail, refuse
from funcatron.http.plan.response import Responses
from funcatron.http.plan.returned import Returned
from funcatron.http.plan.security import Verify
from funcatron.http.plan.validation import ParameterValidation

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
    routing: dict[str, str]
    path: PathParameters
    stages: tuple[Stage, ...]
    parameters: ParameterValidation
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
                    return self._refuse(self._problem(scope, texts), scope, receive, send, texts, stack)
        except Exception:  # noqa: BLE001 - nothing ran yet: what a plan cannot judge, whyever, is connexion's
            return self._refuse(self._problem(scope, texts), scope, receive, send, texts, stack)
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
            if content is None:
                await stack(scope, receive, send)
                return
            if not accepted:
                problem = content.problem(taken.content, arguments) if taken.whole else None
                await self._refuse(problem, scope, receive, send, texts, stack)
                return
        inner = scoped(scope, self.routing, texts)
        try:
            if self.verify is not None:
                await self.verify(inner)
            found = enter(self.operation, inner, receive)
            if found or self.handler.contextual:
                self.handler.complete(arguments, found)
            value = await self.handler.call(**arguments)
            answer = self.responses.answer(value)
        except Exception as error:  # noqa: BLE001 - answered as connexion answers errors
            await fail(error, stack, outside(scope, inner), receive, send)
            return
        if answer is None:
            await detour(stack, self.returned.app(value, inner), outside(scope, inner), receive, send)
            return
        start, body = answer
        await send(start)
        await send(body)

    def _problem(self, scope: Scope, texts: dict[str, Any]) -> BadRequestProblem | None:
        """Return what connexion says of the parameters, None if nothing or if that is not certain."""
        try:
            self.path.convert(texts)
        except ValueError:
            return None
        return self.parameters.problem(scoped({**scope}, self.routing, texts))

    async def _refuse(
        self,
        problem: BadRequestProblem | None,
        scope: Scope,
        receive: Receive,
        send: Send,
        texts: dict[str, Any],
        stack: ASGIApp,
    ) -> None:
        """Answer with the problem as connexion does where that is certain, else hand the request to the stack.

        connexion asks for security first, so nobody learns what is wrong who may not call.
        """
        handler = error_handler(stack, problem) if problem else None
        if problem is None or handler is None:
            await stack(scope, receive, send)
            return
        if self.verify is not None:
            inner = scoped({**scope}, self.routing, texts)
            try:
                await self.verify(inner)
            except Exception as error:  # noqa: BLE001 - as above
                await fail(error, stack, outside(scope, inner), receive, send)
                return
        await refuse(problem, handler, stack, scope, receive, send)
