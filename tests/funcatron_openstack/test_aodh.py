"""Alarms as Aodh has really posted them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from funcatron.errors import InvalidInput
from funcatron_openstack.aodh import event_of_alarm, read_events
from funcatron_openstack.hint import Hint, Malformed
from funcatron_openstack.sources import hints_of_event, read_hints
from tests.funcatron_openstack.test_notifications import CAPTURED, captured

PLAIN, _TRUSTED, REAL_CONTAINER, REAL_OBJECT = json.loads((CAPTURED / "aodh.json").read_text())


def test_an_alarm_about_an_object_is_a_hint() -> None:
    assert read_hints(PLAIN) == [
        Hint(verb="put", account="AUTH_2d043e93a46a4877a245116a0824b003", container="mybox", object="hello.txt")
    ]
    assert read_hints(REAL_OBJECT) == [
        Hint(
            verb="put",
            account="AUTH_db9b0a36cd1c48b4befe95399991b705",
            container="mybox",
            object="photos/cat.jpg",
            user_id="a6caeca0246a49d385a120ff9b388634",
        )
    ]


def test_an_alarm_about_a_container_names_no_object() -> None:
    (hint,) = read_hints(REAL_CONTAINER)
    assert (hint.container, hint.object) == ("mybox", None)


def test_the_raw_notification_says_most_where_it_is_stored() -> None:
    (operation,) = [one for one in captured("last") if one["operation"] == "object_put_unicode"]
    raw = json.loads(json.loads(operation["messages"][0])["oslo.message"])
    assert [hint.object for hint in read_hints(changed(raw=raw))] == ["déjà vu/東京 😀.txt"]


def test_any_alarm_is_an_event() -> None:
    event = event_of_alarm(
        changed(event_type="compute.instance.create.end", traits=[["state", 1, "active"], ["vcpus", 2, 4]])
    )
    assert event.type == "compute.instance.create.end"
    assert event.source == f"/alarms/{PLAIN['alarm_id']}"
    assert event.id == "11111111-2222-4333-8444-555555555555"
    assert event.time == "2026-11-23T00:06:26.664953Z"
    assert (event.data["state"], event.data["vcpus"]) == ("active", 4)
    assert event.data["alarm"]["alarm_name"] == "plain"
    assert read_hints(changed(event_type="compute.instance.create.end")) == []


def test_what_was_posted_is_an_event_and_a_hint() -> None:
    (event,) = read_events(REAL_OBJECT) or []
    assert event.type == "objectstore.http.request"
    assert hints_of_event(event) == read_hints(REAL_OBJECT)
    assert read_events({"Records": []}) is None
    with pytest.raises(InvalidInput):
        read_events({"alarm_id": "a", "reason_data": {}})


@pytest.mark.parametrize("traits", [3, [3], [["a"]], [["action", 1, "update"]]])
def test_traits_that_say_nothing_are_refused(traits: Any) -> None:
    with pytest.raises(Malformed):
        read_hints(changed(traits=traits))


def changed(**event: Any) -> dict[str, Any]:
    """The plain alarm with another event in it."""
    return {**PLAIN, "reason_data": {"type": "event", "event": {**PLAIN["reason_data"]["event"], **event}}}
