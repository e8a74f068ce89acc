"""Security: connexion's own checks of an operation, made once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from connexion.lifecycle import ConnexionRequest
from connexion.middleware.security import SecurityOperation
from connexion.operations import AbstractOperation
from connexion.security import SecurityHandlerFactory
from starlette.types import Receive, Scope, Send

__all__ = ["Verify", "api_keys_in_query", "verification"]

Verify: TypeAlias = Callable[[Scope], Awaitable[None]]
"""Lets a request pass, and leaves ``user`` and ``token_info`` in its context; raises what connexion raises."""


def verification(operation: AbstractOperation, security_map: Mapping[str, Any] | None) -> Verify | None:
    """Return the check of an operation's security, None if anybody may call it."""
    if not operation.security:
        return None
    verify = SecurityOperation(
        _nothing,
        security_handler_factory=SecurityHandlerFactory(security_map),
        security=operation.security,
        security_schemes=operation.security_schemes,
    ).verification_fn

    async def check(scope: Scope) -> None:
        await verify(ConnexionRequest(scope))

    return check


def api_keys_in_query(operation: AbstractOperation) -> list[str]:
    """Return the names of API keys that a query may have, declared as parameters or not."""
    schemes = [operation.security_schemes[name] for either in operation.security or [] for name in either]
    return [scheme["name"] for scheme in schemes if scheme["type"] == "apiKey" and scheme["in"] == "query"]


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("security is asked here, it is not passed through")
