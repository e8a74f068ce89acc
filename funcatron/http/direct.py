"""The short way of a call that is answered now: from a request that is as most are to the middle, and nothing between.

It is open to functions that are called now and keep no record, for requests that ask for nothing special: no
preference, no Idempotency-Key, no encoded body, no header twice. All others go by ``endpoint``, as do those that
``accept`` does not know to be valid. So a client cannot tell which way its request went.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.types import Message, Scope

from funcatron.execution import new_id
from funcatron.http.accept import Acceptance
from funcatron.http.endpoint import CONTEXT, FunctionEndpoint
from funcatron.http.metrics import Metrics
from funcatron.http.now import SAFE
from funcatron.http.security import principal_of
from funcatron.invocation import Invocation
from funcatron.ports import CallNext

if TYPE_CHECKING:
    from funcatron.app import Funcatron

__all__ = ["Direct"]

Headers = Mapping[bytes, bytes]


class Direct:
    """The short way of one function; ``of`` makes it."""

    def __init__(self, funcatron: Funcatron, metrics: Metrics, endpoint: FunctionEndpoint) -> None:
        function, invoker = endpoint.function, funcatron.invoker
        self.name = function.name
        self.metrics = metrics
        self._funcatron = funcatron
        self._function = function
        self._invoker = invoker
        self._chain = invoker.chain(function)
        self._timeout = function.extension.timeout
        self._endpoint = endpoint
        self._accept = Acceptance(function, endpoint.decoder, funcatron.settings.max_body)
        self.wants_body = self._accept.wants_body
        self.monotonic = funcatron.clock.monotonic
        self._special = _special(endpoint, wants_body=self.wants_body)
        self._alone = function.binder.as_given >= 0 and not invoker.has_middleware

    @classmethod
    def of(cls, funcatron: Funcatron, metrics: Metrics, endpoint: FunctionEndpoint) -> Direct | None:
        """Return the short way of an endpoint's function, None where it has none."""
        function = endpoint.function
        usual = function.extension.mode == "sync" and not function.extension.record
        if usual and Acceptance.suits(function, endpoint.decoder):
            return cls(funcatron, metrics, endpoint)
        return None

    @property
    def chain(self) -> CallNext:
        """What runs an invocation, for as long as the application is not closed."""
        invoker = self._funcatron.invoker
        if invoker is not self._invoker:
            self._invoker, self._chain = invoker, invoker.chain(self._function)
        return self._chain

    def headers(self, scope: Scope) -> Headers | None:
        """Return a request's headers, None where it asks for something special."""
        headers = dict(scope["headers"])
        if len(headers) != len(scope["headers"]) or not self._special.isdisjoint(headers):
            return None
        if self.wants_body and not self._accept.takes(headers.get(b"content-type")):
            return None
        return headers

    def read(
        self, scope: Scope, texts: Mapping[str, str], headers: Headers, message: Message | None
    ) -> dict[str, Any] | None:
        """Return the checked arguments, None where they have to be read with care. Raises InvalidInput."""
        return self._accept.read(scope, texts, headers.get(b"content-type"), message)

    def invocation(self, scope: Scope, arguments: Mapping[str, Any], started: float) -> Invocation:
        """Return the call that a request is; of who calls it says nothing where nobody can ask."""
        deadline = started + self._timeout if self._timeout else None
        if self._alone:
            return Invocation(id=new_id(), function=self.name, trigger="http", arguments=arguments, deadline=deadline)
        context: dict[str, Any] = scope["extensions"][CONTEXT]
        details: dict[str, Any] = {name: context[name] for name in ("user", "token_info") if name in context}
        return Invocation(
            id=new_id(),
            function=self.name,
            trigger="http",
            arguments=arguments,
            deadline=deadline,
            headers=self._endpoint.public_headers(scope),
            principal=principal_of(context),
            extras={**details, "context_": context},
        )


def _special(endpoint: FunctionEndpoint, *, wants_body: bool) -> frozenset[bytes]:
    """Return the headers of requests that are not for the short way."""
    names = {b"prefer"} if endpoint.may_be_later else set()
    if endpoint.function.operation.method not in SAFE:
        names.add(b"idempotency-key")
    if wants_body:
        names.add(b"content-encoding")
    return frozenset(names)
