"""From hints to events, with a container that is a dict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from funcatron.errors import Problem, Unavailable
from funcatron.event import CloudEvent
from funcatron_openstack.filter import ObjectFilter
from funcatron_openstack.hint import Hint, Verb
from funcatron_openstack.known import KnownObjects
from funcatron_openstack.marks import LIMIT, Mark, headers_of
from funcatron_openstack.objects import Entry, ObjectVersion, version_of
from funcatron_openstack.poll import look, take_stock
from funcatron_openstack.rate import Rate
from funcatron_openstack.watch import Watch

ALL = ("created", "updated", "deleted")
SINCE = "1000000000.00000"
URL = "http://swift/v1/AUTH_p/photos/"


class Box:
    """A container without HTTP; time is a count of writes."""

    account = "AUTH_p"

    def __init__(self) -> None:
        self.name = "photos"
        self.objects: dict[str, ObjectVersion] = {}
        self.listed: list[Entry] | None = None
        self.time = 0
        self.heads = 0

    def put(self, name: str, content: str = "", headers: dict[str, str] | None = None) -> str:
        self.time += 1
        given = {"X-Timestamp": f"{1_000_000_000 + self.time}.00000", "Content-Length": "3", "Etag": content or name}
        self.objects[name] = version_of(name, {**given, **(headers or {})})
        return self.objects[name].timestamp

    def clock(self) -> datetime:
        return datetime.now(UTC)

    def head(self, name: str) -> ObjectVersion | None:
        self.heads += 1
        return self.objects.get(name)

    def pages(self, prefix: str = "") -> Any:
        now = [Entry(name, self.objects[name].timestamp, self.objects[name].etag) for name in sorted(self.objects)]
        found = [entry for entry in (now if self.listed is None else self.listed) if entry.name.startswith(prefix)]
        while found:
            yield found[:2]
            found = found[2:]
        yield []


class World:
    """A watch, what it watches and what it has published."""

    def __init__(self, actions: Sequence[Any] = ALL) -> None:
        self.box = Box()
        self.known = KnownObjects(None, "w")
        self.events: list[CloudEvent] = []
        self.said: list[str] = []
        self.watch = Watch(
            "f", self.box, self.known, actions, Rate(1000), wait=lambda _: False, tell=self.said.append,  # type: ignore[arg-type]
        )  # fmt: skip
        self.watch.since = self.known.begin(SINCE)

    def hint(self, name: str, *verbs: Verb, **more: Any) -> list[str]:
        """Hint at an object and return the actions that came of it."""
        before = len(self.events)
        self.watch.settle(name, [Hint(verb=verb, object=name, **more) for verb in verbs], self.events.append)
        return [event.data["action"] for event in self.events[before:]]

    def look(self) -> list[tuple[str, str]]:
        """Look into the container and return what came of it."""
        before = len(self.events)
        for found in look(self.box, self.known, ObjectFilter()):  # type: ignore[arg-type]
            for name, hint, listed in found:
                self.watch.settle(name, [hint], self.events.append, listed)
        return [(event.data["object"], event.data["action"]) for event in self.events[before:]]


@pytest.fixture
def world() -> World:
    return World()


def test_an_upload(world: World) -> None:
    world.box.put("a.jpg", headers={"Content-Type": "image/jpeg", "X-Object-Meta-By": "me"})
    assert world.hint("a.jpg", "put", transaction_id="tx1", user_id="u1") == ["created"]
    (event,) = world.events
    assert (event.source, event.subject) == ("/v1/AUTH_p/photos", "a.jpg")
    assert event.type == "org.openstack.swift.object.created"
    assert event.time == "2001-09-09T01:46:41Z"
    assert event.data == {
        "account": "AUTH_p",
        "project_id": "p",
        "container": "photos",
        "object": "a.jpg",
        "action": "created",
        "size": 3,
        "etag": "a.jpg",
        "content_type": "image/jpeg",
        "last_modified": "2001-09-09T01:46:41Z",
        "timestamp": "1000000001.00000",
        "metadata": {"by": "me"},
        "transaction_id": "tx1",
        "user_id": "u1",
    }


def test_a_version_is_one_event_however_often_it_is_hinted_at(world: World) -> None:
    world.box.put("a")
    assert world.hint("a", "put") == ["created"]
    for verbs in (["put"], ["put", "put"], ["post"], ["delete"], ["seen"], ["gone"]):
        assert world.hint("a", *verbs) == []  # type: ignore[arg-type]
    assert world.look() == []


def test_what_never_was_is_no_event(world: World) -> None:
    for verb in ("put", "post", "delete", "seen", "gone"):
        assert world.hint("forged", verb) == []  # type: ignore[arg-type]
    assert "there is no such object" in world.said[0]


def test_refused_requests_about_old_objects_are_no_event(world: World) -> None:
    world.box.objects["old"] = version_of("old", {"X-Timestamp": "0999999999.00000", "Etag": "e"})
    assert world.hint("old", "put") == []
    assert world.hint("old", "delete") == []
    world.box.put("old", "new")
    assert world.hint("old", "put") == ["created"]


def test_overwrites_metadata_and_deletes(world: World) -> None:
    world.box.put("a", "1")
    assert world.hint("a", "put") == ["created"]
    world.box.put("a", "1")
    assert world.hint("a", "post") == ["updated"]
    world.box.put("a", "1")
    assert world.hint("a", "put") == ["created"]  # the same content, but put
    world.box.put("a", "2")
    assert world.hint("a", "post") == ["created"]  # the upload's own notification comes later
    assert world.hint("a", "put") == []
    last = world.box.objects.pop("a").timestamp
    assert world.hint("a", "put", "delete") == ["deleted"]
    assert world.events[-1].data["timestamp"] == last
    assert world.hint("a", "delete") == []
    world.box.put("a", "2")
    assert world.hint("a", "delete", "put") == ["created"]
    assert len({(event.source, event.id) for event in world.events}) == len(world.events)


def test_an_event_has_the_same_identity_whoever_makes_it() -> None:
    first, second = World(), World()
    for world in (first, second):
        world.box.put("é" * 512)
    first.hint("é" * 512, "put")
    second.look()
    (one,), (other,) = first.events, second.events
    assert (one.source, one.id, one.type, one.time) == (other.source, other.id, other.type, other.time)
    assert len(one.id) < 100


def test_only_what_is_asked_for() -> None:
    world = World(actions=["deleted"])
    world.box.put("a")
    assert world.hint("a", "put") == []
    del world.box.objects["a"]
    assert world.look() == [("a", "deleted")]


def test_the_look_finds_what_nobody_told_of(world: World) -> None:
    names = [f"{n:03}" for n in range(5)]
    for name in names:
        world.box.put(name)
    assert world.look() == [(name, "created") for name in names]
    world.box.put("001", "other")
    world.box.put("002", "002")
    del world.box.objects["003"]
    world.box.put("0030")
    assert sorted(world.look()) == [("001", "created"), ("002", "updated"), ("003", "deleted"), ("0030", "created")]
    heads = world.box.heads
    assert world.look() == []
    assert world.box.heads == heads  # nothing was asked that is known
    world.box.objects.clear()
    assert sorted(world.look()) == [(name, "deleted") for name in ("000", "001", "002", "0030", "004")]
    assert world.look() == []


def test_a_listing_that_lags_makes_no_event(world: World) -> None:
    world.box.put("a")
    world.box.listed = [Entry("a", world.box.objects["a"].timestamp, "a"), Entry("b", "1000000009.00000", "b")]
    assert world.look() == [("a", "created")]  # b is listed, but not there: expired, or a link to nothing
    assert world.look() == []
    heads = world.box.heads
    world.look()
    assert world.box.heads == heads
    world.box.put("a", "2")
    assert world.hint("a", "put") == ["created"]
    assert world.look() == []  # still listed as it was
    world.box.listed = None
    assert world.look() == []


def test_what_was_there_before_is_not_new(world: World) -> None:
    world.box.objects["old"] = version_of("old", {"X-Timestamp": "0999999999.00000", "Etag": "old"})
    world.box.put("young")
    take_stock(world.box, world.known, ObjectFilter(), SINCE)  # type: ignore[arg-type]
    assert world.known.complete
    assert world.look() == [("young", "created")]
    del world.box.objects["old"]
    assert world.look() == [("old", "deleted")]


def test_folders_are_no_uploads(world: World) -> None:
    world.box.put("dir/", headers={"Content-Length": "0"})
    world.box.put("dir", headers={"Content-Length": "0", "Content-Type": "application/directory"})
    assert world.hint("dir/", "put") == []
    assert world.look() == []


def test_a_functions_own_writes_do_not_call_it(world: World) -> None:
    world.box.put("a", headers=headers_of(Mark.by("f", 1), "PUT", URL + "a"))
    assert world.look() == []
    assert world.hint("a", "put") == []
    world.box.put("b", headers=headers_of(Mark.by("another", 3), "PUT", URL + "b"))
    assert world.hint("b", "put") == ["created"]
    assert world.events[-1].extensions["generation"] == 3
    world.box.put("c", headers=headers_of(Mark.by("another", LIMIT + 1), "PUT", URL + "c"))
    assert world.hint("c", "put") == []
    del world.box.objects["b"]
    own = f"tx1-2-{Mark.by('f', 1)}"
    assert world.hint("b", "delete", transaction_id=own, user_id="u") == []
    world.box.put("d")
    assert world.hint("d", "put", transaction_id=own, user_id="u") == ["created"]  # anybody can say so


def test_what_could_not_be_published_is_tried_again(world: World) -> None:
    world.box.put("a")

    def refuse(event: CloudEvent) -> None:
        raise Unavailable

    with pytest.raises(Unavailable):
        world.watch.settle("a", [Hint(verb="put", object="a")], refuse)
    assert world.hint("a", "put") == ["created"]


def test_what_will_never_be_taken_is_not_tried_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.box.put("a")

    def refuse(event: CloudEvent) -> None:
        raise Problem(413)

    world.watch.settle("a", [Hint(verb="put", object="a")], refuse)
    assert "is refused" in caplog.text
    assert world.look() == []


def test_too_many_requests_wait() -> None:
    now = 0.0
    rate = Rate(2, clock=lambda: now)
    assert [rate.reserve() for _ in range(5)] == [0, 0, 0, 0, 0.5]
    now = 10.0
    assert rate.reserve() == 0


def test_known_objects_outlive_the_process(tmp_path: Path) -> None:
    first = KnownObjects(tmp_path / "data", "w")
    first.begin(SINCE)
    world = World()
    world.known = world.watch.known = first
    world.box.put("a")
    world.hint("a", "put")
    first.completed()
    deployment = first.deployment
    first.close()
    world.known = world.watch.known = KnownObjects(tmp_path / "data", "w")
    assert world.known.begin("2000000000.00000") == SINCE
    assert world.known.complete
    assert world.known.deployment == deployment
    assert world.look() == []
    other = KnownObjects(tmp_path / "data", "other")
    assert not other.complete
    assert other.get("a") is None
    world.known.close()
    other.close()
