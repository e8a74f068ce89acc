"""What a handler returned and the plan does not answer itself: connexion's own making and checking of responses."""

from __future__ import annotations

from typing import Any

from connexion.decorators.response import AsyncResponseDecorator
from connexion.frameworks.starlette import Starlette
from connexion.jsonifier import Jsonifier
from connexion.middleware.response_validation import ResponseValidationOperation
from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Returned"]


class Returned:
    """Makes connexion's responses of the values that one operation's handler returns."""

    def __init__(self, operation: AbstractOperation, jsonifier: Jsonifier, *, validate: bool) -> None:
        self._operation = operation
        self._decorate = AsyncResponseDecorator(framework=Starlette, jsonifier=jsonifier)
        self._validate = validate

    def app(self, value: Any, scope: Scope) -> ASGIApp:
        """Return an ASGI application that answers with the value; connexion's errors are raised in it."""

        async def respond(_scope: Scope, receive: Receive, send: Send) -> None:
            async def returned() -> Any:
                return value

            response = await self._decorate(returned)()
            await response(scope, receive, send)

        async def checked(_scope: Scope, receive: Receive, send: Send) -> None:
            await ResponseValidationOperation(respond, operation=self._operation)(scope, receive, send)

        return checked if self._validate else respond
