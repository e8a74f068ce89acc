"""Alarms of Aodh, which devstack/mini has on request."""

from __future__ import annotations

from tests.services.openstack import Swift

__all__ = ["alarm_of_uploads"]


def alarm_of_uploads(swift: Swift, container: str, action: str) -> None:
    """Have Aodh post to the URL ``action`` for each PUT into a container. It is noticed at once where nothing has asked
    Swift about the project within the last minute: so long Aodh remembers what alarms there were.
    """
    wanted = {"target_metadata_container": container, "target_action": "put"}
    query = [
        {"field": f"traits.{name}", "op": "eq", "type": "string", "value": value} for name, value in wanted.items()
    ]
    answer = swift.session.post(
        swift.session.get_endpoint(service_type="alarming", interface="public") + "/v2/alarms",
        json={
            "name": f"uploads into {container}",
            "type": "event",
            "event_rule": {"event_type": "objectstore.http.request", "query": query},
            "alarm_actions": [action],
            "repeat_actions": True,
        },
        raise_exc=False,
    )
    assert answer.status_code == 201, (answer.status_code, answer.text)
