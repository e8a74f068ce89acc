"""What a route leads to: one function's ASGI endpoint. Decode, check, then call now or later, then answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any, TypeAlias

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from funcatron.errors import FuncatronError, InvalidInput, Problem, Violation
from funcatron.execution import new_id
from funcatron.failures import refusal
from funcatron.http.call import Call
from funcatron.http.prefer import Preferences, parse_prefer
from funcatron.http.request import Decoded, RequestDecoder, header_map
from funcatron.http.respond import send_result
from funcatron.http.security import credential_names, principal_of
from funcatron.invocation import Result
from funcatron.redact import public_headers
from funcatron.registry import Function
from funcatron.settings import Limits

__all__ = ["FunctionEndpoint"]

Answer: TypeAlias = Callable[[Call], Awaitable[Result]]
CONTEXT = "connexion_context"
"""Where connexion's security leaves ``user`` and ``token_info``, under ``extensions`` of the ASGI scope."""


class FunctionEndpoint:
    """Serves one function over HTTP; what the operation decides is compiled once.

    ``now`` invokes it, ``later`` dispatches it; without ``later`` it is always called now, and so is one with
    parameters that carry credentials, which may not be kept: a client's preference need not be followed (RFC 7240).
    """

    def __init__(self, function: Function, *, limits: Limits, now: Answer, later: Answer | None) -> None:
        self.function = function
        self._limits = limits
        self._credentials = credential_names(function.operation, "header")
        self._now = now
        self._later = None if function.operation.secrets else later

    @cached_property
    def decoder(self) -> RequestDecoder:
        """What decodes its requests, made at the first one."""
        return RequestDecoder(self.function, self._limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        call_id = new_id()
        headers = header_map(scope)
        decoded = Decoded()
        try:
            decoded = await self.decoder.decode(scope, receive, headers, at_once=self._is_at_once(headers))
            result = await self._answer(self._call(call_id, decoded, headers, scope, receive))
        except ClientDisconnect:
            return
        except (Problem, FuncatronError) as error:
            result = refusal(error, call_id, self.function.name)
        try:
            await send_result(result, scope, decoded.rest or receive, send)
        finally:
            decoded.close()

    async def _answer(self, call: Call) -> Result:
        if self._later is not None and self._is_later(call.preferences):
            return await self._later(call)
        return await self._now(call)

    def _is_later(self, preferences: Preferences) -> bool:
        return self.may_be_later and (preferences.respond_async or self.function.extension.mode == "async")

    def _is_at_once(self, headers: Mapping[str, str]) -> bool:
        """Whether nobody but the handler needs the body: no record, and no fingerprint for an Idempotency-Key."""
        kept = self.function.extension.record or "idempotency-key" in headers
        return not kept and not self._is_later(parse_prefer(headers.get("prefer")))

    @property
    def may_be_later(self) -> bool:
        """Whether a client's preference to be answered later is followed."""
        return self._later is not None

    def public_headers(self, scope: Scope) -> dict[str, str]:
        """Return a request's headers by name in lower case, without credentials and cookies."""
        return self._public(header_map(scope))

    def _public(self, headers: Mapping[str, str]) -> dict[str, str]:
        public = public_headers(headers)
        for name in self._credentials:
            public.pop(name, None)
        return public

    def _call(self, call_id: str, decoded: Decoded, headers: Mapping[str, str], scope: Scope, receive: Receive) -> Call:
        context: dict[str, Any] = scope["extensions"].get(CONTEXT, {})
        extras: dict[str, Any] = {name: context[name] for name in ("user", "token_info") if name in context}
        return Call(
            id=call_id,
            function=self.function,
            arguments=_check(self.function, decoded),
            headers=self._public(headers),
            preferences=parse_prefer(headers.get("prefer")),
            principal=principal_of(context),
            extras={**extras, "context_": context},
            scope=scope,
            receive=receive,
        )


def _check(function: Function, decoded: Decoded) -> dict[str, Any]:
    """Return the checked arguments; raises InvalidInput that names what did not decode and what is not valid."""
    try:
        checked = function.binder.check(decoded.arguments, media_type=decoded.media_type)
    except InvalidInput as invalid:
        undecoded = {violation.pointer for violation in decoded.violations}
        raise InvalidInput([*decoded.violations, *_beyond(invalid, undecoded)]) from None
    if decoded.violations:
        raise InvalidInput(decoded.violations)
    return checked


def _beyond(invalid: InvalidInput, undecoded: set[str]) -> list[Violation]:
    """What did not decode is missing too, but that is not worth saying."""
    return [
        violation
        for violation in invalid.violations
        if not any(violation.pointer == place or violation.pointer.startswith(place + "/") for place in undecoded)
    ]
