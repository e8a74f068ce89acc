"""What follows the end of an execution: its callbacks; and the record of a sync call, written after its end."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from funcatron.clock import SYSTEM_CLOCK, Clock
from funcatron.codec import decode_input, decode_json
from funcatron.errors import Problem
from funcatron.execution import Execution, StoredResult, new_id
from funcatron.expressions import evaluate, point
from funcatron.headers import joined
from funcatron.invocation import Invocation, Result
from funcatron.ports import Dispatcher
from funcatron.redact import is_credential
from funcatron.registry import Function, Registry
from funcatron.spec.operation import Callback
from funcatron.types import MISSING

__all__ = ["Endings", "kept_headers", "record_of_sync_call", "stored_result"]

DELIVER = "funcatron.callbacks.deliver"


class Endings:
    """Dispatches the callbacks of an execution that has ended; doing so twice makes no second delivery."""

    def __init__(self, registry: Registry, dispatcher: Dispatcher, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._registry = registry
        self._dispatcher = dispatcher

    def after(self, execution: Execution) -> None:
        """Follow the end of ``execution``; raises Unavailable, then call again later."""
        function = self._registry.functions.get(execution.function)
        if function is None or execution.state not in ("succeeded", "failed"):
            return
        deliveries = [
            made
            for callback in function.operation.callbacks
            if (made := self._delivery(function, execution, callback)) is not None
        ]
        if deliveries:
            self._dispatcher.submit(deliveries)

    def _delivery(self, function: Function, execution: Execution, callback: Callback) -> Execution | None:
        url = evaluate(callback.expression, lambda source, name: _look_up(function, execution, source, name))
        if url is None:
            return None
        result = execution.result or StoredResult()
        if execution.state == "failed":
            result = StoredResult(content_type="application/problem+json", body=execution.problem)
        content = {"base64": result.base64} if result.base64 is not None else {"body": result.to_bytes().decode()}
        return Execution(
            id=new_id(),
            function=DELIVER,
            trigger="event",
            queue=execution.queue,
            input={
                "body": {
                    "url": url,
                    "method": callback.method,
                    "content_type": result.content_type or "application/json",
                    **content,
                    "execution": execution.id,
                    "function": execution.function,
                    "state": execution.state,
                }
            },
            event_source=f"/_funcatron/executions/{execution.id}",
            event_id=f"callback/{callback.name}/{callback.expression}/{callback.method}/{execution.ended_at}",
            principal=execution.principal,
            project_id=execution.project_id,
            created_at=self._clock.time(),
        )


def _look_up(function: Function, execution: Execution, source: str, name: str) -> Any:
    """Give a runtime expression its value from the record."""
    result = execution.result or StoredResult()
    side, _, place = source.partition(".")
    match source:
        case "url":
            return execution.headers.get("x-funcatron-url") or function.operation.route
        case "method":
            return function.operation.method.upper()
        case "statusCode":
            return (execution.problem or {}).get("status", result.status)
        case "response.body":
            return point(result.body, name)
        case "response.header":
            return _header(result.headers, name)
        case "request.body":
            body = decode_input(execution.input).get(function.binder.body_argument or "", MISSING)
            return point(body, name)
        case _ if side == "request":
            declared = {n: a for (where, n), a in function.binder.arguments.items() if where == place}
            argument = _header(declared, name) if place == "header" else declared.get(name)
            if argument in execution.input:
                return execution.input[argument]
            return _header(execution.headers, name) if place == "header" else None
    return None


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for given, value in headers.items() if given.lower() == name.lower()), None)


def stored_result(result: Result) -> StoredResult:
    """Return a Result that is not a stream in the form that a record keeps: no credentials, no cookies."""
    body: bytes = result.body
    value = _readable(result.content_type, body) if body else None
    return StoredResult(
        status=result.status,
        headers=kept_headers(result) if result.headers else {},
        content_type=result.content_type,
        body=value,
        base64=base64.b64encode(body).decode() if body and value is None else None,
    )


def _readable(content_type: str | None, body: bytes) -> Any:
    """Return what a body of JSON or text says, None where it is neither, or says null."""
    bare = (content_type or "").partition(";")[0].strip().lower()
    try:
        if bare == "application/json" or bare.endswith("+json"):
            return decode_json(body)
        if bare.startswith("text/"):
            return body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    return None


def kept_headers(result: Result) -> dict[str, str]:
    """Return the headers of an answer that may rest in a store: no credentials, no cookies."""
    return {name: value for name, value in joined(result.headers).items() if not is_credential(name)}


def record_of_sync_call(
    function: Function, invocation: Invocation, stored: dict[str, Any], result: Result, times: tuple[float, float]
) -> Execution:
    """Return the record of a sync call that has ended (``record: true``); ``stored`` is its input in the form of
    funcatron.codec, ``times`` are those of its start and its end. A streamed body is not kept.
    """
    kept = stored_result(result if isinstance(result.body, bytes) else msgspec.structs.replace(result, body=b""))
    problem = None
    if not result.ok:
        problem = kept.body if isinstance(kept.body, dict) and result.failure else Problem(result.status).to_json()
    return Execution(
        id=invocation.id,
        function=function.name,
        trigger=invocation.trigger,
        queue=function.extension.queue,
        state="succeeded" if result.ok else "failed",
        attempt=1,
        input=stored,
        event=None if invocation.event is None else invocation.event.to_json(),
        headers=dict(invocation.headers),
        result=kept,
        problem=problem,
        failure=None if result.ok else (result.failure or "handler"),  # type: ignore[arg-type]
        principal=None if invocation.principal is None else msgspec.to_builtins(invocation.principal),
        project_id=None if invocation.principal is None else invocation.principal.project_id,
        created_at=times[0],
        started_at=times[0],
        ended_at=times[1],
    )
