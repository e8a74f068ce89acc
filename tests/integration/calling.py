"""The conformance functions behind real doors: ``funcatron run``, a Celery client, a kombu producer, a clock."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from funcatron.app import Funcatron
from funcatron.testing.doors import Outcome, decode
from funcatron.testing.requests import build_request
from tests.integration.running import Program, running, until
from tests.integration.talking import CeleryClient, Talk, talking

__all__ = ["ALL", "CASES", "LATER", "Call", "Doors", "Outcome", "by_schedule", "real_calls", "real_doors", "tick_of"]

CONFORMANCE = Path(__file__).parents[1] / "conformance"
HERE = Path(__file__).parent / "doors"
LATER = ("async", "celery", "queue")
ORDER_ID = "0b9e2a4c-55f9-4c3c-8a53-1c5a6f6a3f10"


def conformance_cases() -> list[tuple[str, dict[str, Any], int]]:
    """Return the cases of tests/conformance."""
    sys.path.insert(0, str(CONFORMANCE))
    try:
        spec = importlib.util.spec_from_file_location("conformance_cases", CONFORMANCE / "test_every_door.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(CONFORMANCE))
    cases: list[tuple[str, dict[str, Any], int]] = module.CASES
    return cases


CASES = [
    *conformance_cases(),
    ("functions.with_service", {"outcome": "good"}, 200),
    ("functions.with_service", {"outcome": "bad"}, 422),
    ("functions.both", {"orderId": ORDER_ID, "dryRun": False, "body": {"name": "ü" * 10_000, "count": 1}}, 200),
]
FLAKY = ("functions.flaky", {"key": "k"}, 200)
ALL = [*CASES, FLAKY]


@dataclass(slots=True)
class Call:
    """What a call through one door came to, and what its handler was given, attempt by attempt."""

    outcome: Outcome
    seen: list[dict[str, Any]] = field(default_factory=list)
    record: dict[str, Any] | None = None


def by_schedule(number: int) -> bool:
    """Whether a clock may call so: what does not fit is refused at load, and a tick always has data."""
    function, arguments, status = ALL[number]
    return (status != 400 or function == "functions.refuse") and (bool(arguments) or function != "functions.body")


def derived() -> dict[str, Any]:
    """Return the conformance document with a queue for each function and a schedule for each case.

    The clock ticks thrice, in the minutes that come next.
    """
    next_minutes = [str((datetime.now(UTC) + timedelta(minutes=m)).minute) for m in (1, 2, 3)]
    cron = f"{','.join(next_minutes)} * * * *"
    document: dict[str, Any] = yaml.safe_load((CONFORMANCE / "openapi.yaml").read_text())
    for item in document["paths"].values():
        for method in ("get", "post", "put"):
            if (operation := item.get(method)) is not None:
                own = operation.setdefault("x-funcatron", {})
                own["triggers"] = [{"queue": queue_of(operation, item)}, *schedules_of(operation, cron)]
    return document


def queue_of(operation: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    queue = {"name": "calls." + operation["operationId"]}
    if "requestBody" in operation and (operation.get("parameters") or item.get("parameters")):
        return {**queue, "input": {"body": "$event#/data/body"}}
    return queue


def schedules_of(operation: Mapping[str, Any], cron: str) -> list[dict[str, Any]]:
    return [
        {"schedule": {"cron": cron, "input": arguments}}
        for number, (function, arguments, _) in enumerate(ALL)
        if function == operation["operationId"] and by_schedule(number)
    ]


class Doors:
    """The running application, and what calls it."""

    def __init__(self, program: Program, broker: str, client: CeleryClient, producer: Talk) -> None:
        self.program = program
        self.broker = broker
        self.client = client
        self.producer = producer
        self.registry = Funcatron(program.folder / "openapi.json", handlers=lambda name: lambda **given: None).registry

    def seen(self) -> list[dict[str, Any]]:
        """Return every note of a handler's call so far."""
        lines = (self.program.folder / "seen").read_text().splitlines()
        return [line for line in map(json.loads, lines) if "id" in line]

    def send(self, number: int, headers: Mapping[str, str]) -> Any:
        function, arguments, _ = ALL[number]
        request = build_request(self.registry.get(function), arguments)
        given = {name: value.encode("utf-8") for name, value in {**request.headers, **headers}.items()}
        return self.program.http.request(request.method, request.target, headers=given, content=request.content)

    def call_now(self, number: int) -> Call:
        """Call over HTTP and take the answer."""
        before = len(self.seen())
        answer = self.send(number, {})
        seen = [line for line in self.seen()[before:] if line["trigger"] == "http"]
        return Call(outcome_of(answer), seen)

    def call_later(self, number: int) -> str | Call:
        """Call over HTTP, to be answered later: the execution's id, or what came of it at once: it was refused, or it
        carries what may not be kept.
        """
        before = len(self.seen())
        answer = self.send(number, {"Prefer": "respond-async"})
        if answer.status_code == 202:
            return str(answer.json()["id"])
        return Call(outcome_of(answer), [line for line in self.seen()[before:] if line["trigger"] == "http"])

    def call_by_celery(self, number: int) -> str:
        function, arguments, _ = ALL[number]
        (execution_id,) = self.client.send(self.broker, [{"name": function, "kwargs": arguments, "queue": "funcatron"}])
        return execution_id

    def call_by_message(self, number: int) -> str:
        """Put a message on the function's queue; its id becomes the event's."""
        function, arguments, _ = ALL[number]
        body = arguments["body"] if set(arguments) == {"body"} else (arguments or None)
        return self.producer.say({"id": f"message-{number}", "queue": f"calls.{function}", "body": body})

    def events(self, number: int, trigger: str) -> list[dict[str, Any]]:
        return self.program.executions(function=ALL[number][0], trigger=trigger)

    def ended(self, execution_id: str) -> Call:
        """Wait for an execution and return what it came to."""
        record = self.program.ended(execution_id)
        outcome = outcome_of(self.program.http.get(record["links"]["result"]))
        return Call(outcome, [line for line in self.seen() if line["id"] == execution_id], record)


