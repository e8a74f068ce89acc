"""The trigger itself: its settings, and events that were posted to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from funcatron.app import Funcatron
from funcatron.errors import SpecError
from funcatron.event import CloudEvent
from funcatron.ports import Receiver, Trigger
from funcatron.settings import Settings
from funcatron_openstack.rgw import read_events
from funcatron_openstack.swift import SwiftTrigger
from tests.funcatron_openstack.test_rgw import record
from tests.funcatron_openstack.test_watch import Box


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path))


def made(config: Settings, **settings: Any) -> SwiftTrigger:
    return SwiftTrigger(function="f", settings={"container": "mybucket1", **settings}, config=config)


def test_it_is_a_trigger(config: Settings) -> None:
    trigger = made(config, prefix="raw/", suffix=[".jpg", ".png"], actions=["created", "deleted"])
    assert isinstance(trigger, Trigger)
    assert isinstance(trigger, Receiver)
    assert trigger.describe() == "swift mybucket1 created or deleted from raw/ to .jpg, .png"
    trigger.stop()


def test_mistakes_in_settings() -> None:
    assert SwiftTrigger.check({"container": "a"}) == []
    (mistake,) = SwiftTrigger.check({"container": "a/b"})
    assert "no slash" in mistake
    (mistake,) = SwiftTrigger.check({"container": "a", "notifications": "localhost"})
    assert "a broker's URL" in mistake


OBJECT = {"name": "object", "in": "query", "required": True, "schema": {"type": "string", "pattern": "^raw/"}}
NAME = {"name": "fileName", "in": "query", "required": True, "schema": {"type": "string"}}
SIZE = {"name": "size", "in": "query", "required": True, "schema": {"type": "integer"}}


@pytest.mark.parametrize(
    ("parameters", "settings", "missing"),
    [
        ([OBJECT, SIZE], {}, None),
        ([OBJECT, NAME], {}, "/query/fileName"),
        ([OBJECT, NAME], {"input": {"fileName": "$event#/data/metadata/name"}}, None),
        ([{**NAME, "schema": {"type": "string", "default": "x"}}, {**NAME, "name": "b", "required": False}], {}, None),
        ([SIZE], {"actions": ["created", "deleted"]}, None),
        ([SIZE], {"actions": ["deleted"]}, "/query/size"),
    ],
)
def test_a_parameter_that_no_event_can_fill_is_a_mistake(
    parameters: list[dict[str, Any]], settings: dict[str, Any], missing: str | None
) -> None:
    extension = {"triggers": [{"swift": {"container": "photos", **settings}}]}
    described = {"operationId": "f", "parameters": parameters, "x-funcatron": extension}
    webhooks = {"photo": {"post": {**described, "responses": {"200": {"description": "ok"}}}}}
    document = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}, "x-webhooks": webhooks}

    def bound() -> None:
        _ = Funcatron(document, handlers={"f": lambda **given: None}).registry

    if missing is None:
        bound()
        return
    with pytest.raises(SpecError) as raised:
        bound()
    (mistake,) = raised.value.mistakes
    assert mistake.message.startswith(f"this swift can never call f: {missing} is required; its data have account, ")
    assert mistake.pointer == "/x-webhooks/photo/post/x-funcatron/triggers/0/swift"


def test_what_may_surprise(config: Settings) -> None:
    assert made(Settings(notifications="amqp://host//")).warnings() == []
    (said,) = made(config, poll=5).warnings()
    assert "every 5 s" in said
    (said,) = made(config, notifications="amqp://h", writes="mybucket1").warnings()
    assert "writes into mybucket1" in said
    assert made(config, notifications="amqp://h", writes=["other"]).warnings() == []


def test_other_events_are_none_of_its_own(config: Settings) -> None:
    trigger = made(config, suffix=".jpg")
    assert trigger.receive(CloudEvent(id="1", source="/s", type="t", data={"Records": 3})) == []
    (other,) = read_events({"Records": [record("ObjectCreated:Put", "a.png")]}) or []
    assert trigger.receive(other) == []  # nobody was asked: there is no cloud


def test_what_ceph_posts_is_asked_for_and_not_kept(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box()
    box.name = "mybucket1"
    trigger = made(config)
    trigger._watch.container = trigger._container = box  # type: ignore[assignment]
    (posted,) = read_events({"Records": [record("ObjectCreated:Put")]}) or []
    assert trigger.receive(posted) == []  # it is not there
    box.put("myimage1.jpg", headers={"X-Timestamp": "9999999999.00000"})
    (first,) = trigger.receive(posted)
    assert first.type == "org.openstack.swift.object.created"
    assert first.data["object"] == "myimage1.jpg"
    assert [event.id for event in trigger.receive(posted)] == [first.id]
    trigger.stop()
