"""Objects as Swift shows them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from funcatron_openstack.objects import entry_of, is_folder, is_segment, moment, rfc3339, version_of

HEADERS = {
    "Content-Type": "text/plain",
    "X-Object-Meta-Colour": "blÃ©",
    "Etag": '"900150983cd24fb0d6963f7d28e17f72"',
    "Last-Modified": "Mon, 23 Nov 2026 08:31:26 GMT",
    "X-Timestamp": "1795422685.60421",
    "Content-Length": "3",
}
LINE = {"bytes": 3, "hash": "9001", "name": "a b", "content_type": "a/b", "last_modified": "2026-11-23T08:31:25.604210"}


def test_a_head_and_a_listing_name_the_same_moment() -> None:
    version = version_of("a b", HEADERS)
    assert (version.size, version.etag, version.content_type) == (3, "900150983cd24fb0d6963f7d28e17f72", "text/plain")
    assert version.metadata == {"colour": "blé"}
    assert entry_of(LINE).timestamp == version.timestamp == "1795422685.60421"


@pytest.mark.parametrize(
    "written", ["2026-11-23T08:31:25.604210", "2026-11-23T08:31:25.604Z", "2026-11-23T09:31:25.60421+01:00"]
)
def test_listings_of_any_spelling(written: str) -> None:
    assert entry_of({**LINE, "last_modified": written}).timestamp.startswith("1795422685.604")


def test_the_etag_of_a_large_object_is_that_of_its_head() -> None:
    assert entry_of({**LINE, "slo_etag": '"5c15"'}).etag == "5c15"


@pytest.mark.parametrize(
    "when", ["1970-01-01T00:00:00.000010", "2026-11-23T08:31:25.604210", "2286-11-20T17:46:39.999990"]
)
def test_moments_are_dates(when: str) -> None:
    written = moment(datetime.fromisoformat(when).replace(tzinfo=UTC))
    assert datetime.fromisoformat(rfc3339(written)) == datetime.fromisoformat(when).replace(tzinfo=UTC)


def test_what_only_marks_a_folder() -> None:
    assert is_folder("dir/", "application/octet-stream", 0)
    assert is_folder("dir", "application/directory; charset=utf-8", 0)
    assert not is_folder("dir/", "text/plain", 3)
    assert not is_folder("empty", "text/plain", 0)


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("big.bin/000000", True),
        ("a/big.bin/000999", True),
        ("big.bin/slo/1442256923.160459/6291456/1048576/00000003", True),
        ("big.bin/1442256923.160459/6291456/00000003", True),
        ("reports/240131", False),
        ("000000", False),
        ("big.bin/000000/x", False),
        ("x/0000000", False),
    ],
)
def test_names_of_segments(name: str, segment: bool) -> None:
    assert is_segment(name) is segment
