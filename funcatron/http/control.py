"""The control API's handlers: openapi/funcatron_openapi/control.yaml, served as any other document."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from funcatron.errors import InvalidInput, Problem, TransitionError, Unavailable, UnknownFunction, Violation
from funcatron.execution import Execution, Status, rfc3339
from funcatron.http.access import CallerCheck, is_nobodys
from funcatron.http.admission import Admission
from funcatron.http.call import Call
from funcatron.http.events import read_events
from funcatron.http.following import Following, version_of
from funcatron.http.later import CONTROL, accepted, show
from funcatron.http.metrics import CONTENT_TYPE, Metrics
from funcatron.http.prefer import MAX_WAIT
from funcatron.http.projects import reach_of
from funcatron.http.waiting import result_of, wait_for_end
from funcatron.invocation import Result
from funcatron.ports import ExecutionQuery
from funcatron.registry import Function, Registry, build_registry
from funcatron.spec.cache import DocumentCache
from funcatron.spec.document import Document, load
from funcatron.streams import Stream

if TYPE_CHECKING:
    from funcatron.app import Funcatron

__all__ = ["CALL", "ControlHandlers", "control_registry"]

logger = logging.getLogger("funcatron.http")

UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Headers of events, which no proxy may keep."""
CALL = "call"
"""Where a control handler finds its Call: in ``context_``, under this name."""


def control_registry(funcatron: Funcatron, metrics: Metrics, admission: Admission) -> Registry:
    """Return the functions of the control API, bound to their handlers; no user's function is among them."""
    handlers = ControlHandlers(funcatron, metrics, admission)
    return build_registry([_document(funcatron.settings.cache_folder)], handlers=handlers.find)


@cache
def _document(cache_folder: Path | None) -> Document:
    """The description of the control API; it is the same for every application."""
    return load(Path(str(files("funcatron_openapi"))) / "control.yaml", DocumentCache.at(cache_folder))


