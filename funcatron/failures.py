"""What an exception means: whatever a handler, a service or a middleware raises has one Result, made here.

Who raised it is told what went wrong only where that was meant for them (a Problem); the log has the rest.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from funcatron.calls import Cancelled
from funcatron.codec import encode_json
from funcatron.errors import (
    PROBLEM_JSON,
    SEE_LOG,
    FuncatronError,
    InvalidInput,
    Problem,
    Retry,
    StoreUnavailable,
    TimeLimitExceeded,
    Unavailable,
)
from funcatron.invocation import Result
from funcatron.loading import refused_by_schema
from funcatron.replies import InvalidReply
from funcatron.types import Arguments

__all__ = ["Exit", "ended", "refusal"]

logger = logging.getLogger("funcatron.invoker")


class Exit(Exception):
    """A handler asked the interpreter to exit; that ends the invocation, not the process."""

    def __init__(self, code: object) -> None:
        super().__init__(f"the handler called sys.exit({code!r})")


def ended(error: BaseException, call: str, function: str, arguments: Arguments) -> Result:
    """Return what an exception means: it ends the call, whatever its class; a cancellation from outside goes on."""
    if isinstance(error, Exception):
        raised = error
    elif isinstance(error, SystemExit):
        raised = Exit(error.code)
    elif isinstance(error, asyncio.CancelledError):
        if _is_from_outside(error):
            raise error
        raised = RuntimeError("the handler was cancelled from inside")
    else:
        raised = RuntimeError(f"the handler raised {type(error).__name__}, which is no Exception")
        raised.__cause__ = error
    raised = refused_by_schema(raised, arguments.values()) or raised
    return refusal(raised, call, function)


def _is_from_outside(error: asyncio.CancelledError) -> bool:
    if isinstance(error, Cancelled):
        return True
    try:
        task = asyncio.current_task()
    except RuntimeError:  # there is no loop, so nobody could
        return False
    return task is None or bool(task.cancelling())


def refusal(error: Exception, execution_id: str, function: str) -> Result:
    """Return the Result that an exception means, problem+json for its body; looked up along the class's mro."""
    kind = type(error)
    answer = _ANSWERS.get(kind) or next((_ANSWERS[cls] for cls in kind.__mro__ if cls in _ANSWERS), _unforeseen)
    problem, failure, retry_after = answer(error, execution_id, function)
    headers = dict(problem.headers)
    if retry_after is not None and "retry-after" not in {name.lower() for name in headers}:
        headers["Retry-After"] = str(max(0, math.ceil(retry_after)))
    members = problem.to_json()  # the Problem itself may be raised again: it is not changed
    if problem.status >= 500:
        members.setdefault("execution", execution_id)
    try:
        body = encode_json(members)
    except TypeError as error_of_json:
        logger.error("%s: a Problem does not serialise: %s", function, error_of_json)
        members = {name: _readable(members[name]) for name in ("type", "title", "status", "detail") if name in members}
        body = encode_json(members)
    return Result(
        value=members,
        status=problem.status,
        headers=headers,
        body=body,
        content_type=PROBLEM_JSON,
        failure=failure,
        retry_after=retry_after,
    )


Answer = tuple[Problem, str, float | None]


def _problem(error: Problem, execution_id: str, function: str) -> Answer:
    return error, "handler", _seconds(error.headers)


def _invalid(error: InvalidInput, execution_id: str, function: str) -> Answer:
    return error, "invalid", None


def _retry(error: Retry, execution_id: str, function: str) -> Answer:
    return Problem(503, detail=error.detail or f"{function} asks to be called again later"), "handler", error.after


def _exit(error: Exit, execution_id: str, function: str) -> Answer:
    logger.error("%s: %s (execution %s)", function, error, execution_id)
    return Problem(500, detail=f"{function} asked the process to exit; only this call was ended"), "handler", None


def _timeout(error: TimeLimitExceeded, execution_id: str, function: str) -> Answer:
    logger.warning("%s: timed out (execution %s)", function, execution_id)
    return Problem(504, "Timeout", f"{function} did not end in its time"), "timeout", None


def _reply(error: InvalidReply, execution_id: str, function: str) -> Answer:
    logger.error("%s: %s (execution %s)", function, error, execution_id, exc_info=error.__cause__)
    errors = [{"pointer": v.pointer, "message": v.message} for v in error.violations]
    problem = Problem(500, "Invalid response", f"{function}: {error}")
    if errors:
        problem.extensions["errors"] = errors
    return problem, "handler", None


def _unavailable(error: Unavailable, execution_id: str, function: str) -> Answer:
    logger.error("%s: %s (execution %s)", function, error, execution_id)
    return Problem(503, detail=str(error)), "infrastructure", error.retry_after


def _store(error: StoreUnavailable, execution_id: str, function: str) -> Answer:
    logger.error("%s: %s (execution %s)", function, error, execution_id)
    return Problem(503, detail=f"the store is out of reach; {SEE_LOG}"), "infrastructure", error.retry_after


def _wiring(error: FuncatronError, execution_id: str, function: str) -> Answer:
    logger.error("%s: %s (execution %s)", function, error, execution_id, exc_info=error)
    return Problem(500, detail=str(error)), "infrastructure", None


def _unforeseen(error: Exception, execution_id: str, function: str) -> Answer:
    foreign = _foreign_problem(error)
    if foreign is not None:
        return foreign, "handler", _seconds(foreign.headers)
    logger.error("%s failed (execution %s)", function, execution_id, exc_info=error)
    return Problem(500, detail=f"{function} failed; {SEE_LOG}"), "handler", None


def _foreign_problem(error: Exception) -> Problem | None:
    """Read what a handler written for connexion (ProblemException) or starlette (HTTPException) raises."""
    status = getattr(error, "status", None) or getattr(error, "status_code", None)
    if not isinstance(status, int) or not hasattr(error, "detail") or not 400 <= status <= 599:
        return None
    headers = getattr(error, "headers", None)
    problem = Problem(
        status,
        getattr(error, "title", None),
        getattr(error, "detail", None),
        type=getattr(error, "type", None) or "about:blank",
        headers=headers if isinstance(headers, Mapping) else None,
    )
    extensions = getattr(error, "ext", None)
    problem.extensions = dict(extensions) if isinstance(extensions, Mapping) else {}
    if isinstance(instance := getattr(error, "instance", None), str):
        problem.extensions["instance"] = instance
    return problem


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Return the Retry-After of a refusal in seconds (RFC 9110, section 10.2.3); a date is left to the policy."""
    value = next((item for name, item in headers.items() if name.lower() == "retry-after"), "")
    value = value.strip()
    return float(value) if value.isascii() and value.isdigit() else None


def _readable(member: Any) -> Any:
    return member.encode("utf-8", "backslashreplace").decode() if isinstance(member, str) else member


_ANSWERS: dict[type, Callable[[Any, str, str], Answer]] = {
    InvalidInput: _invalid,
    Problem: _problem,
    Retry: _retry,
    TimeLimitExceeded: _timeout,
    InvalidReply: _reply,
    Exit: _exit,
    StoreUnavailable: _store,
    Unavailable: _unavailable,
    FuncatronError: _wiring,
}
