"""What is posted to the events door and is no CloudEvent, but tells of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from funcatron.errors import InvalidInput
from funcatron.http.events import read_events
from funcatron.testing import application
from tests.funcatron.functions import document

ALARMS = json.loads((Path(__file__).parents[1] / "data" / "swift_notifications" / "aodh.json").read_text())


def test_an_alarm_is_an_event_of_its_own_type() -> None:
    extension = {"triggers": [{"event": {"type": "objectstore.http.*", "source": "/alarms/*"}}]}
    app = application(document(operationId="f", extension=extension), handlers={"f": lambda: None})
    (event,) = read_events({"content-type": "application/json"}, ALARMS[3])
    (execution,) = app.publish(event)
    assert (execution.function, execution.trigger, execution.event_id) == ("f", "event", event.id)
    assert event.data["target_metadata_object"] == "photos/cat.jpg"
    app.close()


def test_a_cloud_event_is_never_taken_for_anything_else() -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
    (event,) = read_events({**headers, "content-type": "application/json"}, ALARMS[0])
    assert (event.type, event.data) == ("t", ALARMS[0])


@pytest.mark.parametrize("body", [{}, {"Records": 3}, {"alarm_id": 1, "reason_data": None}, [], 3, None])
def test_what_is_neither_is_refused(body: Any) -> None:
    with pytest.raises(InvalidInput):
        read_events({"content-type": "application/json"}, body)
