"""Who may use the control API: the operator, the caller of an execution, and on loopback everybody.

The operator shows the control token. An execution of nobody and of no project belongs to whoever knows its id, which
cannot be guessed; one with a principal to whoever shows the credential of that principal, checked by the function's own
security. What the token of a project opens is in ``http.projects``.
"""

from __future__ import annotations

import base64
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

__all__ = ["CallerCheck", "OperatorToken", "is_nobodys", "refuse_public"]

OPERATOR = {"sub": "operator"}


def refuse_public(host: str, settings: Settings) -> None:
    """Raise SettingsError where a server would listen beyond loopback and ask nobody who they are."""
    if settings.control_token is None and not settings.control_keystone and not _is_loopback(host):
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
        self._open = settings.control_token is None and not settings.control_keystone

    def __call__(self) -> OperatorToken:
        """Return the handler itself: it keeps nothing of a request."""
        return self

    def get_fn(self, _scheme: Mapping[str, Any], _scopes: list[str]) -> Callable[[ConnexionRequest], Any]:
        """Return the function that verifies a request (connexion's protocol)."""
        return self.verify

    def verify(self, request: ConnexionRequest) -> Any:
        """Return the token info of the operator, or connexion's NO_VALUE; raises for a token that is wrong."""
        if self._open:
            if _is_local(request.scope):
                return OPERATOR
            raise Forbidden("no control token is set: only clients on this machine may do this")
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if self._token is not None and kind.lower() == "basic" and self._is(_password(given)):
            return OPERATOR
        if self._token is None or not given or kind.lower() != "bearer":
            return NO_VALUE
        if self._is(given.strip()):
            return OPERATOR
        raise OAuthProblem("the control token is wrong")

    def _is(self, given: str) -> bool:
        token = self._token or ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _password(given: str) -> str:
    """Return the password of basic authentication: it may stand in a URL, and who posts events (Ceph, Aodh) may have no
    other place for the token.
    """
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _is_local(scope: Scope) -> bool:
    """Whether the server listens on this machine only: on a loopback address, a socket file, or in a test."""
    host = (scope.get("server") or ("", None))[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def is_nobodys(execution: Execution) -> bool:
    """Whether an execution belongs to whoever knows its id."""
    return execution.principal is None and execution.project_id is None


class CallerCheck:
    """Decides who may see an execution; the verifiers of functions are made once each."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = functions
        self._verifiers: dict[str, Callable[[ConnexionRequest], Awaitable[None]]] = {}

    async def admit(self, call: Call, execution: Execution) -> None:
        """Return if the caller, who showed nothing to the control API, may see this execution.

        Raises Problem 401, 403, and what the function's security raises.
        """
        if is_nobodys(execution):
            return
        function = self._functions.get(execution.function)
        if function is None or not function.operation.security or execution.principal is None:
            raise Problem(403, detail="this execution belongs to another caller")
        request = ConnexionRequest({**call.scope, "extensions": {}})
        try:
            await self._verifier(function)(request)
        except HTTPException as error:
            asked = challenges(function.operation) if error.status_code == 401 else None
            headers = {**(error.headers or {}), **({"WWW-Authenticate": asked} if asked else {})}
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
