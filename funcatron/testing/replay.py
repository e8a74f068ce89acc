"""Replay: what was recorded is run again, in this process, and what it comes to is held against what it came to then.

What can be replayed is what funcatron writes: executions as the control API and ``funcatron executions show --json``
show them, and CloudEvents in their JSON form, as the events door takes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from funcatron.app import Funcatron
from funcatron.codec import decode_input
from funcatron.errors import FuncatronError, InvalidInput
from funcatron.event import CloudEvent, now
from funcatron.execution import ENDED, Execution, new_id
from funcatron.records import record_of_call
from funcatron.redact import MASK
from funcatron.registry import Function
from funcatron.testing.doors import AsyncDoor, CeleryDoor, Door, HTTPDoor, QueueDoor, ended
from funcatron.testing.inline import InlineDispatcher

__all__ = ["REPLAY_DOORS", "Difference", "Recorded", "Replayed", "read_recorded", "replay"]

REPLAY_DOORS: Mapping[str, Door] = {door.name: door for door in (HTTPDoor(), AsyncDoor(), CeleryDoor(), QueueDoor())}
TYPES = {"queue": "org.funcatron.queue.message", "schedule": "org.funcatron.schedule.tick"}
"""The types of events that a record's trigger tells; of others only source and id are on show."""
WITHOUT_EVENT = frozenset({"http", "async", "celery"})
COMPARED = ("state", "result", "problem")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call that was recorded: ``shown`` is its execution as it was shown, or ``event`` what was posted."""

    place: str
    shown: Mapping[str, Any] | None = None
    event: CloudEvent | None = None

    @property
    def masked(self) -> bool:
        """Whether its input is not what it was: something in it was redacted."""
        return self.shown is not None and MASK in json.dumps(self.shown.get("input"))


@dataclass(frozen=True, slots=True)
class Difference:
    """One place (a JSON Pointer into the execution) where then and now differ; None where there is nothing."""

    pointer: str
    then: Any
    now: Any


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a recorded call came to: the execution ``now``, and how it differs where there is something to compare."""

    recorded: Recorded
    function: str
    now: Mapping[str, Any]
    differences: Sequence[Difference] = ()

    @property
    def ok(self) -> bool:
        """Whether it came to the same, or, with nothing to compare, whether it succeeded."""
        compared = self.recorded.shown is not None and self.recorded.shown.get("state") in ENDED
        return not self.differences if compared else self.now["state"] == "succeeded"


def read_recorded(path: str | Path) -> list[Recorded]:
    """Read a file: one JSON value (an execution, an event, a list of them, a page of the control API) or one a line.

    Raises FuncatronError with the place of what is neither an execution nor a CloudEvent, or no JSON.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FuncatronError(f"{path} cannot be read: {error}") from None
    try:
        return list(_recorded(json.loads(text), str(path)))
    except json.JSONDecodeError as whole:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
        found: list[Recorded] = []
        for number, line in lines:
            try:
                found += _recorded(json.loads(line), f"{path}:{number}")
            except json.JSONDecodeError as error:
                said = whole if number == lines[0][0] else error  # one value over several lines
                raise FuncatronError(f"{path}:{number}: this is not JSON: {said}") from None
        return found


async def replay(
    app: Funcatron, recorded: Recorded, *, door: str | None = None, function: str | None = None
) -> list[Replayed]:
    """Run a recorded call to its end, by handlers that do what they do; an event once for each function that takes it.

    ``app`` has an InlineDispatcher; retries come at once. An execution is run as a worker would run it from its record,
    or through ``door`` (REPLAY_DOORS); ``function`` is called in place of the recorded one. Raises UnknownFunction, and
    InvalidInput for an input that no call of the function can have.
    """
    if recorded.event is not None:
        made = await app.apublish(recorded.event, function=function)
        if not made:
            raise FuncatronError(f"{recorded.place}: no function takes events of the type {recorded.event.type!r}")
        return [Replayed(recorded, one.function, app.show(await ended(app, one.id))) for one in made]
    shown = recorded.shown or {}
    found = app.registry.get(function or str(shown["function"]))
    arguments = decode_input(shown["input"])
    if door is None:
        result = app.show(await _as_recorded(app, found, shown, arguments))
    else:
        outcome = await REPLAY_DOORS[door].call(app, found, arguments)
        good = 0 < outcome.status < 400
        answered = {"result": outcome.body if good else None, "problem": None if good else outcome.body}
        result = {"state": "succeeded" if good else "failed", **answered}
    differences = list(_compared(shown, result)) if shown.get("state") in ENDED else []
    return [Replayed(recorded, found.name, result, differences)]


async def _as_recorded(
    app: Funcatron, function: Function, shown: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Execution:
    """Run a record like the one that is shown, under its id unless that was run here already."""
    if not isinstance(app.dispatcher, InlineDispatcher):
        raise TypeError("an application for replays has an InlineDispatcher")
    trigger, event = str(shown.get("trigger", "async")), None
    if trigger not in WITHOUT_EVENT:
        event = CloudEvent(
            id=str(shown.get("event_id") or new_id()),
            source=str(shown.get("event_source") or "/replays"),
            type=TYPES.get(trigger, "org.funcatron.replay"),
            time=shown.get("created_at") or now(),
            data=arguments.get(function.binder.body_argument or "", dict(arguments)),
        ).to_record(arguments)
    record = record_of_call(function, arguments, trigger, app.settings.max_message, now=app.clock.time(), event=event)
    given = shown.get("id")
    if isinstance(given, str) and app.store.get(given) is None:  # a handler may answer with it, or store by it
        record = msgspec.structs.replace(record, id=given)
    app.dispatcher.submit([record])
    return await ended(app, record.id)


def _recorded(value: Any, place: str) -> Iterator[Recorded]:
    if isinstance(value, Mapping) and isinstance(value.get("executions"), list):
        value = value["executions"]
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _recorded(one, f"{place}[{number}]")
    elif isinstance(value, Mapping) and "specversion" in value:
        try:
            yield Recorded(place, event=CloudEvent.from_json(value))
        except InvalidInput as error:
            raise FuncatronError(f"{place}: this is no CloudEvent: {error}") from None
    elif isinstance(value, Mapping) and isinstance(value.get("input"), Mapping) and "function" in value:
        yield Recorded(place, shown=value)
    else:
        raise FuncatronError(f"{place}: this is neither an execution nor a CloudEvent")


def _compared(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for part in COMPARED:
        yield from _differences(f"/{part}", _lasting(then.get(part)), _lasting(now.get(part)))


def _lasting(value: Any) -> Any:
    """Return a problem without what differs from call to call."""
    if isinstance(value, Mapping) and {"title", "status"} <= value.keys():
        return {key: item for key, item in value.items() if key not in ("execution", "instance")}
    return value


def _differences(pointer: str, then: Any, now: Any) -> Iterator[Difference]:
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*then, *now]):
            escaped = str(key).replace("~", "~0").replace("/", "~1")
            yield from _differences(f"{pointer}/{escaped}", then.get(key), now.get(key))
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for at, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from _differences(f"{pointer}/{at}", one, other)
    elif then != now or isinstance(then, bool) != isinstance(now, bool):
        yield Difference(pointer, then, now)
