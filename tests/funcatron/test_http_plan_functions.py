"""The plans of funcatron's own functions: security, context, the endpoint, and errors where connexion answers them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from connexion.context import context, request
from connexion.operations import OpenAPIOperation
from connexion.resolver import Resolver
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from funcatron.http.plan.detour import DetourMiddleware
from funcatron.http.plan.functions import FunctionPlan, FunctionPlans
from funcatron.http.plan.security import Verify

START: Message = {"type": "http.response.start", "status": 200, "headers": []}


async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
    assert request.method == "GET"
    await send({**START, "seen": scope["path_params"], "user": context.get("user")})


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("before anything was sent")


async def failing_later(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    raise LookupError("in the middle")


async def known(scope: Scope) -> None:
    scope["extensions"]["connexion_context"]["user"] = "ann"


async def unknown(scope: Scope) -> None:
    raise PermissionError("who is it?")


def operation() -> OpenAPIOperation:
    return OpenAPIOperation("get", "/", {"operationId": "f", "responses": {}}, Resolver(lambda name: print))


def serve(endpoint: ASGIApp, verify: Verify | None = None) -> tuple[list[Message], list[str]]:
    """Return what was sent, and the errors that the stack answered."""
    sent: list[Message] = []
    answered: list[str] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def stack(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await DetourMiddleware(endpoint)(scope, receive, send)
        except (LookupError, PermissionError) as error:
            answered.append(str(error))
            answered.append(str(scope["extensions"]["connexion_routing"]["operation_id"]))

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [],
        "query_string": b"",
        "extensions": {},
    }
    plan = FunctionPlan(operation(), "", verify, endpoint)
    asyncio.run(plan.serve(scope, receive, send, {"p": "1"}, stack))
    return sent, answered


def test_the_endpoint_has_connexions_context() -> None:
    sent, answered = serve(endpoint, known)
    assert (sent, answered) == ([{**START, "seen": {"p": "1"}, "user": "ann"}], [])


def test_errors_are_answered_where_connexion_answers_them() -> None:
    assert serve(failing) == ([], ["before anything was sent", "f"])
    assert serve(endpoint, unknown) == ([], ["who is it?", "f"])


def test_a_response_that_has_begun_is_not_begun_again() -> None:
    with pytest.raises(LookupError):
        serve(failing_later)


def test_plans_are_made_by_name() -> None:
    plan = FunctionPlans({"f": endpoint}, lambda name: None)(operation(), "/v1", [], {})
    assert (plan.endpoint, plan.routing["api_base_path"], plan.verify) == (endpoint, "/v1", None)
