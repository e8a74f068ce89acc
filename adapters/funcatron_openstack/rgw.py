"""Ceph's bucket notifications, as RGW sends them over AMQP and HTTP: the records of S3's event messages.

Source: docs.ceph.com, radosgw/notifications; the structure is that of S3 event messages 2.1 and 2.2. As events they are
named as the CloudEvents adapter for AWS S3 names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from funcatron.errors import InvalidInput, Violation
from funcatron.event import CloudEvent
from funcatron_openstack.hint import Hint, Malformed, Verb

__all__ = ["read_events", "read_records"]

_VERBS: tuple[tuple[str, Verb], ...] = (
    ("ObjectCreated:", "put"),
    ("ObjectSynced:Create", "put"),
    ("ObjectRemoved:", "delete"),
    ("ObjectSynced:Delete", "delete"),
    ("ObjectLifecycle:Expiration:", "delete"),
)


def read_records(message: Mapping[str, Any]) -> list[Hint]:
    """Return the hints in a message with ``Records``, decoded from JSON. Raises Malformed.

    The account is not among what a record says: a bucket is the container of its name.
    """
    records = message.get("Records")
    if not isinstance(records, list):
        raise Malformed("Records is no list")
    return [hint for record in records for hint in _read(record)]


def read_events(body: Mapping[str, Any]) -> list[CloudEvent] | None:
    """Return the events in what was posted, None where it is no message with ``Records``. Raises InvalidInput."""
    if "Records" not in body:
        return None
    try:
        read_records(body)
        return [_event(record) for record in body["Records"]]
    except (Malformed, KeyError, TypeError) as error:
        raise InvalidInput([Violation("/body", f"this is no message of a bucket notification: {error}")]) from None


def _event(record: Mapping[str, Any]) -> CloudEvent:
    answer, s3 = record["responseElements"], record["s3"]
    return CloudEvent(
        id=f"{answer['x-amz-request-id']}.{answer['x-amz-id-2']}",
        source=f"{record['eventSource']}.{record['awsRegion']}.{s3['bucket']['name']}",
        type=f"com.amazonaws.s3.{record['eventName'].removeprefix('s3:')}",
        subject=s3["object"]["key"],
        time=record["eventTime"],
        datacontenttype="application/json",
        data={"Records": [record]},
    )


def _read(record: Any) -> Iterator[Hint]:
    try:
        name = str(record["eventName"]).removeprefix("s3:")
        bucket, key = record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]
    except (KeyError, TypeError) as error:
        raise Malformed(f"this is no record of a bucket notification: {error!r}") from None
    if not isinstance(bucket, str) or not isinstance(key, str):
        raise Malformed("a record names no bucket and key")
    answer, user = record.get("responseElements"), record.get("userIdentity")
    for beginning, verb in _VERBS:
        if name.startswith(beginning):
            yield Hint(
                verb=verb,
                container=bucket,
                object=key,
                transaction_id=answer.get("x-amz-request-id") if isinstance(answer, Mapping) else None,
                user_id=user.get("principalId") if isinstance(user, Mapping) else None,
            )
