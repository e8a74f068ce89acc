from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from funcatron.asyncapi import describe
from funcatron.asyncapi.schemas import Schemas
from funcatron.spec.document import load
from funcatron.testing import application
from tests.funcatron.functions import document

EXAMPLES = Path(__file__).parents[2] / "openapi" / "examples"
DATA = Path(__file__).parents[1] / "data" / "swift_notifications"
BUS = "amqp://swift:hidden@bus.example//"


def described(*specs: Any, **settings: Any) -> dict[str, Any]:
    app = application(*specs, handlers=lambda name: lambda **given: None, **settings)
    return describe(app.registry, app.triggers, app.settings)


def followed(whole: Mapping[str, Any], ref: str) -> Any:
    for part in ref.removeprefix("#/").split("/"):
        whole = whole[part]
    return whole


def messages(whole: Mapping[str, Any], operation: str) -> list[Any]:
    return [followed(whole, one["$ref"]) for one in whole["operations"][operation]["messages"]]


def takes(whole: Mapping[str, Any], payload: Mapping[str, Any], value: Any) -> bool:
    schema = {**payload, "components": whole["components"]}
    return jsonschema_rs.Draft7Validator(schema).is_valid(value)


def converted(schema: Mapping[str, Any], openapi: str = "3.0.3", **schemas: Any) -> tuple[Any, dict[str, Any]]:
    made = {**document(), "openapi": openapi, "components": {"schemas": {**schemas, "Wanted": schema}}}
    collected, read = Schemas(), load(made)
    one = collected.of(read, read.content["components"]["schemas"]["Wanted"])
    collected.complete()
    return one, collected.components


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": "string", "nullable": True, "enum": ["a", "b", "a"]},
            {"type": ["string", "null"], "enum": ["a", "b", None]},
        ),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, {"type": "integer", "exclusiveMinimum": 1}),
        ({"type": "integer", "maximum": 9, "exclusiveMaximum": False}, {"type": "integer", "maximum": 9}),
        ({"type": "string", "example": "tea", "xml": {"name": "x"}}, {"type": "string", "examples": ["tea"]}),
        (
            {"type": "object", "required": ["kind"], "discriminator": {"propertyName": "kind"}},
            {"type": "object", "required": ["kind"], "discriminator": "kind"},
        ),
        (
            {"type": "object", "properties": {"nullable": {"type": "string"}, "example": {"type": "integer"}}},
            {"type": "object", "properties": {"nullable": {"type": "string"}, "example": {"type": "integer"}}},
        ),
    ],
)
def test_schemas_of_openapi_3_0_are_said_in_draft_7(written: dict[str, Any], said: dict[str, Any]) -> None:
    assert converted(written)[0] == said


def test_schemas_of_openapi_3_1_are_said_in_draft_7() -> None:
    schema = {"type": "array", "prefixItems": [{"const": 1}, {"type": ["string", "null"]}], "items": False}
    assert converted(schema, "3.1.0")[0] == {
        "type": "array",
        "items": [{"const": 1}, {"type": ["string", "null"]}],
        "additionalItems": False,
    }
    beside, components = converted(
        {"$ref": "#/components/schemas/Tea", "description": "hot"}, "3.1.0", Tea={"type": "string"}
    )
    assert beside == {"allOf": [{"$ref": "#/components/schemas/Tea"}, {"description": "hot"}]}
    assert components == {"Tea": {"type": "string"}}


def test_a_schema_that_refers_to_itself_is_one_component() -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Wanted"}}}
    one, components = converted(tree)
    assert one["properties"]["next"] == {"$ref": "#/components/schemas/Wanted"}
    assert components == {"Wanted": one}


def test_schemas_of_two_documents_with_one_name_are_two_components() -> None:
    collected = Schemas()
    for kind in ("string", "integer"):
        read = load({**document(), "components": {"schemas": {"Id": {"type": kind}}}})
        collected.of(read, {"$ref": "#/components/schemas/Id"})
        collected.of(read, {"$ref": "#/components/schemas/Id"})
    collected.complete()
    assert collected.components == {"Id": {"type": "string"}, "Id_2": {"type": "integer"}}


def test_the_tasks_of_a_function() -> None:
    whole = described(EXAMPLES / "orders" / "openapi.yaml", broker="amqp://bob:hidden@mq.example:5673/v%2Fh")
    for name, operation in whole["operations"].items():
        if not name.endswith(".celery"):
            continue
        (message,) = messages(whole, name)
        assert message["headers"]["properties"]["task"]["const"] == operation["title"]
        assert not takes(whole, message["payload"], [["positional"], {}, {}])
        assert not takes(whole, message["payload"], [[], {"nonsense": 1}, {}])
    assert whole["servers"]["broker"] == {
        "host": "mq.example:5673",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "pathname": "/v/h",
        "security": [{"$ref": "#/components/securitySchemes/broker"}],
    }
    assert "hidden" not in json.dumps(whole)
    assert "bob" not in json.dumps(whole)


