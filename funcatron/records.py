"""Records of what is called later: an execution made of a call, or of an event. Pure; what is done now: ``endings``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from funcatron.codec import TooLarge, encode_input, encode_json
from funcatron.errors import InvalidInput, Problem, Violation
from funcatron.event import CloudEvent
from funcatron.execution import Execution, line_of, new_id
from funcatron.invocation import Principal
from funcatron.registry import Function

__all__ = ["EventCall", "record_of_call", "record_of_event"]


def record_of_call(
    function: Function,
    arguments: Mapping[str, Any],
    trigger: str,
    limit: int,
    *,
    now: float,
    headers: Mapping[str, str] | None = None,
    principal: Principal | None = None,
    event: dict[str, Any] | None = None,
) -> Execution:
    """Return the queued execution of a call with these checked arguments, of ``limit`` bytes at most.

    ``now`` is in seconds since the epoch. ``event`` is what is kept of the event that caused it. Raises InvalidInput
    (what no record can keep), Problem 413.
    """
    try:
        stored = encode_input(arguments)
        size = len(encode_json([stored, event]))
    except TooLarge as error:
        size = error.size
    except TypeError as error:
        raise InvalidInput([Violation("", str(error))]) from None
    if size > limit:
        raise Problem(
            413,
            detail=f"the input is {size} bytes; at most {limit} can be kept for later (FUNCATRON_MAX_MESSAGE)",
            limit=limit,
        )
    return Execution(
        id=new_id(),
        function=function.name,
        trigger=trigger,
        queue=function.extension.queue,
        input=stored,
        event=event,
        headers=dict(headers or {}),
        principal=None if principal is None else msgspec.to_builtins(principal),
        project_id=None if principal is None else principal.project_id,
        created_at=now,
    )


@dataclass(frozen=True, slots=True)
class EventCall:
    """One function that an event calls, by a trigger of the kind ``trigger``, whose ``input`` is ``mapping``.

    ``given`` are arguments that came beside the event's data, and ``headers`` those that the handler may see: what was
    posted is a request too.
    """

    function: Function
    event: CloudEvent
    trigger: str
    mapping: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def record_of_event(call: EventCall, limit: int, *, now: float) -> Execution:
    """Return the queued execution of a function that an event calls; raises as above."""
    function, event = call.function, call.event
    arguments = function.binder.map_event(event, call.mapping, call.given)
    record = record_of_call(
        function, arguments, call.trigger, limit, now=now, headers=call.headers, event=event.to_record(arguments)
    )
    ordered = function.extension.ordering == "subject" and event.subject is not None
    return msgspec.structs.replace(
        record,
        event_source=event.source,
        event_id=event.id,
        project_id=event.project_id,
        order_key=line_of(function.name, event.source, str(event.subject)) if ordered else None,
    )
