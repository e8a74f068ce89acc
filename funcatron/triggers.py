"""Triggers: which functions an event is for, and the sources that are listened to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from funcatron import plugins
from funcatron.event import STRUCTURED, CloudEvent
from funcatron.ports import Channel, Form, Publish, Receiver, Trigger
from funcatron.registry import Function, Registry
from funcatron.settings import Settings

__all__ = ["BoundTrigger", "EventTrigger", "bound_triggers", "subscribers"]


@dataclass(frozen=True, slots=True)
class BoundTrigger:
    """One trigger of one function; ``index`` is its place in the function's list."""

    function: Function
    index: int
    kind: str
    trigger: Trigger
    mapping: Mapping[str, Any]

    @property
    def pointer(self) -> str:
        """Where in its document it stands."""
        return self.function.extension.triggers[self.index].pointer

    def warnings(self) -> Sequence[str]:
        """Return what may surprise, in words, where the trigger has a method of this name; see ports.Trigger."""
        said: Sequence[str] = getattr(self.trigger, "warnings", tuple)()
        return said


class EventTrigger:
    """CloudEvents posted to the events door: ``event: {type: com.example.order.*, source: /shop}``.

    ``type``, ``source`` and ``subject`` are shell patterns; what is not given matches all.
    """

    kind = "event"

    def __init__(self, *, function: str, settings: Mapping[str, Any], config: Settings) -> None:
        self.function = function
        self.type = settings.get("type", "*")
        self.source = settings.get("source", "*")
        self.subject = settings.get("subject", "*")

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """See funcatron.ports.Trigger."""
        return []

    def describe(self) -> str:
        """See funcatron.ports.Trigger."""
        source = f" from {self.source}" if self.source != "*" else ""
        return f"event {self.type}{source}" + (f" about {self.subject}" if self.subject != "*" else "")

    def matches(self, event: CloudEvent) -> bool:
        """Return whether this event is wanted."""
        pairs = ((event.type, self.type), (event.source, self.source), (event.subject or "", self.subject))
        return all(fnmatchcase(value, pattern) for value, pattern in pairs)

    def receive(self, event: CloudEvent) -> Sequence[CloudEvent]:
        """See funcatron.ports.Receiver."""
        return [event] if self.matches(event) else []

    def channel(self) -> Channel:
        """See funcatron.ports.Described."""
        patterns = {"type": self.type, "source": self.source, "subject": self.subject}
        attributes = {name: _matching(pattern) for name, pattern in patterns.items() if pattern != "*"}
        return Channel(
            address="/events",
            url=None,
            forms=[Form(name="event", content_type=STRUCTURED, attributes=attributes)],
            operation={"http": {"method": "POST"}},
        )

    def start(self, publish: Publish) -> None:
        """Nothing listens: the events door publishes."""

    def stop(self) -> None:
        """Nothing to end."""


def _matching(pattern: str) -> dict[str, str]:
    """Return the JSON Schema of what a shell pattern matches."""
    if not re.search(r"[*?[]", pattern):
        return {"const": pattern}
    classes = re.split(r"(\[!?\]?[^]]*\])", pattern)
    signs = {"*": ".*", "?": "."}
    parts = [
        part.replace("\\", r"\\").replace("[!", "[^", 1)
        if at % 2
        else "".join(signs.get(sign, re.escape(sign)) for sign in part)
        for at, part in enumerate(classes)
    ]
    return {"pattern": f"^{''.join(parts)}$"}


def bound_triggers(registry: Registry, config: Settings, of: type[Any] = object) -> list[BoundTrigger]:
    """Make every trigger of every function, or those of one class, none of them started."""
    return [
        BoundTrigger(
            function,
            index,
            binding.kind,
            kind(function=function.name, settings={"index": index, **binding.settings}, config=config),
            binding.settings.get("input", {}),
        )
        for function in registry
        for index, binding in enumerate(function.extension.triggers)
        if issubclass(kind := plugins.load("funcatron.triggers", binding.kind), of)
    ]


def subscribers(bound: Iterable[BoundTrigger], event: CloudEvent) -> Iterator[tuple[BoundTrigger, CloudEvent]]:
    """Yield the triggers that an event concerns, each with what it is to them; to a function it is the same once.

    Raises Unavailable, see funcatron.ports.Receiver.
    """
    seen: set[tuple[str, str, str]] = set()
    for item in bound:
        if isinstance(item.trigger, Receiver):
            for received in item.trigger.receive(event):
                if (key := (item.function.name, received.source, received.id)) not in seen:
                    seen.add(key)
                    yield item, received