class ControlHandlers:
    """One method for each operation, named as in the document after ``funcatron.control.``."""

    def __init__(self, funcatron: Funcatron, metrics: Metrics, admission: Admission) -> None:
        self._funcatron = funcatron
        self._metrics = metrics
        self._admission = admission
        self._callers = CallerCheck(funcatron.registry.functions)
        self._following = Following(lambda ids: funcatron.store.statuses(ids))

    def find(self, name: str) -> Callable[..., Any] | None:
        """Return the handler of an operation."""
        found: Callable[..., Any] | None = getattr(self, name.removeprefix("funcatron.control."), None)
        return found

    # Executions

    async def list_executions(
        self,
        context_: Any,
        limit: int,
        function: str | None = None,
        state: Any = None,
        trigger: str | None = None,
        since: str | None = None,
        until: str | None = None,
        marker: str | None = None,
        project_id: str | None = None,
        all_projects: bool = False,
    ) -> Any:
        """One page of records, newest first."""
        reach = reach_of(_call(context_), all_projects=all_projects)
        if reach is None:  # the document asks for a credential, so there is one
            raise Problem(403, detail="the credential is nobody's")
        query = ExecutionQuery(
            function=function,
            state=state,
            trigger=trigger,
            since=_seconds("/query/since", since),
            until=_seconds("/query/until", until),
            project_id=reach.narrowed(project_id),
            limit=limit,
            marker=marker,
        )
        if marker is not None:
            last = await self._ask(self._funcatron.store.get, marker)
            if last is None or not reach.covers(last):
                raise InvalidInput([Violation("/query/marker", "is no marker that was answered as next")])
        page, after = await self._ask(self._funcatron.store.list, query)
        root = _call(context_).root_path
        return {"executions": [show(self._funcatron, execution, root) for execution in page], "next": after}

    async def create_execution(self, body: Mapping[str, Any], context_: Any) -> Any:
        """Dispatch a call; wait for its end where that is asked for."""
        call = _call(context_)
        function = self._function(body["function"])
        with self._admission.admitted():
            execution, _ = await self._funcatron.dispatch(function, body.get("input") or {})
        self._metrics.accepted(function.name, execution.trigger)
        wait = MAX_WAIT if body.get("sync") else call.preferences.wait
        if wait is not None:
            execution = await wait_for_end(self._funcatron.store, execution, wait, call.receive)
        if execution.ended:
            return show(self._funcatron, execution, call.root_path), 200
        return accepted(self._funcatron, execution, call.root_path, {})

    async def get_execution(self, id: str, context_: Any, all_projects: bool = False) -> Any:  # noqa: A002 - its name
        """One record, with its history."""
        execution = await self._find(id, context_, all_projects)
        history = await self._ask(self._funcatron.store.attempts, execution.id)
        return show(self._funcatron, execution, _call(context_).root_path, history)

    async def get_result(self, id: str, context_: Any, all_projects: bool = False) -> Result:  # noqa: A002
        """The handler's own answer, or 202."""
        call = _call(context_)
        execution = await self._find(id, context_, all_projects)
        if call.preferences.wait is not None:
            execution = await wait_for_end(self._funcatron.store, execution, call.preferences.wait, call.receive)
        state = {"X-Funcatron-State": execution.state}
        if not execution.ended:
            return accepted(self._funcatron, execution, call.root_path, state)
        result = result_of(execution)
        return msgspec.structs.replace(result, headers={**result.headers, **state})

    async def get_logs(self, id: str, context_: Any, all_projects: bool = False) -> Any:  # noqa: A002
        """What was logged while it ran."""
        execution = await self._find(id, context_, all_projects)
        lines = await self._ask(self._funcatron.store.logs, execution.id)
        return {
            "logs": [
                {
                    "time": rfc3339(line.time),
                    "level": line.level,
                    "logger": line.logger,
                    "message": line.message,
                    "attempt": line.attempt,
                }
                for line in lines
            ]
        }

    async def follow_execution(
        self,
        id: str,  # noqa: A002
        context_: Any,
        all_projects: bool = False,
        last_event_id: str | None = None,
    ) -> Any:
        """Its progress as server-sent events, until it has ended; 204 for who has seen the end already."""
        status = Status.of(await self._find(id, context_, all_projects))
        if status.ended and last_event_id == version_of(status):
            return None, 204
        links = _call(context_).root_path + CONTROL
        events = Stream(self._following.events(status, links, last_event_id), bytes)
        return Result(body=events, headers=UNBUFFERED, content_type="text/event-stream")

    async def cancel_execution(self, id: str, context_: Any, all_projects: bool = False) -> Any:  # noqa: A002
        """Move to cancelled, and ask its worker to stop."""
        await self._find(id, context_, all_projects, to_change=True)
        cancelled = await self._change(self._funcatron.store.cancel, id)
        await self._ask(self._funcatron.dispatcher.withdraw, id)
        return show(self._funcatron, cancelled, _call(context_).root_path)

    async def redrive_execution(self, id: str, context_: Any, all_projects: bool = False) -> Result:  # noqa: A002
        """Move back to queued, and publish."""
        await self._find(id, context_, all_projects, to_change=True)
        redriven = await self._change(self._funcatron.store.redrive, id)
        try:
            await self._ask(self._funcatron.dispatcher.republish, [redriven])
        except Unavailable as error:
            logger.warning("execution %s is queued again, and published when that can be: %s", id, error)
        return accepted(self._funcatron, redriven, _call(context_).root_path, {})

    # Functions and events

    async def list_functions(self) -> Any:
        """Every function of the user's documents."""
        described: dict[str, list[dict[str, str]]] = {}
        for bound in self._funcatron.triggers:
            line = {"kind": bound.kind, "description": bound.trigger.describe()}
            described.setdefault(bound.function.name, []).append(line)
        return {"functions": [_describe(f, described.get(f.name, [])) for f in self._funcatron.registry]}

    async def get_asyncapi(self, context_: Any) -> Any:
        """What functions take by messages and events."""
        return await self._ask(_described, self._funcatron, _call(context_).root_path + CONTROL)

    async def publish_events(self, context_: Any, body: Any = None) -> Any:
        """Give each event to the functions that want it."""
        call = _call(context_)
        executions: list[Execution] = []
        with self._admission.admitted():  # one event after the other
            for event in read_events(call.headers, body):
                found = await self._funcatron.apublish(event)
                for execution in found:
                    self._metrics.accepted(execution.function, execution.trigger)
                executions += found
        return {"executions": [show(self._funcatron, execution, call.root_path) for execution in executions]}, 202

    # For those who run the server

    async def live(self) -> Any:
        """The process answers."""
        return {"status": "ok"}

    async def ready(self) -> Any:
        """The store answers; Unavailable becomes 503."""
        await self._ask(self._funcatron.store.get, "")
        return {"status": "ok"}

    async def metrics(self) -> Result:
        """Prometheus' text format."""
        return Result(body=await self._ask(_rendered, self._metrics), content_type=CONTENT_TYPE)

    # What they share

    async def _find(self, execution_id: str, context: Any, all_projects: bool, *, to_change: bool = False) -> Execution:
        """Return an execution that the caller may see, or change; raises Problem 401, 403, or 404."""
        call = _call(context)
        reach = reach_of(call, all_projects=all_projects)
        found: Execution | None = await self._ask(self._funcatron.store.get, execution_id)
        if found is None:
            raise _unknown(execution_id)
        if reach is None:
            await self._callers.admit(call, found)
        elif not reach.covers(found) and not is_nobodys(found):
            raise _unknown(execution_id)
        elif to_change and not reach.changes:
            raise Problem(403, detail="this needs the role member")
        return found

    async def _change(self, change: Callable[[str], Execution | None], execution_id: str) -> Execution:
        try:
            changed: Execution | None = await self._ask(change, execution_id)
        except TransitionError as error:
            raise Problem(409, detail=str(error)) from None
        if changed is None:
            raise _unknown(execution_id)
        return changed

    def _function(self, name: str) -> Function:
        try:
            if name in self._funcatron.registry.internal:
                raise UnknownFunction(f"no function is called {name!r}")
            return self._funcatron.registry.get(name)
        except UnknownFunction as error:
            raise InvalidInput([Violation("/body/function", str(error))]) from None

    @staticmethod
    async def _ask(blocking: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.to_thread(partial(blocking, *args))


def _call(context: Mapping[str, Any]) -> Call:
    call: Call = context[CALL]
    return call


def _rendered(metrics: Metrics) -> bytes:
    # prometheus_client takes long to import, with an HTTP server and TLS of its own; most processes are never asked.
    from funcatron.http.exposition import render

    return render(metrics)


def _described(funcatron: Funcatron, control: str) -> dict[str, Any]:
    from funcatron.asyncapi import describe  # most processes are never asked

    return describe(funcatron.registry, funcatron.triggers, funcatron.settings, control=control)


def _unknown(execution_id: str) -> Problem:
    return Problem(404, detail=f"there is no execution {execution_id}")


def _seconds(pointer: str, text: str | None) -> float | None:
    """Return an RFC 3339 time in seconds since the epoch."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise ValueError("it has no offset from UTC")
        return time.timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidInput([Violation(pointer, f"{text!r} is not an RFC 3339 time: {error}")]) from None


def _describe(function: Function, triggers: list[dict[str, str]]) -> dict[str, Any]:
    operation = function.operation
    return {
        "name": function.name,
        "summary": operation.summary,
        "tags": list(operation.tags),
        "method": operation.method,
        "route": operation.route,
        "mode": operation.mode,
        "queue": operation.extension.queue,
        "timeout": operation.extension.timeout,
        "async_timeout": operation.extension.async_timeout,
        "concurrency": operation.extension.concurrency,
        "ordering": operation.extension.ordering,
        "handler": function.handler_name,
        "document": operation.document.source,
        "triggers": triggers,
    }
