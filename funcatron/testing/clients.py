"""A client for every door that is not HTTP, in the words of those who knock there.

Each gives the application what such a caller would, by the code that takes it in production. What is accepted waits
until the Bench runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from funcatron.codec import encode_input, encode_json
from funcatron.errors import InvalidInput, Problem
from funcatron.event import STRUCTURED, CloudEvent
from funcatron.execution import Execution, new_id
from funcatron.ports import Simulated
from funcatron.testing.inline import WORKER

if TYPE_CHECKING:
    from funcatron.testing.bench import Bench

__all__ = ["CeleryClient", "EventClient", "ObjectClient", "QueueClient"]


class CeleryClient:
    """A Celery application that sends tasks."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def send_task(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        task_id: str | None = None,
        countdown: float | None = None,
        eta: datetime | None = None,
        expires: float | datetime | None = None,
    ) -> str:
        """Send a task, as ``celery.Celery.send_task`` does; return its id, which is the execution's.

        ``countdown`` and ``expires`` are in seconds from now. Raises UnknownFunction, where a worker would put the
        message aside as a dead letter.
        """
        app, clock = self._bench.app, self._bench.clock
        function, task_id = app.registry.get(name), task_id or new_id()
        due = eta.timestamp() if eta is not None else None if countdown is None else clock.time() + countdown
        until = expires.timestamp() if isinstance(expires, datetime) else expires and clock.time() + expires
        if (due is not None or until is not None) and not args:
            try:
                stored = encode_input(function.binder.from_call(kwargs or {}))
            except InvalidInput:
                pass  # refused when it runs, as a worker does
            else:
                record = Execution(
                    id=task_id,
                    function=name,
                    trigger="celery",
                    queue=function.extension.queue,
                    input=stored,
                    created_at=clock.time(),
                    due_at=due,
                    expires_at=until,
                )
                self._bench.dispatcher.submit([record])
                return task_id
        given, queue = dict(kwargs or {}), function.extension.queue
        self._bench.dispatcher.put(
            lambda app: app.runner.adopt(task_id, name, given, worker=WORKER, args=args, queue=queue)
        )
        return task_id


class QueueClient:
    """A producer that sends messages to a queue."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def send(
        self,
        queue: str,
        body: Any,
        *,
        headers: Mapping[str, Any] | None = None,
        content_type: str | None = None,
        message_id: str | None = None,
    ) -> Execution:
        """Send a message to the queue of a ``queue`` trigger; return the execution that it makes.

        Bytes and text are sent as they are, a CloudEvent in structured mode, all else as JSON. Of several functions
        with this queue the first one takes it. Raises LookupError where no function has this queue, InvalidInput for
        what would become a dead letter.
        """
        sent, said = _encoded(body)
        facts = {
            "queue": queue,
            "body": sent,
            "headers": dict(headers or {}),
            "content_type": content_type or said,
            "message_id": message_id,
        }
        found = _publish(self._bench, facts, first=True)
        if not found:
            raise LookupError(f"no function takes messages from a queue {queue!r}")
        return found[0]


class EventClient:
    """Whoever posts CloudEvents to the events door."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def post(self, *events: CloudEvent | Mapping[str, Any]) -> list[Execution]:
        """Post events, several as a batch; return the executions that they make. Raises Problem for a refusal."""
        written = [event.to_json() if isinstance(event, CloudEvent) else dict(event) for event in events]
        one = len(written) == 1
        answer = self._bench.http.post(
            "/_funcatron/events",
            content=encode_json(written[0] if one else written),
            headers={
                "Content-Type": STRUCTURED if one else "application/cloudevents-batch+json",
                **self._bench.operator,
            },
        )
        if answer.status_code != 202:
            said = answer.json()
            raise Problem(answer.status_code, said.get("title"), said.get("detail"), errors=said.get("errors"))
        return [self._bench.execution(shown["id"]) for shown in answer.json()["executions"]]


class ObjectClient:
    """Whoever changes objects in a Swift container: each ``swift`` trigger that wants it has its event, as if Swift had
    been asked. Objects themselves are nowhere.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def put(self, container: str, name: str, **facts: Any) -> list[Execution]:
        """Create an object (``size``, ``etag``, ``content_type``, ``metadata``); return the executions it makes."""
        return self._change("created", container, name, facts)

    def post(self, container: str, name: str, **facts: Any) -> list[Execution]:
        """Change an object's metadata."""
        return self._change("updated", container, name, facts)

    def delete(self, container: str, name: str, **facts: Any) -> list[Execution]:
        """Delete an object."""
        return self._change("deleted", container, name, facts)

    def _change(self, action: str, container: str, name: str, facts: Mapping[str, Any]) -> list[Execution]:
        said = {"timestamp": self._bench.moment(), **facts, "container": container, "object": name, "action": action}
        return _publish(self._bench, said)


def _encoded(body: Any) -> tuple[bytes, str | None]:
    if isinstance(body, CloudEvent):
        return encode_json(body.to_json()), STRUCTURED
    if isinstance(body, bytes | str):
        return body.encode() if isinstance(body, str) else body, None
    return encode_json(body), "application/json"


def _publish(bench: Bench, facts: Mapping[str, Any], *, first: bool = False) -> list[Execution]:
    """Give the event of these facts to the triggers that they concern, as their publishing threads do."""
    made: list[Execution] = []
    for bound in bench.app.triggers:
        event = bound.trigger.simulate(facts) if isinstance(bound.trigger, Simulated) else None
        if event is not None and not (first and made):
            to, kind = bound.function.name, bound.kind
            made += bench.app.publish(event, function=to, trigger=kind, mapping=bound.mapping)
    return made
