"""One operation's plan: parameters, headers, body, security, handler, response, in this order.

A plan may only accept. Whatever it does not know to be valid goes to connexion's own stack, as it came and before the
security functions or the handler ran, so connexion alone refuses. Once the handler ran the plan answers, or has
connexion's error handling answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.http.plan.body import take
from funcatron.http.plan.contents import Contents
from funcatron.http.plan.context import enter, outside, scoped
from funcatron.http.plan.detour import Raising, detour
from funcatron.http.plan.handler import Handler
from funcatron.http.plan.headers import Headers
from funcatron.http.plan.media import is_bodiless, read_head
from funcatron.http.plan.path import PathParameters
from funcatron.http.plan.query import Query
from funcatron.http.plan.response import Responses
from funcatron.http.plan.returned import Returned
from funcatron.http.plan.security import Verify

__all__ = ["Plan"]

MOST_UNVERIFIED = 1 << 20
"""Bytes of a body that are read before it is known who sends it; longer ones wait for connexion's order of things."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled operation. ``contents`` is None where the operation has no body."""

    operation: AbstractOperation
    base_path: str
    path: PathParameters
    query: Query
    headers: Headers | None
    contents: Contents | None
    empty_json: bool
    verify: Verify | None
    handler: Handler
    responses: Responses
    returned: Returned

    async def serve(self, scope: Scope, receive: Receive, send: Send, texts: dict[str, Any], stack: ASGIApp) -> None:
        """Answer a request whose path has these ``texts``, or hand it to ``stack``."""
        arguments = self._arguments(scope, texts)
        if arguments is not None and self.contents is not None:
            receive, arguments = await self._with_body(scope, receive, arguments)
        if arguments is None:
            await stack(scope, receive, send)
        else:
            await self._answer(arguments, scope, receive, send, texts, stack)

    def _arguments(self, scope: Scope, texts: dict[str, Any]) -> dict[str, Any] | None:
        """Return the arguments of everything but the body, None if connexion has to judge."""
        arguments: dict[str, Any] = {}
        try:
            accepted = self.path.read(texts, arguments) and self.query.read(scope["query_string"], arguments)
            if accepted and self.headers is not None:
                accepted = self.headers.judge(scope["headers"])
        except Exception:  # noqa: BLE001 - nothing ran yet: what a plan cannot judge, whyever, is connexion's
            return None
        bodiless = self.contents is not None or is_bodiless(scope["headers"], json=self.empty_json)
        return arguments if accepted and bodiless else None

    async def _with_body(
        self, scope: Scope, receive: Receive, arguments: dict[str, Any]
    ) -> tuple[Receive, dict[str, Any] | None]:
        """Read the body; return what gives it again, and the arguments with it or None."""
        head = read_head(scope["headers"])
        content = self.contents.of(head.content_type) if self.contents and head.content_type else None
        if content is None or not head.length or head.length < 0:
            return receive, None
        taken, whole = await take(receive, None if self.verify is None else MOST_UNVERIFIED)
        try:
            accepted = whole and await content.fill(taken.content, scope, arguments)
        except Exception:  # noqa: BLE001 - as above
            accepted = False
        return taken.receive, arguments if accepted else None

    async def _answer(
        self,
        arguments: dict[str, Any],
        scope: Scope,
        receive: Receive,
        send: Send,
        texts: dict[str, Any],
        stack: ASGIApp,
    ) -> None:
        """Call the handler, now that all is valid, and send its answer."""
        inner = scoped(scope, self.base_path, self.operation.operation_id, texts)
        try:
            if self.verify is not None:
                await self.verify(inner)
            found = enter(self.operation, inner, receive)
            value = await self.handler(arguments, found)
            answer = self.responses.answer(value)
        except Exception as error:  # noqa: BLE001 - raised again where connexion handles errors
            await detour(stack, Raising(error), outside(scope, inner), receive, send)
            return
        if answer is None:
            await detour(stack, self.returned.app(value, inner), outside(scope, inner), receive, send)
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.content})
