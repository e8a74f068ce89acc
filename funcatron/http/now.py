"""Calls that are answered now: the handler runs in this process, once for each Idempotency-Key."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from funcatron.execution import Execution
from funcatron.http.call import Call
from funcatron.http.idempotency import first_call, kept_answer, key_of, replayed, settle
from funcatron.http.later import Later
from funcatron.http.metrics import Metrics
from funcatron.invocation import Result

if TYPE_CHECKING:
    from funcatron.app import Funcatron

__all__ = ["Now"]

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that may be called again as they are (RFC 9110 section 9.2.1): a key says nothing there."""


class Now:
    """Invokes functions; ``later`` answers for executions that had the same Idempotency-Key."""

    def __init__(self, funcatron: Funcatron, metrics: Metrics, later: Later) -> None:
        self._funcatron = funcatron
        self._metrics = metrics
        self._later = later

    async def answer(self, call: Call) -> Result:
        """Answer a call whose arguments were checked. Raises Problem (409, 422) and Unavailable, for its key alone."""
        if "idempotency-key" not in call.headers or call.scope["method"] in SAFE or (key := key_of(call)) is None:
            return await self._invoke(call)
        first = await first_call(self._funcatron, call, key)
        if isinstance(first, Result):
            return first
        if isinstance(first, Execution):
            return replayed(await self._later.respond(call, first))
        result = await self._invoke(call)
        await settle(self._funcatron.store, first, kept_answer(result))
        return result

    async def _invoke(self, call: Call) -> Result:
        started = time.perf_counter()
        result = await self._funcatron.invoke(
            call.function,
            call.arguments,
            execution_id=call.id,
            headers=call.headers,
            principal=call.principal,
            extras=call.extras,
            checked=True,
        )
        self._metrics.invoked(call.function.name, "http", result, time.perf_counter() - started)
        return result
