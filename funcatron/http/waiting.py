"""Waiting for an execution's end, and the answer that it came to."""

from __future__ import annotations

import asyncio
import time

from starlette.types import Receive

from funcatron.codec import encode_json
from funcatron.errors import PROBLEM_JSON, Problem
from funcatron.execution import Execution, StoredResult
from funcatron.http.respond import problem_result
from funcatron.http.stream import until_disconnect
from funcatron.invocation import Result
from funcatron.ports import ExecutionStore

__all__ = ["answer_of", "result_of", "wait_for_end"]

FIRST_DELAY = 0.005
LONGEST_DELAY = 0.25


async def wait_for_end(store: ExecutionStore, execution: Execution, seconds: float, receive: Receive) -> Execution:
    """Return the record once it has ended, or as it is after ``seconds``, or when the client has gone away.

    The store is asked in a thread, soon at first and then ever more rarely. Raises Unavailable.
    """
    until = time.monotonic() + seconds
    delay = FIRST_DELAY
    gone = asyncio.create_task(until_disconnect(receive))
    try:
        while not execution.ended and (left := until - time.monotonic()) > 0 and not gone.done():
            await asyncio.wait({gone}, timeout=min(delay, left))
            delay = min(delay * 1.5, LONGEST_DELAY)
            found = await asyncio.to_thread(store.get, execution.id)
            execution = found or execution
        return execution
    finally:
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)


def result_of(execution: Execution) -> Result:
    """Return the answer of an execution that has ended: the handler's own status, headers and body.

    A failure answers with its problem, a cancelled or expired execution with 409.
    """
    if execution.result is not None:
        return answer_of(execution.result)
    problem = execution.problem
    if problem is not None:
        return Result(status=problem.get("status", 500), body=encode_json(problem), content_type=PROBLEM_JSON)
    return problem_result(Problem(409, detail=f"the execution was {execution.state} and has no result"))


def answer_of(stored: StoredResult) -> Result:
    """Return the answer that a store has kept."""
    return Result(
        status=stored.status, headers=stored.headers, body=stored.to_bytes(), content_type=stored.content_type
    )
