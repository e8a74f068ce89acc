"""One contract on every door: the same arguments seen, the same outcome, in one process."""

from pathlib import Path

import functions
import pytest

from funcatron.testing import DOORS, assert_same_on_every_door

SPEC = Path(__file__).parent / "openapi.yaml"

ORDER = {"name": "tea", "count": 2}
NESTED = {
    "name": "ü—漢字\U0001f375",
    "count": 2**62,
    "price": 1.5,
    "note": None,
    "size": 2**70,
    "lines": [ORDER, {"name": " ", "count": 1, "extra": {"a/b~c": "1"}}],
}
PARAMETERS = {
    "itemId": 7,
    "slug": "a b/ü%2F",
    "limit": 5,
    "ratio": -1.25,
    "flag": True,
    "tags": ["x y", "ü"],
    "numbers": [1, -2, 3],
    "filter": {"color": "red", "size": 3},
    "when": "2026-01-02T03:04:05+01:00",
    "class": "b",
    "X-Count": 12,
    "X-Names": ["a", "b"],
    "session": "s 1",
}

CASES = [
    ("functions.parameters", PARAMETERS, 200),
    ("functions.parameters", {"itemId": 7, "slug": "x"}, 200),
    ("functions.parameters", {"item_id": 2**80, "slug": "x", "x_count": 0}, 200),
    ("functions.parameters", {"itemId": 0, "slug": "x", "limit": 101, "class": "c", "X-Count": -1}, 400),
    ("functions.body", {"body": ORDER}, 201),
    ("functions.body", {"body": NESTED}, 201),
    ("functions.body", {"body": {"name": "", "count": 0, "colour": "red"}}, 400),
    ("functions.body", {"body": [1, 2]}, 400),
    ("functions.body", {}, 400),
    ("functions.async_body", {"body": NESTED}, 201),
    ("functions.both", {"orderId": "0b9e2a4c-55f9-4c3c-8a53-1c5a6f6a3f10", "body": ORDER}, 200),
    ("functions.both", {"order_id": "0b9e2a4c-55f9-4c3c-8a53-1c5a6f6a3f10", "dry_run": False, "body": ORDER}, 200),
    ("functions.both", {"orderId": "no uuid", "body": {"name": 1}}, 400),
    *[("functions.refuse", {"status": status}, status) for status in (400, 401, 404, 409, 422, 500, 503, 599)],
    *[
        ("functions.answer", {"form": form}, status)
        for form, status in {
            "none": 204,
            "status": 202,
            "refusal": 409,
            "headers": 200,
            "all": 203,
            "result": 206,
            "list": 200,
            "string": 200,
            "generator": 200,
            "unknown": 500,
        }.items()
    ],
    ("functions.text", {"text": "ü\n☃"}, 200),
    ("functions.binary", {}, 200),
    ("functions.stream", {}, 200),
    ("functions.fail", {}, 500),
    ("functions.unserialisable", {}, 500),
    ("functions.broken_promise", {}, 500),
    ("functions.leave", {}, 500),
    ("functions.slow_async", {}, 504),
    ("functions.everything", {"itemId": 1, "body": {"a": 1}}, 200),
]


@pytest.mark.parametrize(("function", "arguments", "status"), CASES, ids=lambda value: str(value)[:40])
def test_the_same_on_every_door(function, arguments, status):
    doors = DOORS if arguments or function != "functions.body" else DOORS[:-1]  # a tick always has data: its time
    assert assert_same_on_every_door(SPEC, function, arguments, setup=with_ledger, doors=doors).status == status


def with_ledger(app):
    app.services.register("ledger", functions.Ledger())
