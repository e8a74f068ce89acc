"""Calls that are answered later: 202 once they are durable, the handler's own answer for those who wait.

Source: RFC 7240 (Prefer), RFC 9110 section 15.3.3 (202), draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from funcatron.codec import encode_json
from funcatron.errors import Problem, Unavailable
from funcatron.execution import Attempt, Execution
from funcatron.http.admission import RETRY_AFTER, Admission
from funcatron.http.call import Call
from funcatron.http.idempotency import first_call, key_of, replayed, settle
from funcatron.http.waiting import result_of, wait_for_end
from funcatron.invocation import Result

if TYPE_CHECKING:
    from funcatron.app import Funcatron

__all__ = ["Later", "accepted", "show"]

PATIENCE = 5.0
"""Seconds that a call waits for the record of the first one with its Idempotency-Key, which is being stored."""
CONTROL = "/_funcatron"


class Later:
    """Dispatches calls, as many at a time as ``admission`` lets through."""

    def __init__(self, funcatron: Funcatron, admission: Admission) -> None:
        self._funcatron = funcatron
        self._admission = admission

    async def answer(self, call: Call) -> Result:
        """Accept a call whose arguments were checked, once for each Idempotency-Key.

        Raises Problem (409, 413, 422) and Unavailable.
        """
        key = key_of(call)
        if key is None:
            return await self.respond(call, await self._accept(call))
        first = await first_call(self._funcatron, call, key, patience=PATIENCE)
        if isinstance(first, Result):
            return first
        if isinstance(first, Execution):
            return replayed(await self.respond(call, first))
        try:
            execution = await self._accept(call)
        except (Problem, Unavailable):
            await settle(self._funcatron.store, first, None)
            raise
        return await self.respond(call, execution)

    async def respond(self, call: Call, execution: Execution) -> Result:
        """Answer for an accepted execution as the call prefers: 202, or its end if that is waited for."""
        wait = call.preferences.wait
        if wait is not None:
            execution = await wait_for_end(self._funcatron.store, execution, wait, call.receive)
        applied = call.preferences.applied
        headers = {"Preference-Applied": applied} if applied else {}
        if wait is not None and execution.ended:
            result = result_of(execution)
            return msgspec.structs.replace(result, headers={**result.headers, **headers})
        return accepted(self._funcatron, execution, call.root_path, headers)

    async def _accept(self, call: Call) -> Execution:
        with self._admission.admitted():
            execution, _ = await self._funcatron.dispatch(
                call.function,
                call.arguments,
                execution_id=call.id,
                headers=_kept(call),
                principal=call.principal,
                checked=True,
            )
        return execution


def accepted(funcatron: Funcatron, execution: Execution, root_path: str, headers: Mapping[str, str]) -> Result:
    """Return the 202 of an execution: where it is, when to ask, and its record."""
    shown = show(funcatron, execution, root_path)
    location = shown["links"]["self"]
    return Result(
        value=shown,
        status=202,
        headers={"Location": location, "Retry-After": str(RETRY_AFTER), **headers},
        body=encode_json(shown),
        content_type="application/json",
    )


def show(
    funcatron: Funcatron, execution: Execution, root_path: str, history: Sequence[Attempt] | None = None
) -> dict[str, Any]:
    """Return a record as clients see it, redacted, its links below the path where a proxy mounted the server."""
    shown = funcatron.show(execution, history)
    if root_path:
        shown["links"] = {name: root_path + link for name, link in shown["links"].items()}
    return shown


def _kept(call: Call) -> dict[str, str]:
    """The headers that go on record; the URL too, where a callback may ask for it (``{$url}``)."""
    headers = {name: value for name, value in call.headers.items() if name != "x-funcatron-url"}
    if call.function.operation.callbacks:
        headers["x-funcatron-url"] = call.url
    return headers
