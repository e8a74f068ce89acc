"""The plan of a function of funcatron's own: everything between the server and its handler, without connexion's stack.

What stands before a function in connexion's stack is done here: routing, security by connexion's own handlers, and
connexion's context. Then a request goes the short way (``http.direct``) or by the function's endpoint, which decodes,
checks, calls and answers, refusals too, as on every door.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, cast

from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from funcatron.errors import InvalidInput
from funcatron.execution import new_id
from funcatron.failures import refusal
from funcatron.http.direct import Direct
from funcatron.http.plan.apis import Planned, Served
from funcatron.http.plan.context import enter, routing_of, scoped
from funcatron.http.plan.detour import Raising, detour
from funcatron.http.plan.route import Mount, Routes
from funcatron.http.plan.security import Verify, verification
from funcatron.http.respond import plain_start, send_result
from funcatron.http.stream import Again, Replay
from funcatron.http.trie import Trie
from funcatron.invocation import Result

__all__ = ["FunctionPlan", "FunctionPlans", "function_routes"]


class FunctionPlan:
    """A function behind its route. ``direct`` is None where it has no short way."""

    __slots__ = ("_direct", "_name", "endpoint", "operation", "routing", "verify")

    def __init__(
        self,
        operation: AbstractOperation,
        base_path: str,
        verify: Verify | None,
        endpoint: ASGIApp,
        direct: Direct | None = None,
    ) -> None:
        self.operation = operation
        self.verify = verify
        self.endpoint = endpoint
        self._direct = direct
        self._name: str = operation.operation_id
        self.routing = routing_of(operation, base_path)

    async def serve(self, scope: Scope, receive: Receive, send: Send, texts: dict[str, Any], stack: ASGIApp) -> None:
        """Answer a request whose path has these ``texts``; errors are answered in ``stack``."""
        inner = scoped(scope, self.routing, texts)
        direct, message, result = self._direct, None, None
        try:
            if self.verify is not None:
                await self.verify(inner)
            if direct is not None and (media := direct.media(inner)) is not None:
                message = await receive() if direct.wants_body else None
                try:
                    arguments = direct.read(inner, texts, media, message)
                except InvalidInput as invalid:
                    arguments, result = None, refusal(invalid, new_id(), self._name)
                if arguments is not None:
                    enter(self.operation, inner, receive if message is None else Again(receive, message))
                    started = direct.monotonic()
                    begun = direct.begin(inner, arguments, started)
                    result = begun if type(begun) is Result else await cast("Awaitable[Result]", begun)
                    direct.series.invoked(result, direct.monotonic() - started)
        except Exception as error:  # noqa: BLE001 - raised again where connexion handles errors
            await detour(stack, Raising(error), _outside(inner), receive, send)
            return
        if result is None:
            await self._with_care(inner, Replay(receive, message), send, stack)
        elif (start := plain_start(result)) is None or inner["method"] == "HEAD":
            await send_result(result, inner, receive, send)
        else:
            await send(start)
            await send({"type": "http.response.body", "body": result.body})

    async def _with_care(self, inner: Scope, receive: Receive, send: Send, stack: ASGIApp) -> None:
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            enter(self.operation, inner, receive)
            await self.endpoint(inner, receive, sending)
        except Exception as error:
            if started:
                raise
            await detour(stack, Raising(error), _outside(inner), receive, send)


class FunctionPlans:
    """Makes the plans of functions, by the name that the operation has as its operationId.

    ``direct`` gives a function's short way, None where it has none; it is asked when the plan is made.
    """

    def __init__(self, endpoints: Mapping[str, ASGIApp], direct: Callable[[str], Direct | None]) -> None:
        self._endpoints = endpoints
        self._direct = direct

    def __call__(
        self, operation: AbstractOperation, base_path: str, places: list[str], settings: Mapping[str, Any]
    ) -> FunctionPlan:
        """Return the plan of an operation."""
        verify = verification(operation, settings.get("security_map"))
        name: str = operation.operation_id
        return FunctionPlan(operation, base_path, verify, self._endpoints[name], self._direct(name))


def function_routes(apis: Iterable[Served], plans: FunctionPlans) -> Routes[Planned]:
    """Return the routes of all functions; those of one base path are in the order of their documents."""
    mounts: dict[str, Mount[Planned]] = {}
    for api in apis:
        mount = mounts.setdefault(api.base_path, Mount(api.base_path, Trie[Planned](), api.covered))
        for template, operation in api.operations(plans, None):
            mount.trie.add(operation.method, template, operation)
    return Routes(mounts.values())


def _outside(inner: Scope) -> Scope:
    """Return the scope as error handlers see it: with connexion's extensions, which say what was asked for."""
    return {name: item for name, item in inner.items() if name != "path_params"}
