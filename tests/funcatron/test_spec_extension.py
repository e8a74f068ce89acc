"""x-funcatron: merged by nearness, defaults filled in, every mistake named."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema_rs
import pytest

from funcatron.errors import SpecError
from funcatron.retry import RetryPolicy
from funcatron.spec.document import load
from funcatron.spec.operation import Extension, TriggerBinding

OK = {"200": {"description": "ok"}}


def given(operation: Any = None, path: Any = None, root: Any = None) -> dict[str, Any]:
    def own(value: Any) -> dict[str, Any]:
        return {} if value is None else {"x-funcatron": value}

    item = {"post": {"responses": OK, **own(operation)}, **own(path)}
    return {"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {"/a": item}, **own(root)}


def extension(operation: Any = None, path: Any = None, root: Any = None) -> Extension:
    return load(given(operation, path, root)).operations[0].extension


def test_without_any() -> None:
    assert extension() == Extension()
    assert extension({}) == Extension(
        mode="sync",
        queue="funcatron",
        timeout=30.0,
        async_timeout=300.0,
        retry=RetryPolicy(attempts=5, backoff=1, max_backoff=300, jitter=True),
        record=False,
        ordering=None,
        concurrency=None,
        idempotency_ttl=86_400.0,
        triggers=(),
    )


def test_all_of_it() -> None:
    assert extension(
        {
            "mode": "async",
            "queue": "images",
            "timeout": 7,
            "retry": {"attempts": 2, "backoff": 0.5, "max_backoff": 9, "jitter": False},
            "record": True,
            "ordering": "subject",
            "concurrency": 3,
            "idempotency": {"key": "header", "ttl": 60},
            "openstack": {"cloud": "c", "trust": "t"},
        }
    ) == Extension(
        mode="async",
        queue="images",
        timeout=7.0,
        async_timeout=7.0,
        retry=RetryPolicy(attempts=2, backoff=0.5, max_backoff=9, jitter=False),
        record=True,
        ordering="subject",
        concurrency=3,
        idempotency_ttl=60.0,
        cloud="c",
        trust="t",
    )


def test_the_nearest_wins_key_by_key() -> None:
    merged = extension(
        {"timeout": 1, "retry": {"attempts": 2}},
        {"mode": "async", "timeout": 2},
        {"mode": "sync", "queue": "root", "timeout": 3, "retry": {"attempts": 9, "jitter": False}},
    )
    assert (merged.mode, merged.queue, merged.timeout) == ("async", "root", 1.0)
    assert merged.retry == RetryPolicy(attempts=2, jitter=False)


def test_triggers_know_their_place_and_replace_those_of_the_root() -> None:
    entries = [{"queue": {"name": "orders"}}, {"mine": {"anything": [1]}}]
    pointer = "/paths/~1a/post/x-funcatron/triggers"
    assert extension({"triggers": entries}, root={"triggers": [{"event": {"type": "x"}}]}).triggers == (
        TriggerBinding(kind="queue", settings={"name": "orders"}, pointer=f"{pointer}/0/queue"),
        TriggerBinding(kind="mine", settings={"anything": [1]}, pointer=f"{pointer}/1/mine"),
    )


def test_changes_of_an_object_are_ordered_unless_told_otherwise() -> None:
    swift = {"triggers": [{"swift": {"container": "photos", "suffix": [".jpg", ".png"]}}]}
    assert extension(swift).ordering == "subject"
    assert extension({**swift, "ordering": None}).ordering is None


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"tiemout": 5}, "/tiemout: is not a known property; did you mean 'timeout'?"),
        ({"zzz": 5}, "/zzz: is not a known property"),
        ([], ": must be an object, not []"),
        ({"mode": "later"}, '/mode: must be "sync" or "async", not "later"'),
        ({"timeout": "30"}, '/timeout: must be a number, not "30"'),
        ({"timeout": 0}, "/timeout: must be greater than 0, not 0"),
        ({"retry": {"attempts": 0}}, "/retry/attempts: must be at least 1, not 0"),
        ({"retry": {"attemps": 2}}, "/retry/attemps: is not a known property; did you mean 'attempts'?"),
        ({"retry": 3}, "/retry: must be an object, not 3"),
        ({"record": "yes"}, '/record: must be true or false, not "yes"'),
        ({"triggers": {"queue": {}}}, '/triggers: must be an array, not {"queue": {}}'),
        ({"triggers": [{}]}, "/triggers/0: must have at least 1 property, not {}"),
        ({"triggers": ["queue"]}, '/triggers/0: must be an object, not "queue"'),
        ({"triggers": [{"queue": {"nam": "x", "name": "y"}}]},
         "/triggers/0/queue/nam: is not a known property; did you mean 'name'?"),
        ({"triggers": [{"queue": {}}]}, "/triggers/0/queue/name: is required"),
        ({"triggers": [{"swift": {}}]}, "/triggers/0/swift/container: is required"),
        ({"triggers": [{"swift": {"container": "c", "actions": ["made"]}}]},
         '/triggers/0/swift/actions/0: must be "created", "updated" or "deleted", not "made"'),
        ({"triggers": [{"swift": {"container": "c", "suffix": 5}}]},
         "/triggers/0/swift/suffix: must be a string or an array, not 5"),
        ({"triggers": [{"webhook": {"path": "hooks"}}]},
         '/triggers/0/webhook/path: must match the pattern ^/, not "hooks"'),
        ({"triggers": [{"event": {}}]}, "/triggers/0/event: must have at least 1 property, not {}"),
        ({"triggers": [{"mine": 5}]}, "/triggers/0/mine: must be an object, not 5"),
        ({"triggers": [{"schedule": {"cron": 5}}]}, "/triggers/0/schedule/cron: must be a string, not 5"),
        ({"triggers": [{"queue": {"name": "a"}, "event": {"type": "b"}}]},
         '/triggers/0: must have at most 1 property, not {"queue": {"name": "a"}, "event": {"type": "b"}}'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["operation", "path", "root"])
def test_mistakes(value: Any, told: str, place: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(given(**{place: value}))
    at = {"operation": "/paths/~1a/post", "path": "/paths/~1a", "root": ""}[place]
    assert [str(mistake) for mistake in caught.value.mistakes] == [f"<dict> #{at}/x-funcatron{told}"]


DESIGNED = [
    {
        "swift": {
            "container": "photos",
            "prefix": "raw/",
            "suffix": [".jpg"],
            "actions": ["created", "deleted"],
            "cloud": "c",
        }
    },
    {"queue": {"name": "orders", "exchange": "orders", "routing_key": "order.#"}},
    {"schedule": {"cron": "*/5 * * * *", "timezone": "UTC", "input": {"full": False}}},
    {"event": {"type": "com.example.order.*", "source": "/shop"}},
    {
        "webhook": {
            "path": "/hooks/github",
            "signature": "github",
            "secret": "S",
            "match": {"header.X-GitHub-Event": "push"},
        }
    },
]


def test_every_kind_as_it_is_documented() -> None:
    kinds = [trigger.kind for trigger in extension({"triggers": DESIGNED}).triggers]
    assert kinds == ["swift", "queue", "schedule", "event", "webhook"]


def described(schema: dict[str, Any], place: str = "") -> list[str]:
    """Return the places of properties that nothing explains."""
    missing = []
    for name, child in schema.get("properties", {}).items():
        if "description" not in child and "$ref" not in child:
            missing.append(f"{place}/{name}")
        missing += described(child, f"{place}/{name}")
    return missing


def test_the_schema_is_itself_valid_and_explains_everything() -> None:
    schema = json.loads((files("funcatron_openapi") / "x-funcatron.schema.json").read_text())
    jsonschema_rs.meta.validate(schema)
    assert described(schema) == []
    for kind, definition in schema["$defs"].items():
        assert described(definition, kind) == []


def test_defaults_in_the_schema_are_those_of_the_code() -> None:
    schema = json.loads((files("funcatron_openapi") / "x-funcatron.schema.json").read_text())["properties"]
    default = Extension()
    assert schema["mode"]["default"] == default.mode
    assert schema["queue"]["default"] == default.queue
    assert schema["idempotency"]["properties"]["ttl"]["default"] == default.idempotency_ttl
    for name, member in schema["retry"]["properties"].items():
        assert member["default"] == getattr(default.retry, name)
