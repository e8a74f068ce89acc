"""The short way of a call that is answered now: from a request that is as most are to the middle, and nothing between.

It is open to functions that are called now and keep no record, for requests that ask for nothing special: no
preference, no Idempotency-Key, no encoded body, no header twice. All others go by ``endpoint``, as do those that
``accept`` does not know to be valid. So a client cannot tell which way its request went.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from starlette.types import Scope

from funcatron.execution import new_id
from funcatron.http.accept import NO_BODY, Acceptance, Media
from funcatron.http.endpoint import CONTEXT, FunctionEndpoint
from funcatron.http.metrics import Metrics
from funcatron.http.now import SAFE
from funcatron.http.security import principal_of
from funcatron.invocation import Invocation, Result
from funcatron.invoker import Invoker
from funcatron.types import Arguments

if TYPE_CHECKING:
    from funcatron.app import Funcatron

__all__ = ["Direct"]


class Direct:
    """The short way of one function; ``of`` makes it."""

    def __init__(self, funcatron: Funcatron, metrics: Metrics, endpoint: FunctionEndpoint) -> None:
        function = endpoint.function
        accept = Acceptance(function, endpoint.decoder, funcatron.settings.max_body)
        self.name = function.name
        self.series = metrics.series(function.name, "http")
        self.wants_body = accept.wants_body
        self.read = accept.read
        """Return the checked arguments, None where they have to be read with care. Raises InvalidInput."""
        self._media = accept.media
        self._funcatron = funcatron
        self._function = function
        self._timeout = function.extension.timeout
        self._endpoint = endpoint
        self.monotonic = funcatron.clock.monotonic
        self._special = _special(endpoint, wants_body=accept.wants_body)
        self._noted = self._special | {b"content-type"} if accept.wants_body else self._special
        self._reads_headers = accept.reads_headers
        self._prepare(funcatron.invoker)

    @classmethod
    def of(cls, funcatron: Funcatron, metrics: Metrics, endpoint: FunctionEndpoint) -> Direct | None:
        """Return the short way of an endpoint's function, None where it has none."""
        function = endpoint.function
        usual = function.extension.mode == "sync" and not function.extension.record
        if usual and Acceptance.suits(function, endpoint.decoder):
            return cls(funcatron, metrics, endpoint)
        return None

    def _prepare(self, invoker: Invoker) -> None:
        binder = self._function.binder
        self._invoker = invoker
        self._chain = invoker.chain(self._function)
        self._attempt = invoker.attempt(self._function)
        self._as_given = -1 if self._attempt is None else binder.as_given
        self._unseen = binder.as_given >= 0 and not invoker.has_middleware

    def media(self, scope: Scope) -> Media | None:
        """Return what a request's body is, None where the request asks for something special."""
        content_type, noted = None, self._noted
        for name, value in scope["headers"]:
            if name in noted:
                if name in self._special or content_type is not None:
                    return None
                content_type = value
        if self._reads_headers and len(dict(scope["headers"])) != len(scope["headers"]):
            return None
        return self._media(content_type) if self.wants_body else NO_BODY

    def begin(self, scope: Scope, arguments: dict[str, Any], started: float) -> Result | Awaitable[Result]:
        """Call the function at a moment of ``monotonic``; what is no Result yet has to be awaited."""
        invoker = self._funcatron.invoker
        if invoker is not self._invoker:  # the application was closed and started again
            self._prepare(invoker)
        deadline = started + self._timeout if self._timeout else None
        if self._attempt is not None and len(arguments) == self._as_given:
            return self._attempt(arguments, deadline, None)
        return self._chain(self._invocation(scope, arguments, deadline))

    def _invocation(self, scope: Scope, arguments: Arguments, deadline: float | None) -> Invocation:
        """Return the call that a request is; of who calls it says nothing where nobody can ask."""
        if self._unseen:
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
