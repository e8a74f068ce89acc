"""Idempotency-Key: a call that is made again is answered as the first time, and is not run again.

Source: draft-ietf-httpapi-idempotency-key-header. A key belongs to one caller and one function. It is taken in the
store, in one step, before anything runs or is queued, so of many requests at once one is the first.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from funcatron.codec import encode_input
from funcatron.endings import kept_headers
from funcatron.errors import InvalidInput, Problem, Unavailable, Violation
from funcatron.execution import Execution, StoredResult
from funcatron.http.call import Call
from funcatron.http.waiting import answer_of, result_of
from funcatron.invocation import Principal, Result
from funcatron.ports import ExecutionStore, Reservation

if TYPE_CHECKING:
    from funcatron.app import Funcatron

__all__ = ["first_call", "kept_answer", "key_of", "replayed", "settle"]

logger = logging.getLogger("funcatron.http")

LONGEST_KEY = 255
GRACE = 10.0
"""Seconds beyond its timeout after which a call without an answer is given up: its process was killed."""
RETRY_AFTER = "1"
PAUSE = 0.01
"""Seconds between two looks for a record that is being written."""
TRY_AGAIN = frozenset({408, 425, 429})
"""Refusals below 500 that ask for another try."""


def key_of(call: Call) -> str | None:
    """Return the call's key, without the quotes of a structured field (RFC 8941); None where it has none.

    Raises InvalidInput for an empty one, and for a very long one.
    """
    given = call.headers.get("idempotency-key")
    if given is None:
        return None
    key = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
    if not 0 < len(key) <= LONGEST_KEY:
        message = f"must have 1 to {LONGEST_KEY} characters, not {len(key)}"
        raise InvalidInput([Violation("/header/Idempotency-Key", message)])
    return key


async def first_call(
    funcatron: Funcatron, call: Call, key: str, *, patience: float = 0.0
) -> Reservation | Execution | Result:
    """Return what the first call with this key came to: its Result, or its Execution; the Reservation if it is this.

    Who gets the Reservation settles it. ``patience``: seconds for which a first call that is being accepted is waited
    for. Raises Problem 409 while the first call runs, 422 where it had another payload, and Unavailable where the
    store is out of reach.
    """
    wanted, standing = await asyncio.to_thread(_reserve, funcatron, call, key)
    if standing is None:
        return wanted
    if standing.fingerprint != wanted.fingerprint:
        raise Problem(422, "Idempotency-Key reused", f"the Idempotency-Key {key!r} came with another payload before")
    if standing.result is not None:
        return replayed(answer_of(standing.result))
    execution = await _recorded(funcatron.store, standing.execution_id, patience)
    if execution is None:
        detail = f"the first call with the Idempotency-Key {key!r} has not ended"
        raise Problem(409, "Call in progress", detail, headers={"Retry-After": RETRY_AFTER})
    if execution.trigger == "http":  # on record, but its process died before it kept the answer
        return replayed(result_of(execution))
    return execution


async def _recorded(store: ExecutionStore, execution_id: str, patience: float) -> Execution | None:
    """Return the record, None where there is none and none comes."""
    until = time.monotonic() + patience
    while True:  # another process may be writing it: there is nothing to be woken by
        found = await asyncio.to_thread(store.get, execution_id)
        if found is not None or time.monotonic() >= until:
            return found
        await asyncio.sleep(PAUSE)


def replayed(result: Result) -> Result:
    """Return a first answer with the header that says that it is one."""
    return msgspec.structs.replace(result, headers={**result.headers, "Idempotency-Replayed": "true"})


def kept_answer(result: Result) -> StoredResult | None:
    """Return what is kept of a sync answer: all but its credentials and cookies.

    None, and the key is free again, where the answer asks for another try, and where it was streamed.
    """
    again = result.status >= 500 or result.status in TRY_AGAIN or result.retry_after is not None
    if again or not isinstance(result.body, bytes):
        return None
    return StoredResult(
        status=result.status,
        headers=kept_headers(result),
        content_type=result.content_type,
        base64=base64.b64encode(result.body).decode(),
    )


async def settle(store: ExecutionStore, reservation: Reservation, kept: StoredResult | None) -> None:
    """Keep an answer for those who call again, or with None give the key back.

    What was done stays done where the store is out of reach: then the key lapses with the reservation's deadline.
    """
    try:
        await asyncio.to_thread(store.settle, reservation, kept)
    except Unavailable as error:
        logger.error("the answer for %s is not kept: %s", reservation.execution_id, error)


def _caller(principal: Principal | None) -> str:
    """Return whose key it is: one who works in several projects has keys in each."""
    if principal is None:
        return ""
    return principal.id if principal.project_id is None else f"{principal.id} in {principal.project_id}"


def _reserve(funcatron: Funcatron, call: Call, key: str) -> tuple[Reservation, Reservation | None]:
    """Return what this call wants, and what stands in its way; in a thread, since uploads are read too."""
    store, now = funcatron.store, funcatron.clock.time()
    extension = call.function.extension
    stored = encode_input(call.arguments, strict=False)
    wanted = Reservation(
        function=call.function.name,
        key=key,
        principal_id=_caller(call.principal),
        fingerprint=sha256(msgspec.json.encode(stored, order="sorted")).hexdigest(),
        execution_id=call.id,
        deadline=now + extension.timeout + GRACE,
        expires_at=now + extension.idempotency_ttl,
        owner=funcatron.owner(),
    )
    standing = store.reserve(wanted)
    if standing is not None and _is_abandoned(store, standing):
        store.settle(standing, None)
        standing = store.reserve(wanted)
    return wanted, standing


def _is_abandoned(store: ExecutionStore, standing: Reservation) -> bool:
    """Whether the process of the first call is gone and left nothing: asked in this order, as it left that before."""
    if standing.result is not None or standing.owner is None or store.alive(standing.owner):
        return False
    return store.get(standing.execution_id) is None
