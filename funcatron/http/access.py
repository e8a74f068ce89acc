"""Who may use the control API: the operator, the caller of an execution, and on loopback everybody.

The operator shows the control token. An execution without a principal belongs to whoever knows its id, which cannot be
guessed; one with a principal to whoever shows the credential of that principal, checked by the function's own security.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from connexion.exceptions import Forbidden, OAuthProblem
from connexion.lifecycle import ConnexionRequest
from connexion.middleware.security import SecurityOperation
from connexion.security import NO_VALUE, SecurityHandlerFactory
from starlette.exceptions import HTTPException
from starlette.types import Scope

from funcatron.errors import Problem, SettingsError
from funcatron.execution import Execution
from funcatron.http.call import Call
from funcatron.http.security import challenges, principal_of
from funcatron.importing import defined_schemes
from funcatron.registry import Function
from funcatron.settings import Settings

__all__ = ["CallerCheck", "OperatorToken", "refuse_public"]

OPERATOR = {"sub": "operator"}


def refuse_public(host: str, settings: Settings) -> None:
    """Raise SettingsError where a server would listen beyond loopback without a control token."""
    if settings.control_token is None and not _is_loopback(host):
        raise SettingsError(
            f"{host} can be reached from other machines: set FUNCATRON_CONTROL_TOKEN to protect the control API "
            "at /_funcatron, or listen on 127.0.0.1"
        )


def _is_loopback(host: str) -> bool:
    """Whether an address is this machine's own; a name other than localhost counts as public."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class OperatorToken:
    """connexion's security handler for the scheme ``operator`` (its ``security_map`` wants a class to call)."""

    def __init__(self, settings: Settings) -> None:
        self._token = settings.control_token

    def __call__(self) -> OperatorToken:
        """Return the handler itself: it keeps nothing of a request."""
        return self

    def get_fn(self, _scheme: Mapping[str, Any], _scopes: list[str]) -> Callable[[ConnexionRequest], Any]:
        """Return the function that verifies a request (connexion's protocol)."""
        return self.verify

    def verify(self, request: ConnexionRequest) -> Any:
        """Return the token info of the operator, or connexion's NO_VALUE; raises for a token that is wrong."""
        if self._token is None:
            if _is_local(request.scope):
                return OPERATOR
            raise Forbidden("no control token is set: only clients on this machine may do this")
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if not given or kind.lower() != "bearer":
            return NO_VALUE
        if hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._token.encode()):
            return OPERATOR
        raise OAuthProblem("the control token is wrong")


def _is_local(scope: Scope) -> bool:
    """Whether the server listens on this machine only: on a loopback address, a socket file, or in a test."""
    host = (scope.get("server") or ("", None))[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


class CallerCheck:
    """Decides who may see an execution; the verifiers of functions are made once each."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = functions
        self._verifiers: dict[str, Callable[[ConnexionRequest], Awaitable[None]]] = {}

    async def admit(self, call: Call, execution: Execution) -> None:
        """Return if the caller may see this execution; raises Problem 401 or 403."""
        if call.extras.get("token_info") or execution.principal is None:
            return
        function = self._functions.get(execution.function)
        if function is None or not function.operation.security:
            raise Problem(403, detail="this execution belongs to another caller")
        request = ConnexionRequest({**call.scope, "extensions": {}})
        try:
            await self._verifier(function)(request)
        except HTTPException as error:
            asked = challenges(function.operation) if error.status_code == 401 else None
            headers = {"WWW-Authenticate": asked} if asked else {}
            raise Problem(error.status_code, detail=error.detail, headers=headers) from None
        principal = principal_of(request.context)
        owner = (execution.principal.get("id"), execution.principal.get("project_id"))
        if principal is None or (principal.id, principal.project_id) != owner:
            raise Problem(403, detail="this execution belongs to another caller")

    def _verifier(self, function: Function) -> Callable[[ConnexionRequest], Awaitable[None]]:
        verify = self._verifiers.get(function.name)
        if verify is None:
            operation = SecurityOperation(
                next_app=None,
                security_handler_factory=SecurityHandlerFactory(),
                security=[{name: list(scopes) for name, scopes in one.items()} for one in function.operation.security],
                security_schemes=defined_schemes(function.operation.document),
            )
            verify = self._verifiers[function.name] = operation.verification_fn
        return verify
