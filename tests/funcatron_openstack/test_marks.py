"""Marks by which functions' own writes are known."""

from __future__ import annotations

import pytest

from funcatron_openstack.hint import Hint
from funcatron_openstack.marks import EXTRA, META, Mark, headers_of, mark_of_delete, mark_of_version
from funcatron_openstack.objects import ObjectVersion, version_of

MARK = Mark.by("photos.thumbnail", 2)
URL = "http://swift.example/v1/AUTH_a/box%20x/d%C3%A9j%C3%A0/a?multipart-manifest=put"


def written(headers: dict[str, str], name: str = "déjà/a") -> ObjectVersion:
    """What a HEAD shows after a request with these headers."""
    kept = {key: value for key, value in headers.items() if key.lower().startswith("x-object-meta-")}
    return version_of(name, {"X-Timestamp": "1.00000", **kept})


@pytest.mark.parametrize("method", ["PUT", "POST", "COPY"])
def test_a_write_is_known_by_the_object(method: str) -> None:
    headers = headers_of(MARK, method, URL)
    assert len(headers[EXTRA]) <= 32  # the most that Swift takes
    assert mark_of_version("box x", written(headers)) == MARK
    assert MARK.is_by("photos.thumbnail")
    assert not MARK.is_by("photos.index")


@pytest.mark.parametrize(
    "url", ["http://ceph/swift/v1/box%20x/d%C3%A9j%C3%A0/a", "http://ceph/swift/v1/AUTH_p/box%20x/déjà/a"]
)
def test_ceph_may_leave_out_the_account(url: str) -> None:
    assert mark_of_version("box x", written(headers_of(MARK, "PUT", url))) == MARK


def test_a_copy_of_what_a_function_wrote_is_nobodys() -> None:
    headers = headers_of(MARK, "PUT", URL)
    assert mark_of_version("box x", written(headers, "copy")) is None
    assert mark_of_version("other", written(headers)) is None
    assert mark_of_version("box x", written({META: "nonsense"})) is None
    assert mark_of_version("box x", written({})) is None


def test_a_delete_is_known_by_its_transaction_if_somebody_was_authenticated() -> None:
    extra = headers_of(MARK, "DELETE", URL)[EXTRA]
    hint = Hint(verb="delete", transaction_id=f"tx5adb57a3d88c4ef4a76ed-006b03f9dd-{extra}", user_id="u")
    assert mark_of_delete(hint) == MARK
    assert mark_of_delete(Hint(verb="delete", transaction_id=hint.transaction_id)) is None
    assert mark_of_delete(Hint(verb="delete", transaction_id="tx5adb57a3d88c4ef4a76ed-006b03f9dd", user_id="u")) is None


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", URL),
        ("HEAD", URL),
        ("PUT", "http://s/v1/AUTH_a/box"),
        ("PUT", "http://s/v1/AUTH_a/box/"),
        ("POST", "http://s/v3/auth/tokens"),
    ],
)
def test_other_requests_carry_nothing(method: str, url: str) -> None:
    assert headers_of(MARK, method, url) == {}