BODY = {
    "required": True,
    "content": {"application/json": {"schema": {"type": "object", "properties": {"item": {"type": "string"}}}}},
}
COUNT = {"name": "X-Count", "in": "query", "required": True, "schema": {"type": "integer"}}


def test_what_a_queue_takes() -> None:
    queue = {"queue": {"name": "tea", "exchange": "shop", "routing_key": "tea.#"}}
    given = {"queue": {"name": "cups", "input": {"X-Count": "$event#/data/n"}}}
    spec = document(
        operationId="brew", parameters=[COUNT], requestBody=BODY, extension={"triggers": [queue, given]}, method="post"
    )
    whole = described(spec, broker="amqp://mq.example//")
    plain, event = messages(whole, "brew.queue.0")
    assert takes(whole, plain["payload"], {"x_count": 1, "item": "tea"})
    assert not takes(whole, plain["payload"], {"item": "tea"})
    assert not takes(whole, plain["payload"], {"x_count": 1, "item": 2})
    sent = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "tea", "data": {"x_count": 1}}
    assert takes(whole, event["payload"], sent)
    assert not takes(whole, event["payload"], {**sent, "data": {"x_count": "one"}})
    assert not takes(whole, event["payload"], {key: item for key, item in sent.items() if key != "source"})
    plain, _ = messages(whole, "brew.queue.1")
    assert takes(whole, plain["payload"], {"n": 1, "item": "tea"})
    channels = {channel["address"]: channel["bindings"]["amqp"] for channel in whole["channels"].values()}
    assert channels["tea.#"]["exchange"] == {"name": "shop", "type": "topic", "durable": True, "autoDelete": False}
    assert channels["cups"]["queue"]["name"] == "cups"
    assert whole["servers"]["broker"]["pathname"] == "//"


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("com.example.order.*", "com.example.order.paid", "com-example.order.paid"),
        ("a.b", "a.b", "a.bc"),
        ("a.?", "a.+", "a."),
        ("a[!0-9]b", "axb", "a1b"),
    ],
)
def test_what_the_events_door_takes(pattern: str, good: str, bad: str) -> None:
    spec = document(operationId="paid", extension={"triggers": [{"event": {"type": pattern}}]})
    whole = described(spec, host="::1", port=81, control_token="hidden")
    (message,) = messages(whole, "paid.event.0")
    sent = {"specversion": "1.0", "id": "1", "source": "/shop"}
    assert takes(whole, message["payload"], {**sent, "type": good})
    assert not takes(whole, message["payload"], {**sent, "type": bad})
    assert whole["servers"]["http"]["host"] == "[::1]:81"
    assert whole["servers"]["http"]["pathname"] + whole["channels"]["http.events"]["address"] == "/_funcatron/events"
    assert whole["components"]["securitySchemes"]["control"]["scheme"] == "bearer"
    assert "hidden" not in json.dumps(whole)


def test_what_tells_of_a_container() -> None:
    spec = EXAMPLES / "gallery" / "openapi.yaml"
    whole = described(spec, notifications=BUS)
    swift = [name for name in whole["operations"] if ".swift." in name]
    assert swift
    lines = (DATA / "early.json").read_text().splitlines()
    records = [json.loads(line.rstrip(",")) for line in lines if line.startswith('{"operation"')]
    notifications = [json.loads(text) for record in records for text in record["messages"]]
    assert len(notifications) > 5
    for name in swift:
        (message,) = messages(whole, name)
        assert all(takes(whole, message["payload"], one) for one in notifications)
        assert takes(whole, message["payload"], json.loads(notifications[0]["oslo.message"]))
        assert not takes(whole, message["payload"], {"nothing": 1})
    assert "hidden" not in json.dumps(whole)
    posted = described(spec)
    assert posted["operations"][swift[0]]["bindings"] == {"http": {"method": "POST"}}


def test_what_a_clock_calls_has_no_channel_but_its_task() -> None:
    schedule = {"schedule": {"cron": "* * * * *"}}
    whole = described(document(operationId="tick", extension={"triggers": [schedule], "queue": "slow"}))
    assert list(whole["operations"]) == ["tick.celery"]
    (channel,) = whole["channels"].values()
    assert channel["address"] == "slow"
    embedded = described(document(), store="sqlite:////var/x.db")["servers"]["broker"]
    assert (embedded["protocol"], embedded["pathname"]) == ("sqlite", "/var/x.db")


def test_calls_with_credentials_are_no_tasks() -> None:
    secret = {"name": "X-Auth-Token", "in": "header", "schema": {"type": "string"}}
    assert described(document(operationId="whoami", parameters=[secret]))["operations"] == {}


@pytest.mark.anyio
async def test_the_document_is_for_the_operator() -> None:
    app = application(document(operationId="f"), handlers={"f": lambda: None}, control_token="hidden")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        refused = await client.get("/_funcatron/asyncapi.json")
        answer = await client.get("/_funcatron/asyncapi.json", headers={"Authorization": "Bearer hidden"})
    assert refused.status_code == 401
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == described(document(operationId="f"), control_token="hidden")
