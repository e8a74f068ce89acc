"""Ceph's bucket notifications."""

from __future__ import annotations

from typing import Any

import pytest

from funcatron.errors import InvalidInput
from funcatron_openstack.hint import Hint
from funcatron_openstack.rgw import read_events
from funcatron_openstack.sources import hints_of_event, read_hints


def record(event: str, key: str = "myimage1.jpg") -> dict[str, Any]:
    """The sample of Ceph's documentation."""
    return {
        "eventVersion": "2.1",
        "eventSource": "ceph:s3",
        "awsRegion": "zonegroup1",
        "eventTime": "2019-11-22T13:47:35.124724Z",
        "eventName": event,
        "userIdentity": {"principalId": "tester"},
        "requestParameters": {"sourceIPAddress": ""},
        "responseElements": {"x-amz-request-id": "503a4c37-85eb-47cd-8681-2817e80b4281.5330.903595", "x-amz-id-2": "i"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "mynotif1",
            "bucket": {
                "name": "mybucket1",
                "ownerIdentity": {"principalId": "tester"},
                "arn": "arn",
            },
            "object": {"key": key, "size": "1024", "eTag": "37b51d194a7513e45b56f6524f2d51f2", "metadata": []},
        },
        "eventId": "",
        "opaqueData": "me@example.com",
    }


@pytest.mark.parametrize(
    ("event", "verb"),
    [
        ("ObjectCreated:Put", "put"),
        ("s3:ObjectCreated:Post", "put"),
        ("ObjectCreated:Copy", "put"),
        ("ObjectCreated:CompleteMultipartUpload", "put"),
        ("ObjectSynced:Create", "put"),
        ("ObjectRemoved:Delete", "delete"),
        ("ObjectRemoved:DeleteMarkerCreated", "delete"),
        ("ObjectLifecycle:Expiration:Current", "delete"),
    ],
)
def test_a_record_is_a_hint(event: str, verb: Any) -> None:
    expected = Hint(
        verb=verb,
        container="mybucket1",
        object="myimage1.jpg",
        transaction_id="503a4c37-85eb-47cd-8681-2817e80b4281.5330.903595",
        user_id="tester",
    )
    assert read_hints({"Records": [record(event)]}) == [expected]


def test_keys_are_taken_as_they_are_and_other_events_are_passed_over() -> None:
    records = [
        record("ObjectCreated:Put", "a b/é%20+.jpg"),
        record("ObjectLifecycle:Transition:Current"),
        record("ObjectRemoved:Delete", "/"),
    ]
    assert [hint.object for hint in read_hints({"Records": records})] == ["a b/é%20+.jpg", "/"]


def test_a_post_is_an_event_for_each_record() -> None:
    (put, delete) = read_events({"Records": [record("ObjectCreated:Put"), record("ObjectRemoved:Delete", "b")]}) or []
    assert (put.type, put.subject) == ("com.amazonaws.s3.ObjectCreated:Put", "myimage1.jpg")
    assert put.source == "ceph:s3.zonegroup1.mybucket1"
    assert put.id.startswith("503a4c37-")
    assert put.time == "2019-11-22T13:47:35.124724Z"
    assert [hint.object for hint in hints_of_event(put) + hints_of_event(delete)] == ["myimage1.jpg", "b"]
    assert read_events({"alarm_id": "a"}) is None
    for nonsense in (3, [3], [{"eventName": "ObjectCreated:Put"}]):
        with pytest.raises(InvalidInput):
            read_events({"Records": nonsense})
