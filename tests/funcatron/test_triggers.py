from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from funcatron.event import CloudEvent
from funcatron.ports import Trigger
from funcatron.registry import Registry, build_registry
from funcatron.settings import Settings
from funcatron.spec.document import load
from funcatron.triggers import EventTrigger, bound_triggers, subscribers
from tests.funcatron.functions import document


def event(type_: str, source: str = "/shop") -> CloudEvent:
    return CloudEvent(id="1", source=source, type=type_)


def registry(**triggers: Sequence[dict[str, Any]]) -> Registry:
    """Return a registry of functions with these triggers."""
    documents = [
        load(document(operationId=name, extension={"triggers": list(given)})) for name, given in triggers.items()
    ]
    return build_registry(documents, handlers=lambda name: lambda: None)


def names(functions: Registry, given: CloudEvent) -> list[str]:
    return [bound.function.name for bound, _ in subscribers(bound_triggers(functions, Settings()), given)]


@pytest.mark.parametrize(
    ("settings", "wanted", "unwanted"),
    [
        ({"type": "com.example.order.*"}, ["com.example.order.created", "com.example.order."], ["com.example.orders"]),
        ({"type": "a.b"}, ["a.b"], ["A.B", "a.bc", "xa.b"]),
        ({"type": "a.?"}, ["a.b"], ["a.", "a.bc"]),
        ({}, ["anything"], []),
    ],
)
def test_types_are_shell_patterns(settings: dict[str, Any], wanted: list[str], unwanted: list[str]) -> None:
    trigger = EventTrigger(function="f", settings=settings, config=Settings())
    assert all(trigger.matches(event(name)) for name in wanted)
    assert not any(trigger.matches(event(name)) for name in unwanted)


def test_sources_are_too() -> None:
    trigger = EventTrigger(function="f", settings={"type": "t", "source": "/shop/*"}, config=Settings())
    assert trigger.matches(event("t", "/shop/1"))
    assert not trigger.matches(event("t", "/shop"))
    assert trigger.describe() == "event t from /shop/*"
    assert EventTrigger(function="f", settings={"type": "t"}, config=Settings()).describe() == "event t"


def test_an_event_trigger_is_a_trigger() -> None:
    trigger = EventTrigger(function="f", settings={}, config=Settings())
    assert isinstance(trigger, Trigger)
    assert EventTrigger.check({}) == []
    trigger.start(lambda given: None)
    trigger.stop()


def test_every_function_that_wants_an_event_gets_it_once() -> None:
    functions = registry(
        one=[{"event": {"type": "a.*"}}, {"event": {"type": "a.b"}}],
        two=[{"event": {"type": "a.b"}}],
        three=[{"event": {"type": "c"}}],
        four=[{"schedule": {"cron": "* * * * *"}}],
    )
    assert names(functions, event("a.b")) == ["one", "two"]
    assert names(functions, event("a.c")) == ["one"]
    assert names(functions, event("x")) == []


def test_the_first_trigger_that_matches_gives_its_mapping() -> None:
    functions = registry(f=[{"event": {"type": "a", "input": {"q": 1}}}, {"event": {"type": "*", "input": {"q": 2}}}])
    bound = bound_triggers(functions, Settings())
    assert [dict(next(subscribers(bound, event(name)))[0].mapping) for name in ("a", "b")] == [{"q": 1}, {"q": 2}]


def test_triggers_know_their_place_and_are_not_started() -> None:
    functions = registry(f=[{"event": {"type": "a"}}, {"schedule": {"cron": "1 2 * * *", "input": {"x": 1}}}])
    bound = bound_triggers(functions, Settings())
    assert [(one.function.name, one.index, one.kind) for one in bound] == [("f", 0, "event"), ("f", 1, "schedule")]
    assert [dict(one.mapping) for one in bound] == [{}, {"x": 1}]
    assert bound[1].trigger.describe().startswith("schedule 1 2 * * *")