def outcome_of(answer: Any) -> Outcome:
    return Outcome.of(answer.status_code, decode(answer.content, answer.headers.get("content-type")))


@pytest.fixture(scope="session")
def real_doors(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int], celery_client: CeleryClient
) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("doors")
    (folder / "openapi.json").write_text(json.dumps(derived()))
    (folder / "doors.py").write_text((HERE / "doors.py").read_text())
    (folder / "functions.py").write_text((CONFORMANCE / "functions.py").read_text())
    broker = f"sqlite:///{folder / '.funcatron' / 'funcatron.db'}"
    with ExitStack() as stack:
        program = stack.enter_context(running("run", "doors:app", "--workers", "2", folder=folder, port=free_port()))
        producer = stack.enter_context(talking("kombu_producer.py", broker, folder=folder))
        yield Doors(program, broker, celery_client, producer)


Calls = dict[str, Call]


@pytest.fixture(scope="session")
def real_calls(real_doors: Doors) -> list[Calls]:
    """Make every call through every door but the clock's; what came of each, by the case and the door's name."""
    doors = real_doors
    numbers = range(len(ALL))
    later = [doors.call_later(number) for number in numbers]
    celery = [doors.call_by_celery(number) for number in numbers]
    messages = [doors.call_by_message(number) for number in numbers]
    made: list[Calls] = [{"http": doors.call_now(number)} for number in numbers]
    for number, found in enumerate(made):
        answer = later[number]
        found["async"] = answer if isinstance(answer, Call) else doors.ended(answer)
        until(lambda n=number: known(doors, celery[n]), f"the task of {ALL[number]}")
        found["celery"] = doors.ended(celery[number])
        event = until(lambda n=number: of_message(doors, n, messages[n]), f"the message of {ALL[number]}")
        found["queue"] = doors.ended(event)
    return made


def known(doors: Doors, execution_id: str) -> bool:
    return bool(doors.program.http.get(f"/_funcatron/executions/{execution_id}").status_code == 200)


def of_message(doors: Doors, number: int, message_id: str) -> str | None:
    found = [record["id"] for record in doors.events(number, "queue") if record["event_id"] == message_id]
    assert len(found) < 2
    return found[0] if found else None


def tick_of(doors: Doors, number: int) -> Call:
    """Wait for the first tick of a case's trigger, and return what came of it."""
    function = ALL[number][0]
    before = [n for n in range(number) if ALL[n][0] == function and by_schedule(n)]
    source = f"/schedules/{function}/{1 + len(before)}"  # behind the queue

    def found() -> list[str]:
        return [record["id"] for record in doors.events(number, "schedule") if record["event_source"] == source]

    return doors.ended(until(found, f"the tick of {ALL[number]}", patience=120)[-1])
