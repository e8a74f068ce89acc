"""The doors, as a test walks through them: the same code as in production, without a server, a broker or a clock.

A Door calls a function with an input and says what came of it. These run in the test's own process; doors that go over
real sockets and real brokers have the same shape (the suite of funcatron itself has such).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import msgspec

from funcatron.app import Funcatron
from funcatron.event import CloudEvent, now
from funcatron.execution import Execution, StoredResult, new_id
from funcatron.registry import Function
from funcatron.testing.inline import MOST_ATTEMPTS, InlineDispatcher
from funcatron.testing.requests import build_request

__all__ = ["AsyncDoor", "CeleryDoor", "Door", "HTTPDoor", "Outcome", "QueueDoor", "ScheduleDoor"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to: the function's status and body (of a refusal: its problem, without what differs from call
    to call).
    """

    status: int
    body: Any = None

    @classmethod
    def of(cls, status: int, body: Any) -> Outcome:
        """Return the outcome of an answer."""
        if status >= 400 and isinstance(body, Mapping):
            body = {key: item for key, item in body.items() if key not in ("execution", "instance")}
        return cls(status, body)

    @classmethod
    def of_record(cls, record: Execution) -> Outcome:
        """Return the outcome that a record tells."""
        if record.result is not None:
            return cls.of(record.result.status, readable(record.result))
        problem = record.problem or {"status": 0, "title": record.state}
        return cls.of(int(problem.get("status", 500)), problem)


def readable(result: StoredResult) -> Any:
    """Return a stored body as ``decode`` would read it from the wire."""
    return decode(result.to_bytes(), result.content_type)


def decode(content: bytes, content_type: str | None) -> Any:
    """Return an answer's body: JSON decoded, text as str, the rest as bytes, nothing as None."""
    bare = (content_type or "").partition(";")[0]
    if not content:
        return None
    if bare == "application/json" or bare.endswith("+json"):
        return msgspec.json.decode(content)
    return content.decode() if bare.startswith("text/") else content


class Door(Protocol):
    """A way to call a function; ``later`` says whether a worker runs it, so that retries happen."""

    name: str
    later: bool

    def accepts(self, function: Function) -> bool:
        """Return whether this function may be called so."""

    async def call(self, app: Funcatron, function: Function, arguments: Mapping[str, Any]) -> Outcome:
        """Call it and wait for the end."""


async def finish(app: Funcatron) -> None:
    """Run what waits, where the dispatcher is inline; else nothing (workers do)."""
    if isinstance(app.dispatcher, InlineDispatcher):
        await app.dispatcher.run_all(app)


async def ended(app: Funcatron, execution_id: str, timeout: float = 30.0) -> Execution:
    """Return the record once the execution has ended; raises TimeoutError."""
    until = time.monotonic() + timeout
    while True:
        await finish(app)
        record = await asyncio.to_thread(app.store.get, execution_id)
        if record is not None and record.ended:
            return record
        if time.monotonic() > until:
            raise TimeoutError(f"{execution_id} is still {record.state if record else 'unknown'} after {timeout} s")
        await asyncio.sleep(0.01)


class HTTPDoor:
    """HTTP, answered at once."""

    name = "http"
    later = False
    prefer: str | None = None

    def accepts(self, function: Function) -> bool:
        """See Door."""
        return function.operation.route is not None and function.extension.mode == "sync"

    async def call(self, app: Funcatron, function: Function, arguments: Mapping[str, Any]) -> Outcome:
        """See Door."""
        answer = await self.send(app, function, arguments)
        return Outcome.of(answer.status_code, decode(answer.content, answer.headers.get("content-type")))

    async def send(self, app: Funcatron, function: Function, arguments: Mapping[str, Any]) -> httpx.Response:
        """Send the request and return the answer."""
        request = build_request(function, arguments)
        headers = request.headers | ({"Prefer": self.prefer} if self.prefer else {})
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
            return await client.request(request.method, request.target, headers=raw, content=request.content)


class AsyncDoor(HTTPDoor):
    """HTTP, answered later: 202, then the result."""

    name = "async"
    later = True
    prefer = "respond-async"

    def accepts(self, function: Function) -> bool:
        """See Door."""
        return function.operation.route is not None

    async def call(self, app: Funcatron, function: Function, arguments: Mapping[str, Any]) -> Outcome:
        """See Door."""
        answer = await self.send(app, function, arguments)
        if answer.status_code != 202:
            return Outcome.of(answer.status_code, decode(answer.content, answer.headers.get("content-type")))
        await ended(app, answer.json()["id"])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            result = await client.get(answer.headers["location"] + "/result")
        return Outcome.of(result.status_code, decode(result.content, result.headers.get("content-type")))


class CeleryDoor:
    """A Celery client's call, as a worker takes it up."""

    name = "celery"
    later = True

    def accepts(self, function: Function) -> bool:
        """See Door."""
        return True

    async def call(self, app: Funcatron, function: Function, arguments: Mapping[str, Any]) -> Outcome:
        """See Door."""
        task_id = new_id()
        await app.runner.adopt(task_id, function.name, arguments, worker="test")
        for _ in range(MOST_ATTEMPTS):
            record = app.store.get(task_id)
            if record is None or record.state != "retrying":
                break
            await app.runner.run(task_id, function.name, worker="test")
        return Outcome.of_record(await ended(app, task_id))


class QueueDoor:
    """A message on a queue, its body the arguments (or the body alone, where there is nothing else)."""

    name = "queue"
    later = True
    type = "org.funcatron.queue.message"

    def accepts(self, function: Function) -> bool:
        """See Door."""
        return True

    def event(self, function: Function, arguments: Mapping[str, Any]) -> tuple[CloudEvent, Mapping[str, Any]]:
        """Return the event and the trigger's ``input`` mapping that say the arguments."""
        mapping: dict[str, Any] = {}
        data: Any = dict(arguments) or None
        if set(arguments) == {"body"}:
            data = arguments["body"]
        elif "body" in arguments:
            mapping = {"body": "$event#/data/body"}
        return CloudEvent(id=new_id(), source="/queues/test", type=self.type, time=now(), data=data), mapping

    async def call(self, app: Funcatron, function: Function, arguments: Mapping[str, Any]) -> Outcome:
        """See Door."""
        event, mapping = self.event(function, arguments)
        records = await app.apublish(event, function=function.name, trigger=self.name, mapping=mapping)
        return Outcome.of_record(await ended(app, records[0].id))


class ScheduleDoor(QueueDoor):
    """A tick of the clock, the arguments as the trigger's ``input``."""

    name = "schedule"
    type = "org.funcatron.schedule.tick"

    def event(self, function: Function, arguments: Mapping[str, Any]) -> tuple[CloudEvent, Mapping[str, Any]]:
        """See QueueDoor."""
        tick = now()
        event = CloudEvent(
            id=new_id(),
            source=f"/schedules/{function.name}",
            type=self.type,
            time=tick,
            data={**arguments, "time": tick},
        )
        return event, dict(arguments)
