"""Notifications as real stacks have sent them, with the filter in DevStack's place (last) and early."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from funcatron_openstack.hint import Hint, Malformed
from funcatron_openstack.notifications import decoded_name
from funcatron_openstack.sources import decode, read_hints

CAPTURED = Path(__file__).parents[1] / "data" / "swift_notifications"
CONTAINER = {"last": "cap-8e5298", "early": "cap-46b24e"}
USER = "1db231f4abb443c4b84cf08eaadd4aec"
PROJECT = "2d043e93a46a4877a245116a0824b003"

# Each operation with what is hinted at: verb and object. C is the container, A the account, without a name for what has
# changed in it.
C, A = object(), object()
BOTH: dict[str, list[tuple[str, Any]]] = {
    "container_create": [("put", C)],
    "container_create_again_202": [("put", C)],
    "container_post_metadata": [("post", C)],
    "object_put": [("put", "hello.txt")],
    "object_put_overwrite": [("put", "hello.txt")],
    "object_put_sdk": [("put", "sdk.bin")],
    "object_put_sdk_cloud_layer": [("put", "sdk2.bin")],
    "object_put_empty": [("put", "empty")],
    "object_put_chunked": [("put", "chunked")],
    "object_put_pseudo_folder": [("put", "dir1/")],
    "object_put_in_folder": [("put", "dir1/sub/file.csv")],
    "object_put_unicode": [("put", "déjà vu/東京 😀.txt")],
    "object_put_percent_name": [("put", "100%25 of a+b?c#d&e=f;g%2Fh")],
    "object_put_double_slash": [("put", "/lead//x")],
    "object_post_metadata": [("post", "hello.txt")],
    "object_head": [],
    "object_get": [],
    "object_get_range": [],
    "object_get_304": [],
    "container_list": [],
    "account_list": [],
    "object_copy_verb": [],
    "object_copy_put_x_copy_from": [],
    "object_put_404_no_container": [("put", "x")],
    "object_put_401_bad_token": [("put", "x401")],
    "object_put_401_no_token": [("put", "x401")],
    "object_put_403_other_project": [("put", "x403")],
    "object_put_422_bad_etag": [("put", "x422")],
    "object_put_412_if_none_match": [("put", "hello.txt")],
    "object_put_413_quota": [],
    "object_get_404": [],
    "object_delete_404": [("delete", "missing")],
    "object_put_expiring": [("put", "exp")],
    "dlo_segment_1": [("put", "dlo_segs/1")],
    "dlo_segment_2": [("put", "dlo_segs/2")],
    "dlo_manifest_put": [("put", "dlo.bin")],
    "dlo_get": [],
    "slo_manifest_put": [("put", "slo.bin")],
    "slo_get": [],
    "slo_sdk_cloud_layer_upload": [
        ("put", "big.bin"),
        ("put", "big.bin/000000"),
        ("put", "big.bin/000001"),
        ("put", "big.bin/000002"),
    ],
    "slo_delete_with_segments": [],
    "symlink_put": [("put", "link")],
    "bulk_upload_tar": [],
    "bulk_delete": [],
    "tempurl_put": [("put", "tempurl.txt")],
    "formpost_upload": [],
    "versioned_container_put": [("put", C)],
    "versioned_object_put": [],
    "versioned_object_put_2": [],
    "versioned_object_delete": [("delete", "doc")],
    "s3api_put_object": [],
    "s3api_get_object": [],
    "s3api_delete_object": [],
    "object_delete": [("delete", "hello.txt")],
    "container_delete_409_not_empty": [("delete", C)],
    "service_project_put_ignored": [("put", C)],
}
EARLY = BOTH | {
    "object_copy_verb": [("put", "copy1.txt")],
    "object_copy_put_x_copy_from": [("put", "copy2.txt")],
    "object_put_413_quota": [("put", "x413")],
    "slo_delete_with_segments": [("delete", "slo.bin")],
    "bulk_upload_tar": [("put", C)],
    "bulk_delete": [("post", A)],
    "formpost_upload": [("post", C)],
    "s3api_put_object": [("put", "via-s3.txt")],
    "s3api_delete_object": [("delete", "via-s3.txt")],
}
EXPECTED = {"last": BOTH, "early": EARLY}


def captured(placement: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((CAPTURED / f"{placement}.json").read_text())
    return found


def hints_of(operation: dict[str, Any]) -> list[Hint]:
    return [hint for body in operation["messages"] for hint in read_hints(decode(body))]


def shown(hint: Hint) -> tuple[str, Any]:
    return hint.verb, hint.object if hint.object is not None else A if hint.container is None else C


CASES = [(placement, operation) for placement in EXPECTED for operation in captured(placement)]


@pytest.mark.parametrize(
    ("placement", "operation"), CASES, ids=lambda case: case if isinstance(case, str) else case["operation"]
)
def test_captured_operations(placement: str, operation: dict[str, Any]) -> None:
    hints = hints_of(operation)
    expected = EXPECTED[placement][operation["operation"]]
    assert sorted(map(shown, hints), key=str) == sorted(expected, key=str)
    for hint in hints:
        if operation["operation"] == "service_project_put_ignored":
            assert hint.account != f"AUTH_{PROJECT}"
            continue
        assert hint.account == f"AUTH_{PROJECT}"
        assert hint.container is None or CONTAINER[placement] in hint.container


def test_every_captured_operation_is_expected() -> None:
    for placement, expected in EXPECTED.items():
        assert {operation["operation"] for operation in captured(placement)} == set(expected)


def test_who_and_which_request() -> None:
    by_name = {operation["operation"]: operation for operation in captured("last")}
    (known,) = hints_of(by_name["object_put"])
    assert known.user_id == USER
    assert known.transaction_id is not None
    assert known.transaction_id.startswith("tx")
    for nobody in ("tempurl_put", "object_put_401_bad_token"):  # the middleware makes up a user then
        (hint,) = hints_of(by_name[nobody])
        assert hint.user_id is None


def test_the_envelope_of_version_1_is_none() -> None:
    (operation,) = [one for one in captured("last") if one["operation"] == "object_put_unicode"]
    (body,) = operation["messages"]
    bare = json.loads(json.loads(body)["oslo.message"])
    assert read_hints(bare) == hints_of(operation)


TARGET = '{"event_type": "objectstore.http.request", "payload": {"target": %s}}'


@pytest.mark.parametrize(
    "body",
    [
        "", "nonsense", "[]", "null", "3", "{}", '{"oslo.message": "{"}', '{"oslo.message": 3}', '{"payload": 3}',
        '{"event_type": "objectstore.http.request", "payload": {}}',
        TARGET % '{"action": "put", "metadata": {}}',
        TARGET % '{"action": "put", "metadata": {"path": "v1/A/%ff"}}',
        '{"Records": 3}', '{"Records": [3]}', '{"Records": [{"eventName": "ObjectCreated:Put"}]}',
        '{"alarm_id": "a", "reason_data": {"type": "threshold"}}',
    ],
)  # fmt: skip
def test_what_is_no_notification_is_refused(body: str) -> None:
    with pytest.raises(Malformed):
        read_hints(decode(body))


def test_notifications_of_other_services_are_none_of_ours() -> None:
    assert read_hints({"event_type": "compute.instance.create.end", "payload": {"instance_id": "i"}}) == []


@pytest.mark.parametrize("name", ["plain", "100%", "%2F", "déjà vu", "東京/😀", "a+b", "/lead//x", "\x7f", "x" * 1024])
def test_names_are_decoded_as_the_middleware_encodes_them(name: str) -> None:
    from urllib.parse import quote

    assert decoded_name(quote(name.encode().decode("latin-1"))) == name
