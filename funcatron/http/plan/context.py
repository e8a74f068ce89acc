"""connexion's context of a request: what ``connexion.request`` and ``connexion.context`` tell a handler."""

from __future__ import annotations

from typing import Any

from connexion.context import _context, _operation, _receive, _scope
from connexion.middleware.abstract import ROUTING_CONTEXT
from connexion.operations import AbstractOperation
from starlette.types import Receive, Scope

__all__ = ["enter", "outside", "routing_of", "scoped"]

_CONTEXT = "connexion_context"


def routing_of(operation: AbstractOperation, base_path: str) -> dict[str, str]:
    """Return what connexion's routing says of an operation's requests."""
    return {"api_base_path": base_path, "operation_id": operation.operation_id}


def scoped(scope: Scope, routing: dict[str, str], path_params: dict[str, Any]) -> Scope:
    """Return the scope as connexion's routing leaves it.

    It is the server's own where that has nothing of ours yet: connexion and starlette write into it, too, and a copy
    costs what all the rest here costs together.
    """
    if "extensions" not in scope and "path_params" not in scope:
        scope["extensions"] = {_CONTEXT: {}, ROUTING_CONTEXT: routing.copy()}
        scope["path_params"] = path_params
        return scope
    known = scope.get("extensions") or {}
    inner = {**scope}
    inner["extensions"] = {_CONTEXT: {}, **known, ROUTING_CONTEXT: {**known.get(ROUTING_CONTEXT, {}), **routing}}
    inner["path_params"] = {**scope.get("path_params", {}), **path_params}
    return inner


def outside(scope: Scope, inner: Scope) -> Scope:
    """Return the server's scope as error handlers see it: its extensions, where it has any, are connexion's too."""
    if inner is scope:
        return {key: value for key, value in scope.items() if key not in ("extensions", "path_params")}
    return {**scope, "extensions": inner["extensions"]} if "extensions" in scope else scope


def enter(operation: AbstractOperation, scope: Scope, receive: Receive) -> dict[str, Any]:
    """Set the context that connexion's proxies read, in this task, and return it."""
    found: dict[str, Any] = scope["extensions"][_CONTEXT]
    _context.set(found)
    _operation.set(operation)
    _receive.set(receive)
    _scope.set(scope)
    return found
